//! Operations that the kernel gave up on for no reason of theirs, and that are therefore handed to
//! it again.
//!
//! This file is `unsafe` where it repeats an operation on memory that its submitter vouched for.

use crate::account::Batch;
use crate::backend::Backend;
use crate::engine::Engine;
use crate::given_away::FileName;
use crate::handle::{Label, SlotName};
use crate::op::OpKind;
use crate::poll::Poller;
use crate::ring::EngineRing;
use crate::slot::{AWAITED, CANCEL_ASKED, CHAINED, REPEATS_MAX, Slot};

/// What became of an attempt to have an operation repeated.
pub(crate) enum Repeat {
    /// The result stands.
    No,
    Queued,
    /// It should be, but the queue is full.
    NoRoom,
}

impl<B: Backend> Engine<B> {
    /// Hands an operation that failed to the kernel once more, if that is right.
    ///
    /// The kernel cancels buffered operations of a thread that ends, and those for which it cannot
    /// create a worker: they come back `-EFAULT` or `-ECANCELED` although nobody asked for that
    /// and nothing is wrong with them. A cancelled operation was not carried out, so it may be
    /// done again; one that failed with `-EFAULT` may if doing it twice is the same as once. Both
    /// may also be the operation's own result, and then come back again and again until they are
    /// reported. A repetition names its file by number: when the engine has heard that the number is
    /// going to be another file's, see [`give_away`](Self::give_away), the result stands. In a chain
    /// they are reported at once: the chain is broken, and its order lost.
    ///
    /// # Safety
    ///
    /// The slot's completion is in the caller's hands.
    pub(crate) unsafe fn repeat(&self, ring: &EngineRing<B>, slot: &Slot, result: i32) -> Repeat {
        let most = match -result {
            libc::ECANCELED => REPEATS_MAX,
            libc::EFAULT => 3,
            _ => return Repeat::No,
        };
        // Under the lock, because the cancellation may be asked for at this very moment.
        let mut end = ring.lock();
        let asked_for = slot.flags() & (CANCEL_ASKED | CHAINED) != 0;
        if asked_for || slot.repeats() >= most || self.fatal_error().is_some() {
            return Repeat::No;
        }
        // SAFETY: the slot is ours until it is handed over again.
        let sqe = unsafe { slot.sqe() };
        // SAFETY: as above. What futures wait for keeps its file open.
        let submitted_ns = unsafe { slot.submitted_ns() };
        if slot.flags() & AWAITED == 0 && end.given_away.includes(&sqe, submitted_ns) {
            return Repeat::No;
        }
        let (fd, registered) = (sqe.raw_fd(), sqe.is_registered_file());
        if -result == libc::EFAULT && !is_idempotent(slot.kind(), fd, registered) {
            return Repeat::No;
        }
        let name = SlotName { slot: ring.slots.index_of(slot), generation: slot.generation() };
        let sqe = sqe.user_data(Label::Operation(name).encode());
        // SAFETY: the submitter's promise about the memory holds until the callback.
        if !unsafe { ring.push_own(&mut end, &sqe) } {
            return Repeat::NoRoom;
        }
        slot.count_repeat();
        Repeat::Queued
    }

    /// The number of a descriptor, or a place in the table of registered files, is about to name
    /// another file: what is in flight on it must not be repeated any more.
    pub(crate) fn give_away(&self, name: FileName) {
        // A ring with operations in flight is active.
        self.active.iter().for_each(|index| self.rings[index].give_away(name));
    }

    /// Tries again to repeat what there was no room for, and delivers what was cancelled meanwhile.
    pub(crate) fn take_up_put_off(&self, poller: &mut Poller) -> usize {
        let mut processed = 0;
        for (index, cqe) in std::mem::take(&mut poller.put_off) {
            self.flush_ring(index);
            let mut batch = Batch::of_cqe(cqe);
            self.account_for(poller, index, &mut batch, 1);
            self.deliver(index, &batch);
            processed += batch.done().len();
        }
        processed
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
