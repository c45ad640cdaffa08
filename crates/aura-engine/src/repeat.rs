//! Operations that the kernel gave up on for no reason of theirs, and that are therefore handed to
//! it again.
//!
//! This file is `unsafe` where it repeats an operation on memory that its submitter vouched for.

use crate::backend::Backend;
use crate::engine::Engine;
use crate::handle::{Label, SlotName};
use crate::op::OpKind;
use crate::ring::EngineRing;
use crate::slot::{CANCEL_ASKED, RETRIES_MAX, Slot};

impl<B: Backend> Engine<B> {
    /// Whether an operation that failed is to be handed to the kernel once more.
    ///
    /// The kernel cancels buffered operations of a thread that ends, and those for which it cannot
    /// create a worker: they come back `-EFAULT` or `-ECANCELED` although nobody asked for that
    /// and nothing is wrong with them. A cancelled operation was not carried out, so it may be
    /// done again; one that failed with `-EFAULT` may if doing it twice is the same as once. Both
    /// may also be the operation's own result, and then come back again and again until they are
    /// reported.
    ///
    /// # Safety
    ///
    /// The slot's completion is in the caller's hands.
    pub(crate) unsafe fn goes_on(&self, ring: &EngineRing<B>, slot: &Slot, result: i32) -> bool {
        let most = match -result {
            libc::ECANCELED => RETRIES_MAX,
            libc::EFAULT => 3,
            _ => return false,
        };
        // Under the lock, because the cancellation may be asked for at this very moment.
        let mut end = ring.lock();
        if slot.flags() & CANCEL_ASKED != 0 || self.fatal_error().is_some() {
            return false;
        }
        // SAFETY: the slot is ours until it is handed over again.
        let sqe = unsafe { slot.sqe() };
        let kind = slot.kind();
        if -result == libc::EFAULT && !is_idempotent(kind, sqe.raw_fd(), sqe.is_registered_file()) {
            return false;
        }
        if !slot.count_retry(most) {
            return false;
        }
        let name = SlotName { slot: ring.slots.index_of(slot), generation: slot.generation() };
        // SAFETY: the submitter's promise about the memory holds until the callback.
        unsafe { ring.push_own(&mut end, &sqe.user_data(Label::Operation(name).encode())) }
    }
}

/// Whether doing it twice is the same as doing it once, while nobody was told that it was done.
fn is_idempotent(kind: OpKind, fd: i32, registered_file: bool) -> bool {
    match kind {
        // Appending twice is not appending once. The flags of a registered file are unknown.
        OpKind::Write | OpKind::Writev | OpKind::WriteFixed => !registered_file && !appends(fd),
        // Collapsing and inserting shift what is there.
        OpKind::Fallocate => false,
        _ => true,
    }
}

fn appends(fd: i32) -> bool {
    // SAFETY: the number is only asked about; if it is not open, the answer is an error.
    let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
    rustix::fs::fcntl_getfl(fd).is_ok_and(|flags| flags.contains(rustix::fs::OFlags::APPEND))
}
