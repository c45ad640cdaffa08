//! A file system in this process whose files fail, each in its way.

use std::ffi::OsStr;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};

use crate::support::skip;

/// How long each file claims to be.
pub(crate) const LEN: usize = 10_000;
/// So many bytes of `short` are read or written at a time, at most.
pub(crate) const SHORT_MAX: usize = 100;

/// The files by their inode numbers, from 2.
const NAMES: [&str; 4] = ["broken", "unsynced", "short", "hung"];
const BROKEN: u64 = 2;
const UNSYNCED: u64 = 3;
const SHORT: u64 = 4;
const HUNG: u64 = 5;

/// What the server noticed.
#[derive(Default)]
pub(crate) struct Seen {
    /// Calls of fsync.
    pub(crate) syncs: AtomicU32,
    /// What was written to `short`, and where.
    pub(crate) written: Mutex<Vec<(usize, Vec<u8>)>>,
    /// Reads of `hung` that wait, with their lengths.
    hanging: Mutex<Vec<(ReplyData, usize)>>,
    /// They wait no more.
    released: AtomicBool,
}

/// What the files contain.
pub(crate) fn content(bytes: std::ops::Range<usize>) -> Vec<u8> {
    bytes.map(|offset| (offset * 31 + offset / 251) as u8).collect()
}

pub(crate) struct Server {
    pub(crate) seen: Arc<Seen>,
    folder: tempfile::TempDir,
    _session: BackgroundSession,
}

impl Server {
    /// Mounts it, or says why that is impossible.
    pub(crate) fn start() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let seen = Arc::new(Seen::default());
        let mut config = Config::default();
        config.mount_options.push(MountOption::FSName("aura-faults".into()));
        match fuser::spawn_mount(Faulty(Arc::clone(&seen)), folder.path(), &config) {
            Ok(session) => Some(Self { seen, folder, _session: session }),
            Err(error) => {
                skip(&format!("no FUSE here ({error}): needs /dev/fuse and root, or fusermount3"));
                None
            }
        }
    }

    pub(crate) fn open(&self, name: &str) -> std::fs::File {
        self.open_with(name, 0)
    }

    pub(crate) fn open_with(&self, name: &str, flags: i32) -> std::fs::File {
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(true).custom_flags(flags);
        options.open(self.folder.path().join(name)).expect("it is there")
    }

    /// How many reads hang.
    pub(crate) fn hanging(&self) -> usize {
        self.seen.hanging.lock().expect("not poisoned").len()
    }

    /// Answers the reads that hang, and from now on at once: who waited for the same page asks again.
    pub(crate) fn release(&self) {
        let mut hanging = self.seen.hanging.lock().expect("not poisoned");
        self.seen.released.store(true, Ordering::SeqCst);
        for (reply, len) in hanging.drain(..) {
            reply.data(&content(0..len.min(LEN)));
        }
    }
}

impl Drop for Server {
    /// Whoever waits for an answer would keep the file system from being unmounted.
    fn drop(&mut self) {
        self.release();
    }
}

struct Faulty(Arc<Seen>);

fn attributes(ino: u64) -> FileAttr {
    let kind = if ino == 1 { FileType::Directory } else { FileType::RegularFile };
    FileAttr {
        ino: INodeNo(ino),
        size: LEN as u64,
        blocks: 1,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind,
        perm: 0o777,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

const LASTING: Duration = Duration::from_secs(3600);

impl Filesystem for Faulty {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match NAMES.iter().position(|known| name == *known) {
            Some(place) => reply.entry(&LASTING, &attributes(place as u64 + 2), Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&LASTING, &attributes(ino.0));
    }

    fn open(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // So that each operation gets here as it is. But on Linux 6.18 io_uring goes on with a read
        // that is answered short at the place where it began, if the server asks for this; and it reads
        // within `io_uring_enter`, which a read that hangs would not return from.
        let direct = FopenFlags::FOPEN_DIRECT_IO;
        let through_cache = [SHORT, HUNG].contains(&ino.0);
        let path = if through_cache { FopenFlags::empty() } else { direct };
        // A process that ends with such a file open would ask itself to flush it, with nobody to answer.
        reply.opened(FileHandle(0), path | FopenFlags::FOPEN_NOFLUSH);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let (offset, size) = (offset as usize, size as usize);
        let available = |most: usize| content(offset..LEN.min(offset + most).max(offset));
        match ino.0 {
            BROKEN => reply.error(Errno::EIO),
            SHORT => reply.data(&available(size.min(SHORT_MAX))),
            HUNG => {
                let mut hanging = self.0.hanging.lock().expect("not poisoned");
                if self.0.released.load(Ordering::SeqCst) {
                    reply.data(&available(size));
                } else {
                    hanging.push((reply, size));
                }
            }
            _ => reply.data(&available(size)),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match (ino.0, offset) {
            (BROKEN, 0) => reply.error(Errno::ENOSPC),
            (BROKEN, _) => reply.error(Errno::EDQUOT),
            (SHORT, _) => {
                let data = &data[..data.len().min(SHORT_MAX)];
                let mut written = self.0.written.lock().expect("not poisoned");
                written.push((offset as usize, data.to_vec()));
                reply.written(data.len() as u32);
            }
            _ => reply.written(data.len() as u32),
        }
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.0.syncs.fetch_add(1, Ordering::SeqCst);
        if ino.0 == UNSYNCED { reply.error(Errno::EIO) } else { reply.ok() }
    }
}
