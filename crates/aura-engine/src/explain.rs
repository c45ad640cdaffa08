//! Words for the one failure that puzzles everybody: `EINVAL` from a file opened with `O_DIRECT`.
//!
//! The result of an operation is a number and stays one; what can be said beyond it goes to the
//! log, once per engine.

use std::os::fd::BorrowedFd;

use aura_ring::Parts;
use rustix::fs::{AtFlags, OFlags, StatxFlags, fcntl_getfl, statx};

use crate::log::say;
use crate::op::OpKind;

/// `STATX_DIOALIGN`, Linux 6.1.
const DIO_ALIGN: u32 = 0x2000;
/// What to go by when the file system does not say.
const USUAL_ALIGN: u64 = 512;

/// Says what a direct read or write was aligned to, and what it should have been aligned to, if
/// that is what was wrong. Whether anything was said.
pub(crate) fn misalignment(kind: OpKind, operation: &Parts) -> bool {
    let single =
        matches!(kind, OpKind::Read | OpKind::Write | OpKind::ReadFixed | OpKind::WriteFixed);
    if !single || Parts::FIXED_FILE & operation.flags != 0 {
        return false;
    }
    // SAFETY: the number is only asked about; if it is not open any more, the answer is an error.
    let fd = unsafe { BorrowedFd::borrow_raw(operation.fd) };
    if !fcntl_getfl(fd).is_ok_and(|flags| flags.contains(OFlags::DIRECT)) {
        return false;
    }
    let asked = StatxFlags::from_bits_retain(DIO_ALIGN);
    let (memory, offset) = match statx(fd, c"", AtFlags::EMPTY_PATH, asked) {
        Ok(told) if told.stx_dio_offset_align > 0 => {
            (told.stx_dio_mem_align.into(), told.stx_dio_offset_align.into())
        }
        _ => (USUAL_ALIGN, USUAL_ALIGN),
    };
    let fits = operation.addr.is_multiple_of(memory)
        && operation.off.is_multiple_of(offset)
        && u64::from(operation.len).is_multiple_of(offset);
    if !fits {
        say!(
            Warning,
            "{kind:?} on descriptor {}, opened with O_DIRECT: the memory must be aligned to \
             {memory} bytes (its address is {:#x}), offset and length to {offset} (they are {} \
             and {}); later ones are not reported",
            operation.fd,
            operation.addr,
            operation.off,
            operation.len,
        );
    }
    !fits
}
