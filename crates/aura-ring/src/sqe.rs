//! Submission queue entries: one constructor per operation, in the kernel's own layout.
//!
//! [`Sqe`] is `struct io_uring_sqe` field for field, so that handing one over is a copy of 64
//! bytes and nothing else. The layout is part of the kernel's ABI; the tests compare every
//! constructor with what the `io-uring` crate builds for the same operation, byte by byte.

use std::ffi::CStr;
use std::os::fd::RawFd;

use io_uring::squeue;

use crate::opcode::Opcode;

/// The file an operation works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// An ordinary file descriptor.
    Fd(RawFd),
    /// An index into the ring's registered files.
    Registered(u32),
}

impl From<RawFd> for Target {
    fn from(fd: RawFd) -> Self {
        Self::Fd(fd)
    }
}

/// One operation as the kernel reads it (`struct io_uring_sqe`).
///
/// Building one touches nothing; the preconditions are those of
/// [`Ring::push`](crate::Ring::push), which hands it to the kernel. Fields that an operation does
/// not use are zero. Lengths are bytes, offsets are bytes from the start of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Sqe {
    opcode: u8,
    flags: u8,
    ioprio: u16,
    fd: i32,
    /// Offset in the file; for `statx` the address of the result.
    off: u64,
    /// Buffer, iovec array or path; for `fallocate` the length.
    addr: u64,
    /// Buffer length or iovec count; `mode` of `openat`/`fallocate`, `mask` of `statx`.
    len: u32,
    /// The flags that belong to the operation (`open`, `fsync`, `sync_file_range`, …).
    op_flags: u32,
    user_data: u64,
    buf_index: u16,
    personality: u16,
    splice_fd_in: i32,
    addr3: u64,
    pad2: u64,
}

/// What an operation does, in half the room of an [`Sqe`]. The meaning of the fields depends on the
/// operation, as in the kernel's structure.
///
/// Whoever fills one by hand stays with operations that complete exactly once: multishot ones, and
/// those that skip their completion, would upset the count of what is in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// See [`Opcode`].
    pub opcode: u8,
    /// `IOSQE_*`.
    pub flags: u8,
    /// Index of the registered buffer.
    pub buf_index: u16,
    /// Descriptor, or index of the registered file.
    pub fd: i32,
    /// Offset, length or second address.
    pub off: u64,
    /// Address or length.
    pub addr: u64,
    /// Length, count or mode.
    pub len: u32,
    /// The operation's own flags.
    pub op_flags: u32,
}

impl Parts {
    /// In [`flags`](Self::flags): `fd` is an index of the registered files.
    pub const FIXED_FILE: u8 = FIXED_FILE;
}

impl From<Parts> for Sqe {
    fn from(parts: Parts) -> Self {
        let Parts { opcode, flags, buf_index, fd, off, addr, len, op_flags } = parts;
        Self { opcode, flags, buf_index, fd, off, addr, len, op_flags, ..Self::default() }
    }
}

const _: () = assert!(size_of::<Sqe>() == 64 && size_of::<squeue::Entry>() == 64);

const FIXED_FILE: u8 = squeue::Flags::FIXED_FILE.bits();
const IO_LINK: u8 = squeue::Flags::IO_LINK.bits();
const ASYNC: u8 = squeue::Flags::ASYNC.bits();
const FSYNC_DATASYNC: u32 = 1;

impl Sqe {
    #[inline]
    fn on(opcode: Opcode, target: Target) -> Self {
        let (fd, flags) = match target {
            Target::Fd(fd) => (fd, 0),
            // The kernel's table has at most 1 Mi entries; an index that does not fit an `i32`
            // turns negative and is refused like every other one beyond the table.
            Target::Registered(index) => (index as i32, FIXED_FILE),
        };
        Self { opcode: opcode as u8, flags, fd, ..Self::default() }
    }

    /// An operation that does nothing.
    #[inline]
    #[must_use]
    pub fn nop() -> Self {
        Self { opcode: Opcode::Nop as u8, fd: -1, ..Self::default() }
    }

    /// Reads `len` bytes at `offset` into `buf`. An `offset` of `u64::MAX` means the file's own
    /// position.
    #[inline]
    #[must_use]
    pub fn read(target: Target, buf: *mut u8, len: u32, offset: u64) -> Self {
        Self { addr: buf as u64, len, off: offset, ..Self::on(Opcode::Read, target) }
    }

    /// Writes `len` bytes from `buf` at `offset`.
    #[inline]
    #[must_use]
    pub fn write(target: Target, buf: *const u8, len: u32, offset: u64) -> Self {
        Self { addr: buf as u64, len, off: offset, ..Self::on(Opcode::Write, target) }
    }

    /// Reads into the registered buffer `buf_index`; `buf` lies inside it.
    #[inline]
    #[must_use]
    pub fn read_fixed(target: Target, buf: *mut u8, len: u32, offset: u64, buf_index: u16) -> Self {
        let base = Self::on(Opcode::ReadFixed, target);
        Self { addr: buf as u64, len, off: offset, buf_index, ..base }
    }

    /// Writes from the registered buffer `buf_index`; `buf` lies inside it.
    #[inline]
    #[must_use]
    pub fn write_fixed(
        target: Target,
        buf: *const u8,
        len: u32,
        offset: u64,
        buf_index: u16,
    ) -> Self {
        let base = Self::on(Opcode::WriteFixed, target);
        Self { addr: buf as u64, len, off: offset, buf_index, ..base }
    }

    /// Reads into `count` buffers, one after the other.
    #[inline]
    #[must_use]
    pub fn readv(target: Target, iov: *const libc::iovec, count: u32, offset: u64) -> Self {
        Self { addr: iov as u64, len: count, off: offset, ..Self::on(Opcode::Readv, target) }
    }

    /// Writes from `count` buffers, one after the other.
    #[inline]
    #[must_use]
    pub fn writev(target: Target, iov: *const libc::iovec, count: u32, offset: u64) -> Self {
        Self { addr: iov as u64, len: count, off: offset, ..Self::on(Opcode::Writev, target) }
    }

    /// Makes the file's data and metadata durable.
    #[must_use]
    pub fn fsync(target: Target) -> Self {
        Self::on(Opcode::Fsync, target)
    }

    /// Makes the file's data durable, and of the metadata only what reading it back needs.
    #[must_use]
    pub fn fdatasync(target: Target) -> Self {
        Self { op_flags: FSYNC_DATASYNC, ..Self::on(Opcode::Fsync, target) }
    }

    /// Starts or awaits write-out of `len` bytes at `offset` (0: to the end of the file), by
    /// `SYNC_FILE_RANGE_*` flags.
    #[must_use]
    pub fn sync_file_range(target: Target, offset: u64, len: u32, flags: u32) -> Self {
        let base = Self::on(Opcode::SyncFileRange, target);
        Self { off: offset, len, op_flags: flags, ..base }
    }

    /// Asks for the operation with this `user_data` to be cancelled.
    ///
    /// The answer is this operation's own completion: 0 found and cancelled, `-ENOENT` not found,
    /// `-EALREADY` too late to stop it. The cancelled operation completes on its own.
    #[must_use]
    pub fn cancel(user_data: u64) -> Self {
        Self { addr: user_data, fd: -1, opcode: Opcode::AsyncCancel as u8, ..Self::default() }
    }

    /// Allocates, punches or shifts space, by `FALLOC_FL_*` mode.
    #[must_use]
    pub fn fallocate(target: Target, mode: i32, offset: u64, len: u64) -> Self {
        let base = Self::on(Opcode::Fallocate, target);
        // The kernel reads `mode` from `len`, and the length from `addr`.
        Self { off: offset, addr: len, len: mode as u32, ..base }
    }

    /// Sets the file's length. Linux 6.9 or later; see [`Ring::supports`](crate::Ring::supports).
    #[must_use]
    pub fn ftruncate(target: Target, len: u64) -> Self {
        Self { off: len, ..Self::on(Opcode::Ftruncate, target) }
    }

    /// Opens `path` relative to `dirfd`; the result is the new descriptor.
    #[must_use]
    pub fn openat(dirfd: RawFd, path: &CStr, flags: i32, mode: u32) -> Self {
        let base = Self::on(Opcode::OpenAt, Target::Fd(dirfd));
        Self { addr: path.as_ptr() as u64, len: mode, op_flags: flags as u32, ..base }
    }

    /// Closes an ordinary descriptor.
    #[must_use]
    pub fn close(fd: RawFd) -> Self {
        Self::on(Opcode::Close, Target::Fd(fd))
    }

    /// Fetches metadata of `path` relative to `dirfd` into `out`.
    #[must_use]
    pub fn statx(dirfd: RawFd, path: &CStr, flags: i32, mask: u32, out: *mut libc::statx) -> Self {
        let base = Self::on(Opcode::Statx, Target::Fd(dirfd));
        let addr = path.as_ptr() as u64;
        Self { addr, len: mask, off: out as u64, op_flags: flags as u32, ..base }
    }

    /// Waits once until `fd` is readable (`POLLIN`).
    #[must_use]
    pub fn poll_readable(fd: RawFd) -> Self {
        let base = Self::on(Opcode::PollAdd, Target::Fd(fd));
        // The kernel reads the 32 event bits in its own half-word order on big-endian machines.
        let events = u32::from(libc::POLLIN.cast_unsigned());
        let op_flags = if cfg!(target_endian = "big") { events.rotate_left(16) } else { events };
        Self { op_flags, ..base }
    }

    /// The fields that say what the operation does, without label and link.
    ///
    /// For keeping an operation in little room, to push it again with [`Sqe::from`].
    #[inline]
    #[must_use]
    pub fn parts(&self) -> Parts {
        Parts {
            opcode: self.opcode,
            flags: self.flags & !IO_LINK,
            buf_index: self.buf_index,
            fd: self.fd,
            off: self.off,
            addr: self.addr,
            len: self.len,
            op_flags: self.op_flags,
        }
    }

    /// Replaces the buffer by a place inside the registered buffer `buf_index`. For the operations
    /// of [`read_fixed`](Self::read_fixed) and [`write_fixed`](Self::write_fixed); the others would
    /// take `addr` for ordinary memory.
    #[inline]
    #[must_use]
    pub fn with_registered_buffer(mut self, addr: *mut u8, buf_index: u16) -> Self {
        self.addr = addr as u64;
        self.buf_index = buf_index;
        self
    }

    /// The memory of a read or write: its address and length.
    #[inline]
    #[must_use]
    pub fn memory(&self) -> (usize, usize) {
        (self.addr as usize, self.len as usize)
    }

    /// The same read or write, of memory that lies in the registered buffer `buf_index`. For the
    /// operations of [`read`](Self::read) and [`write`](Self::write) only; others stay as they are.
    #[inline]
    #[must_use]
    pub fn in_registered_buffer(mut self, buf_index: u16) -> Self {
        self.opcode = match self.opcode {
            code if code == Opcode::Read as u8 => Opcode::ReadFixed as u8,
            code if code == Opcode::Write as u8 => Opcode::WriteFixed as u8,
            _ => return self,
        };
        self.buf_index = buf_index;
        self
    }

    pub(crate) fn label(&self) -> u64 {
        self.user_data
    }

    /// Labels the operation; its completion carries the same value.
    #[inline]
    #[must_use]
    pub fn user_data(mut self, user_data: u64) -> Self {
        self.user_data = user_data;
        self
    }

    /// Makes the next operation pushed wait until this one has completed, and fail with
    /// `-ECANCELED` if this one fails (`IOSQE_IO_LINK`). A short read or write counts as a failure.
    ///
    /// A chain ends where a submission ends: if another thread submits (or waits, or the kernel's
    /// thread polls) between the two pushes, the next operation is on its own. Push the whole of it
    /// with [`Ring::push_all`](crate::Ring::push_all).
    #[must_use]
    pub fn linked(mut self) -> Self {
        self.flags |= IO_LINK;
        self
    }

    /// Hands the operation to a kernel worker at once, instead of trying it inline first
    /// (`IOSQE_ASYNC`).
    #[must_use]
    pub fn forced_async(mut self) -> Self {
        self.flags |= ASYNC;
        self
    }

    /// The kernel's number of the operation, see [`Opcode`].
    #[inline]
    #[must_use]
    pub fn code(&self) -> u8 {
        self.opcode
    }

    /// Whether [`raw_fd`](Self::raw_fd) is an index of the registered files.
    #[inline]
    #[must_use]
    pub fn is_registered_file(&self) -> bool {
        self.flags & FIXED_FILE != 0
    }

    /// The descriptor, or the index of the registered file.
    #[inline]
    #[must_use]
    pub fn raw_fd(&self) -> i32 {
        self.fd
    }

    /// Writes the entry to the kernel's queue under another label, field by field: see `queues` for why
    /// not as a whole.
    ///
    /// # Safety
    ///
    /// `entry` is valid for writing.
    #[inline]
    pub(crate) unsafe fn write_to(&self, entry: *mut Self, user_data: u64) {
        // SAFETY: by contract.
        unsafe {
            (*entry).opcode = self.opcode;
            (*entry).flags = self.flags;
            (*entry).ioprio = self.ioprio;
            (*entry).fd = self.fd;
            (*entry).off = self.off;
            (*entry).addr = self.addr;
            (*entry).len = self.len;
            (*entry).op_flags = self.op_flags;
            (*entry).user_data = user_data;
            (*entry).buf_index = self.buf_index;
            (*entry).personality = self.personality;
            (*entry).splice_fd_in = self.splice_fd_in;
            (*entry).addr3 = self.addr3;
            (*entry).pad2 = self.pad2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use io_uring::opcode;
    use io_uring::types::{self, Fd, Fixed};

    fn bytes<T>(value: &T) -> [u8; 64] {
        assert_eq!(size_of::<T>(), 64);
        // SAFETY: both entry types are 64 bytes of plain integers without padding.
        unsafe { std::ptr::from_ref(value).cast::<[u8; 64]>().read() }
    }

    #[track_caller]
    fn same(ours: Sqe, theirs: squeue::Entry) {
        assert_eq!(bytes(&ours.user_data(7)), bytes(&theirs.user_data(7)));
    }

    #[test]
    fn every_constructor_matches_the_kernel_layout() {
        let buf = 0x1000 as *mut u8;
        let iov = 0x2000 as *const libc::iovec;
        let fd = Target::Fd(5);
        same(Sqe::nop(), opcode::Nop::new().build());
        same(Sqe::read(fd, buf, 9, 11), opcode::Read::new(Fd(5), buf, 9).offset(11).build());
        same(Sqe::write(fd, buf, 9, 11), opcode::Write::new(Fd(5), buf, 9).offset(11).build());
        same(
            Sqe::read_fixed(fd, buf, 9, 11, 3),
            opcode::ReadFixed::new(Fd(5), buf, 9, 3).offset(11).build(),
        );
        same(
            Sqe::write_fixed(fd, buf, 9, 11, 3),
            opcode::WriteFixed::new(Fd(5), buf, 9, 3).offset(11).build(),
        );
        same(Sqe::readv(fd, iov, 2, 11), opcode::Readv::new(Fd(5), iov, 2).offset(11).build());
        same(Sqe::writev(fd, iov, 2, 11), opcode::Writev::new(Fd(5), iov, 2).offset(11).build());
        same(Sqe::fsync(fd), opcode::Fsync::new(Fd(5)).build());
        same(
            Sqe::fdatasync(fd),
            opcode::Fsync::new(Fd(5)).flags(types::FsyncFlags::DATASYNC).build(),
        );
        same(
            Sqe::sync_file_range(fd, 11, 13, 2),
            opcode::SyncFileRange::new(Fd(5), 13).offset(11).flags(2).build(),
        );
        same(
            Sqe::poll_readable(5),
            opcode::PollAdd::new(Fd(5), libc::POLLIN.cast_unsigned().into()).build(),
        );
        same(Sqe::cancel(42), opcode::AsyncCancel::new(42).build());
        same(
            Sqe::fallocate(fd, 3, 11, 13),
            opcode::Fallocate::new(Fd(5), 13).offset(11).mode(3).build(),
        );
        same(Sqe::ftruncate(fd, 13), opcode::Ftruncate::new(Fd(5), 13).build());
        same(Sqe::close(5), opcode::Close::new(Fd(5)).build());
        same(
            Sqe::openat(5, c"x", 0o102, 0o644),
            opcode::OpenAt::new(Fd(5), c"x".as_ptr()).flags(0o102).mode(0o644).build(),
        );
        let out = std::ptr::without_provenance_mut::<libc::statx>(0x3000);
        same(
            Sqe::statx(5, c"x", 0x100, 0xfff, out),
            opcode::Statx::new(Fd(5), c"x".as_ptr(), out.cast()).flags(0x100).mask(0xfff).build(),
        );
    }

    #[test]
    fn a_registered_target_sets_the_fixed_file_flag() {
        let buf = 0x1000 as *mut u8;
        same(
            Sqe::read(Target::Registered(4), buf, 9, 0),
            opcode::Read::new(Fixed(4), buf, 9).build(),
        );
        assert!(Sqe::fsync(Target::Registered(0)).is_registered_file());
        assert!(!Sqe::fsync(Target::Fd(0)).is_registered_file());
    }

    #[test]
    fn parts_rebuild_the_operation() {
        let out = std::ptr::without_provenance_mut::<libc::statx>(0x3000);
        let buf = 0x1000 as *mut u8;
        for sqe in [
            Sqe::read_fixed(Target::Registered(4), buf, 9, 11, 3),
            Sqe::statx(5, c"x", 0x100, 0xfff, out),
            Sqe::fallocate(Target::Fd(5), 3, 11, 13),
        ] {
            assert_eq!(Sqe::from(sqe.parts()), sqe);
            assert_eq!(Sqe::from(sqe.linked().user_data(9).parts()), sqe);
        }
    }
}
