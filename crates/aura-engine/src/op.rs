//! Operations as the engine takes them: checked arguments, ready for the kernel.
//!
//! Everything that can be judged without the kernel is judged here, so that a bad argument is an
//! error of the call and never a surprise in a callback.

use std::ffi::CStr;
use std::os::fd::RawFd;

use aura_ring::{Opcode, Sqe};

pub use aura_ring::Target;

use crate::error::{Error, Result};

/// The kinds of operations, with the numbers of the C interface (`AURA_OP_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are those of the system calls")]
pub enum OpKind {
    Read = 0,
    Write = 1,
    Readv = 2,
    Writev = 3,
    Fsync = 4,
    Fdatasync = 5,
    Cancel = 6,
    ReadFixed = 7,
    WriteFixed = 8,
    Openat = 9,
    Close = 10,
    Statx = 11,
    Fallocate = 12,
    Ftruncate = 13,
    SyncFileRange = 14,
    Nop = 15,
}

impl OpKind {
    pub(crate) const ALL: [Self; 16] = [
        Self::Read,
        Self::Write,
        Self::Readv,
        Self::Writev,
        Self::Fsync,
        Self::Fdatasync,
        Self::Cancel,
        Self::ReadFixed,
        Self::WriteFixed,
        Self::Openat,
        Self::Close,
        Self::Statx,
        Self::Fallocate,
        Self::Ftruncate,
        Self::SyncFileRange,
        Self::Nop,
    ];

    /// The name in lower case, as metrics and traces show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Readv => "readv",
            Self::Writev => "writev",
            Self::Fsync => "fsync",
            Self::Fdatasync => "fdatasync",
            Self::Cancel => "cancel",
            Self::ReadFixed => "read_fixed",
            Self::WriteFixed => "write_fixed",
            Self::Openat => "openat",
            Self::Close => "close",
            Self::Statx => "statx",
            Self::Fallocate => "fallocate",
            Self::Ftruncate => "ftruncate",
            Self::SyncFileRange => "sync_file_range",
            Self::Nop => "nop",
        }
    }

    #[inline]
    pub(crate) fn from_u8(number: u8) -> Self {
        Self::ALL[usize::from(number & 15)]
    }

    /// Whether it moves data towards the file. `false` also for what moves none.
    #[inline]
    pub(crate) fn writes(self) -> bool {
        matches!(self, Self::Write | Self::Writev | Self::WriteFixed)
    }

    /// Whether the kernel hands it to a worker in any case, which then looks its file up.
    #[inline]
    pub(crate) fn finds_its_file_late(self) -> bool {
        matches!(
            self,
            Self::Fsync
                | Self::Fdatasync
                | Self::Openat
                | Self::Statx
                | Self::Fallocate
                | Self::Ftruncate
                | Self::SyncFileRange
        )
    }

    /// Whether the result counts bytes, and the latency says something about the device.
    #[inline]
    pub(crate) fn transfers_data(self) -> bool {
        const TRANSFERS: u32 = 1 << OpKind::Read as u32
            | 1 << OpKind::Write as u32
            | 1 << OpKind::Readv as u32
            | 1 << OpKind::Writev as u32
            | 1 << OpKind::ReadFixed as u32
            | 1 << OpKind::WriteFixed as u32;
        TRANSFERS >> self as u32 & 1 == 1
    }
}

/// Memory that an operation reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Any address.
    Address(*mut u8),
    /// A place inside one of the registered buffers.
    Registered {
        /// Index in the table given at registration.
        index: u32,
        /// Bytes from the start of that buffer.
        offset: usize,
    },
}

/// A checked operation. Building one does nothing; see [`Engine::submit`](crate::Engine::submit).
#[derive(Clone, Copy, Debug)]
pub struct Op {
    pub(crate) kind: OpKind,
    pub(crate) sqe: Sqe,
    /// The registered buffer it uses; its address is looked up when it is submitted.
    pub(crate) registered: Option<(u32, usize)>,
    /// In a batch, the next one waits for this one.
    pub(crate) linked: bool,
    /// Its file was opened for direct I/O.
    pub(crate) direct: bool,
}

/// The most that the kernel moves in one operation: 2 GiB less a page (`MAX_RW_COUNT`).
pub const MAX_TRANSFER_BYTES: usize = 0x7fff_f000;
/// The most buffers of a vectored operation (`UIO_MAXIOV`).
pub const MAX_IOVECS: usize = 1024;

impl Op {
    /// What it does.
    #[must_use]
    pub fn kind(&self) -> OpKind {
        self.kind
    }

    /// Reads `len` bytes at `offset` into `memory`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a negative descriptor or offset, a null buffer, or a length above
    /// [`MAX_TRANSFER_BYTES`].
    #[inline]
    pub fn read(target: Target, memory: Memory, len: usize, offset: i64) -> Result<Self> {
        let (len, offset) = (transfer_len(len)?, offset_checked(offset)?);
        let target = target_checked(target)?;
        Ok(match memory {
            Memory::Address(buf) => {
                not_null(buf, len)?;
                Self::plain(OpKind::Read, Sqe::read(target, buf, len, offset))
            }
            Memory::Registered { index, offset: at } => {
                let sqe = Sqe::read_fixed(target, std::ptr::null_mut(), len, offset, 0);
                Self {
                    kind: OpKind::ReadFixed,
                    sqe,
                    registered: Some((index, at)),
                    linked: false,
                    direct: false,
                }
            }
        })
    }

    /// Writes `len` bytes from `memory` at `offset`.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    #[inline]
    pub fn write(target: Target, memory: Memory, len: usize, offset: i64) -> Result<Self> {
        let (len, offset) = (transfer_len(len)?, offset_checked(offset)?);
        let target = target_checked(target)?;
        Ok(match memory {
            Memory::Address(buf) => {
                not_null(buf, len)?;
                Self::plain(OpKind::Write, Sqe::write(target, buf, len, offset))
            }
            Memory::Registered { index, offset: at } => {
                let sqe = Sqe::write_fixed(target, std::ptr::null(), len, offset, 0);
                Self {
                    kind: OpKind::WriteFixed,
                    sqe,
                    registered: Some((index, at)),
                    linked: false,
                    direct: false,
                }
            }
        })
    }

    /// Reads at `offset` into `count` buffers, one after the other.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a negative descriptor or offset, a null array, or a count that is
    /// zero or above [`MAX_IOVECS`].
    pub fn readv(
        target: Target,
        iov: *const libc::iovec,
        count: usize,
        offset: i64,
    ) -> Result<Self> {
        let (count, offset) = (iovec_count(iov, count)?, offset_checked(offset)?);
        let sqe = Sqe::readv(target_checked(target)?, iov, count, offset);
        Ok(Self::plain(OpKind::Readv, sqe))
    }

    /// Writes at `offset` from `count` buffers, one after the other.
    ///
    /// # Errors
    ///
    /// As [`readv`](Self::readv).
    pub fn writev(
        target: Target,
        iov: *const libc::iovec,
        count: usize,
        offset: i64,
    ) -> Result<Self> {
        let (count, offset) = (iovec_count(iov, count)?, offset_checked(offset)?);
        let sqe = Sqe::writev(target_checked(target)?, iov, count, offset);
        Ok(Self::plain(OpKind::Writev, sqe))
    }

    /// Makes data and metadata durable.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a negative descriptor.
    pub fn fsync(target: Target) -> Result<Self> {
        Ok(Self::plain(OpKind::Fsync, Sqe::fsync(target_checked(target)?)))
    }

    /// Makes data durable.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a negative descriptor.
    pub fn fdatasync(target: Target) -> Result<Self> {
        Ok(Self::plain(OpKind::Fdatasync, Sqe::fdatasync(target_checked(target)?)))
    }

    /// Opens `path` relative to `dirfd` (or `AT_FDCWD`).
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a negative `dirfd` other than `AT_FDCWD`.
    pub fn openat(dirfd: RawFd, path: &CStr, flags: i32, mode: u32) -> Result<Self> {
        Ok(Self::plain(OpKind::Openat, Sqe::openat(dirfd_checked(dirfd)?, path, flags, mode)))
    }

    /// Closes a descriptor.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a negative descriptor.
    pub fn close(fd: RawFd) -> Result<Self> {
        target_checked(Target::Fd(fd))?;
        Ok(Self::plain(OpKind::Close, Sqe::close(fd)))
    }

    /// Fetches metadata of `path` relative to `dirfd` into `out`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a negative `dirfd` other than `AT_FDCWD`, or a null `out`.
    pub fn statx(
        dirfd: RawFd,
        path: &CStr,
        flags: i32,
        mask: u32,
        out: *mut libc::statx,
    ) -> Result<Self> {
        if out.is_null() {
            return Err(Error::Invalid("the statx buffer is null"));
        }
        let sqe = Sqe::statx(dirfd_checked(dirfd)?, path, flags, mask, out);
        Ok(Self::plain(OpKind::Statx, sqe))
    }

    /// Allocates, punches or shifts space.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a negative descriptor, mode or offset, or a length that is not
    /// positive.
    pub fn fallocate(target: Target, mode: i32, offset: i64, len: i64) -> Result<Self> {
        if mode < 0 {
            return Err(Error::Invalid("the fallocate mode is negative"));
        }
        if len <= 0 {
            return Err(Error::Invalid("the length to allocate is not positive"));
        }
        let (target, offset) = (target_checked(target)?, offset_checked(offset)?);
        let sqe = Sqe::fallocate(target, mode, offset, len.cast_unsigned());
        Ok(Self::plain(OpKind::Fallocate, sqe))
    }

    /// Sets the file's length.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a negative descriptor or length.
    pub fn ftruncate(target: Target, len: i64) -> Result<Self> {
        if len < 0 {
            return Err(Error::Invalid("the file length is negative"));
        }
        let sqe = Sqe::ftruncate(target_checked(target)?, len.cast_unsigned());
        Ok(Self::plain(OpKind::Ftruncate, sqe))
    }

    /// Starts or awaits write-out of `len` bytes at `offset` (0: to the end of the file).
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a negative descriptor, offset or length, for unknown flags, and for
    /// a length of 4 GiB or more, which the kernel's interface cannot express.
    pub fn sync_file_range(target: Target, offset: i64, len: i64, flags: u32) -> Result<Self> {
        let len = u32::try_from(len).map_err(|_| {
            Error::Invalid("the length to sync is negative or above 4 GiB - 1 (0 means the rest)")
        })?;
        if flags & !7 != 0 {
            return Err(Error::Invalid("unknown sync_file_range flags"));
        }
        let (target, offset) = (target_checked(target)?, offset_checked(offset)?);
        let sqe = Sqe::sync_file_range(target, offset, len, flags);
        Ok(Self::plain(OpKind::SyncFileRange, sqe))
    }

    /// Says whether its file was opened with `O_DIRECT`. If so, memory of the engine's pool is used as
    /// a registered buffer by itself: the kernel then need not look up and pin its pages each time.
    #[inline]
    #[must_use]
    pub fn direct(mut self, direct: bool) -> Self {
        self.direct = direct;
        self
    }

    /// Makes the operation behind it in the same batch wait until this one has completed, and
    /// fail with `ECANCELED` if this one fails; a short read or write counts as a failure. Without
    /// a batch it has no effect.
    #[must_use]
    pub fn linked(mut self) -> Self {
        self.linked = true;
        self
    }

    /// Does nothing, through the kernel and back.
    #[inline]
    #[must_use]
    pub fn nop() -> Self {
        Self::plain(OpKind::Nop, Sqe::nop())
    }

    #[inline]
    fn plain(kind: OpKind, sqe: Sqe) -> Self {
        Self { kind, sqe, registered: None, linked: false, direct: false }
    }

    /// The kernel operation it needs.
    pub(crate) fn opcode(&self) -> Option<Opcode> {
        Opcode::from_code(self.sqe.code())
    }
}

#[inline]
fn target_checked(target: Target) -> Result<Target> {
    match target {
        Target::Fd(fd) if fd < 0 => Err(Error::Invalid("the file descriptor is negative")),
        _ => Ok(target),
    }
}

fn dirfd_checked(dirfd: RawFd) -> Result<RawFd> {
    if dirfd < 0 && dirfd != libc::AT_FDCWD {
        return Err(Error::Invalid("the directory descriptor is negative and not AT_FDCWD"));
    }
    Ok(dirfd)
}

#[inline]
fn transfer_len(len: usize) -> Result<u32> {
    if len > MAX_TRANSFER_BYTES {
        return Err(Error::Invalid("the length is above 2 GiB - 4 KiB, the most in one operation"));
    }
    Ok(len as u32)
}

#[inline]
fn offset_checked(offset: i64) -> Result<u64> {
    u64::try_from(offset).map_err(|_| Error::Invalid("the file offset is negative"))
}

#[inline]
fn not_null(buf: *mut u8, len: u32) -> Result<()> {
    if buf.is_null() && len > 0 {
        return Err(Error::Invalid("the buffer is null"));
    }
    Ok(())
}

fn iovec_count(iov: *const libc::iovec, count: usize) -> Result<u32> {
    if iov.is_null() || count == 0 {
        return Err(Error::Invalid("the iovec array is null or empty"));
    }
    if count > MAX_IOVECS {
        return Err(Error::Invalid("more than 1024 iovecs, the most in one operation"));
    }
    Ok(count as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_numbers_of_the_c_interface() {
        for (number, kind) in OpKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
            assert_eq!(OpKind::from_u8(number as u8), kind);
        }
    }

    #[test]
    fn only_reads_and_writes_transfer_data() {
        let transfers = OpKind::ALL.into_iter().filter(|kind| kind.transfers_data());
        let names: Vec<_> = transfers.map(|kind| format!("{kind:?}")).collect();
        assert_eq!(names, ["Read", "Write", "Readv", "Writev", "ReadFixed", "WriteFixed"]);
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        let fd = Target::Fd(3);
        let mut byte = 0u8;
        let some = Memory::Address(&raw mut byte);
        let null = Memory::Address(std::ptr::null_mut());
        let iov = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        let none: *const libc::iovec = std::ptr::null();
        for (op, word) in [
            (Op::read(Target::Fd(-1), some, 1, 0), "descriptor"),
            (Op::read(fd, null, 1, 0), "null"),
            (Op::read(fd, some, MAX_TRANSFER_BYTES + 1, 0), "2 GiB"),
            (Op::read(fd, some, usize::MAX, 0), "2 GiB"),
            (Op::write(fd, some, 1, -1), "offset"),
            (Op::write(fd, some, 1, i64::MIN), "offset"),
            (Op::readv(fd, none, 1, 0), "iovec"),
            (Op::writev(fd, &raw const iov, 0, 0), "iovec"),
            (Op::writev(fd, &raw const iov, 1025, 0), "1024"),
            (Op::fsync(Target::Fd(-5)), "descriptor"),
            (Op::close(-1), "descriptor"),
            (Op::openat(-2, c"x", 0, 0), "AT_FDCWD"),
            (Op::statx(libc::AT_FDCWD, c"x", 0, 0, std::ptr::null_mut()), "null"),
            (Op::fallocate(fd, 0, 0, 0), "positive"),
            (Op::fallocate(fd, -1, 0, 1), "mode"),
            (Op::ftruncate(fd, -1), "length"),
            (Op::sync_file_range(fd, 0, 1 << 32, 0), "4 GiB"),
            (Op::sync_file_range(fd, 0, 0, 8), "flags"),
        ] {
            let error = op.expect_err(word);
            assert_eq!(error.errno(), libc::EINVAL);
            assert!(error.to_string().contains(word), "{error} should mention {word}");
        }
    }

    #[test]
    fn the_edges_of_what_makes_sense_are_accepted() {
        let fd = Target::Fd(0);
        let null = Memory::Address(std::ptr::null_mut());
        assert!(Op::read(fd, null, 0, 0).is_ok());
        assert!(Op::read(fd, Memory::Address(8 as *mut u8), MAX_TRANSFER_BYTES, i64::MAX).is_ok());
        assert!(Op::openat(libc::AT_FDCWD, c"", 0, 0).is_ok());
        assert!(Op::sync_file_range(fd, 0, 0, 7).is_ok());
    }
}
