//! Words for the one failure that puzzles everybody: `EINVAL` from a file opened with `O_DIRECT`.
//!
//! The result of an operation is a number and stays one; what can be said beyond it goes to the
//! log, once per engine, and into the errors of futures.

use std::os::fd::BorrowedFd;

use aura_ring::Parts;
use rustix::fs::{AtFlags, OFlags, StatxFlags, fcntl_getfl, statx};

use crate::op::OpKind;

/// `STATX_DIOALIGN`, Linux 6.1.
const DIO_ALIGN: u32 = 0x2000;
/// What to go by when the file system does not say.
const USUAL_ALIGN: u64 = 512;

/// A direct read or write that was not aligned as its file wants it: what it was, and what it
/// should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misalignment {
    /// The operation.
    pub kind: OpKind,
    /// Its descriptor.
    pub fd: i32,
    /// The address of its memory.
    pub address: u64,
    /// Its offset in the file.
    pub offset: u64,
    /// Its length.
    pub len: u32,
    /// What the address must be a multiple of.
    pub memory_align: u64,
    /// What offset and length must be multiples of.
    pub offset_align: u64,
}

impl std::fmt::Display for Misalignment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, fd, address, offset, len, memory_align, offset_align } = self;
        write!(
            f,
            "{kind:?} on descriptor {fd}, opened with O_DIRECT: the memory must be aligned to \
             {memory_align} bytes (its address is {address:#x}), offset and length to \
             {offset_align} (they are {offset} and {len})"
        )
    }
}

/// What was wrong with a direct read or write, if that is what was wrong. `fd` is its descriptor,
/// whatever the operation itself names.
pub(crate) fn misalignment(kind: OpKind, fd: i32, operation: &Parts) -> Option<Misalignment> {
    let single =
        matches!(kind, OpKind::Read | OpKind::Write | OpKind::ReadFixed | OpKind::WriteFixed);
    if !single || fd < 0 {
        return None;
    }
    // SAFETY: the number is only asked about; if it is not open any more, the answer is an error.
    let file = unsafe { BorrowedFd::borrow_raw(fd) };
    if !fcntl_getfl(file).is_ok_and(|flags| flags.contains(OFlags::DIRECT)) {
        return None;
    }
    let asked = StatxFlags::from_bits_retain(DIO_ALIGN);
    let (memory_align, offset_align) = match statx(file, c"", AtFlags::EMPTY_PATH, asked) {
        Ok(told) if told.stx_dio_offset_align > 0 => {
            (told.stx_dio_mem_align.into(), told.stx_dio_offset_align.into())
        }
        _ => (USUAL_ALIGN, USUAL_ALIGN),
    };
    let &Parts { addr: address, off: offset, len, .. } = operation;
    let fits = address.is_multiple_of(memory_align)
        && offset.is_multiple_of(offset_align)
        && u64::from(len).is_multiple_of(offset_align);
    (!fits).then_some(Misalignment { kind, fd, address, offset, len, memory_align, offset_align })
}
