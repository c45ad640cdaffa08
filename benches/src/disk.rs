//! What has to be asked of the file system that a file lies in.

use std::fs::File;
use std::io;

use rustix::fs::{Advice, OFlags, fadvise, fcntl_getfl, fcntl_setfl, fstatfs, fstatvfs};

use crate::BLOCK_BYTES;

/// Space that an ordinary user may fill.
pub(crate) fn free_bytes(file: &File) -> io::Result<u64> {
    let space = fstatvfs(file)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Turns `O_DIRECT` on and tries it: some file systems take the flag and refuse the read, or want
/// another alignment than a block's.
pub(crate) fn set_direct(file: &File) -> io::Result<()> {
    #[repr(align(4096))]
    struct Block([u8; BLOCK_BYTES]);

    let plain = fcntl_getfl(file)?;
    fcntl_setfl(file, plain | OFlags::DIRECT)?;
    let mut block = Block([0; BLOCK_BYTES]);
    match rustix::io::pread(file, &mut block.0, 0) {
        Ok(BLOCK_BYTES) => {
            // Cached pages cost a look-up and a flush per direct read; only a hint, so any answer do.
            let _ = fadvise(file, 0, None, Advice::DontNeed);
            Ok(())
        }
        answer => {
            fcntl_setfl(file, plain)?;
            Err(answer.map_or_else(Into::into, |_| io::ErrorKind::UnexpectedEof.into()))
        }
    }
}

/// The name of the file system that a file lies in.
pub(crate) fn file_system(file: &File) -> io::Result<&'static str> {
    // The numbers are from linux/magic.h; those of XFS, ZFS and F2FS from their own headers.
    Ok(match fstatfs(file)?.f_type as u32 {
        0xef53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0xf2f5_2010 => "f2fs",
        0x2fc1_2fc1 => "zfs",
        0x794c_7630 => "overlayfs",
        0x0102_1994 => "tmpfs",
        0x8584_58f6 => "ramfs",
        0x6969 => "nfs",
        0x6573_5546 => "fuse",
        0x0102_1997 => "9p",
        0x6264_6576 => "a block device",
        _ => "an unknown file system",
    })
}
