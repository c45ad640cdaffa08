//! The end of an engine: ordered, bounded, and without taking memory from under the kernel.
//!
//! 1. New operations are refused.
//! 2. What is in flight completes, and calls back, as long as something keeps completing.
//! 3. When nothing has for [`QUIET`], the rest is cancelled and gets [`AFTER_CANCEL`].
//! 4. What is still in flight then will perhaps complete some day. Neither closing the ring nor
//!    cancelling stops the kernel from writing to its memory, so that memory is given up for good:
//!    slots, callbacks and what they own are leaked, and the log says how many.
//!
//! In the child of a fork nothing of this happens: the operations are the parent's.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::directory;
use crate::engine::Engine;
use crate::handle::SlotName;
use crate::log::say;

/// How long nothing may complete before operations in flight are cancelled.
pub const QUIET: Duration = Duration::from_secs(5);
/// How long cancelled operations have to complete.
pub const AFTER_CANCEL: Duration = Duration::from_secs(2);
/// Patience where little is to be expected: with an engine that has a fatal error, or whose processing
/// thread has not moved all the time.
const AFTER_FATAL: Duration = Duration::from_millis(200);

impl<B: Backend> Engine<B> {
    /// Refuses new operations and delivers what is in flight, in bounded time: at most [`QUIET`]
    /// after the last completion, then [`AFTER_CANCEL`]. Callbacks run on this thread.
    ///
    /// Dropping the engine does the same, but waits no second time. Operations that cannot be cancelled keep their memory
    /// for good, and their callbacks are never called.
    ///
    /// In a callback of this engine it only refuses new operations; so it does on a thread that is
    /// not the owner of a single-threaded engine.
    pub fn shutdown(&self) {
        self.close();
        if !self.gate.is_mine() && self.door.check().is_ok() {
            self.settle();
        }
    }

    /// As [`shutdown`](Self::shutdown), also on a thread that is not the owner of a single-threaded engine:
    /// it becomes the owner.
    ///
    /// # Safety
    ///
    /// If the engine is single-threaded, its owner has used it for the last time, and that happened before
    /// this call.
    pub unsafe fn shutdown_for_owner(&self) {
        self.adopt();
        self.shutdown();
    }

    /// Makes this thread the owner, as far as it can be: into a ring that is bound to another thread the kernel lets
    /// nobody else, even when that thread has ended. Then only what has completed already is delivered.
    fn adopt(&self) {
        let is_owner = self.door.is_let_in();
        self.door.adopt();
        let is_shut_out = !is_owner && self.rings.iter().any(|ring| ring.backend.is_thread_bound());
        if is_shut_out && self.door.is_home() && self.outstanding() > 0 {
            say!(
                Error,
                "an engine bound to another thread is ended by this one, which cannot reach what is \
                 in flight; let the thread that created it drop it"
            );
            self.latch_fatal(&std::io::Error::from_raw_os_error(libc::EEXIST));
        }
    }

    /// Steps 2 and 3, once. Returns how many operations are left.
    fn settle(&self) -> u64 {
        if self.settled.swap(true, Ordering::SeqCst) {
            // What has completed since is delivered; the rest has had its time.
            let _ = self.process_for(Duration::ZERO);
            return self.outstanding();
        }
        if self.finish_within(QUIET) == 0 {
            return 0;
        }
        for (index, ring) in self.rings.iter().enumerate() {
            for name in ring.slots.in_flight() {
                self.cancel_with_room(index, name);
            }
        }
        let left = self.finish_within(AFTER_CANCEL);
        if left > 0 {
            // Now, because what is left may keep the engine itself: by a file that keeps it.
            say!(
                Error,
                "{left} operations could neither complete nor be cancelled; the memory they use is \
                 given up"
            );
            // Not for ever: who is inside may be stuck in a callback.
            if let Some(_inside) = self.gate.enter(Some(Instant::now() + AFTER_FATAL)) {
                self.give_up_awaited();
            }
        }
        left
    }

    /// Asks for an operation to be cancelled; where there is no room for that, it processes
    /// completions first, which those of cancellations are as well.
    pub(crate) fn cancel_with_room(&self, index: usize, name: SlotName) {
        if matches!(self.cancel_named(index, name), Ok(false)) {
            self.flush_ring(index);
            let _ = self.process_for(Duration::ZERO);
            // It may have completed in between, and then there is nothing to cancel.
            let _ = self.cancel_named(index, name);
        }
    }

    /// Processes completions until none are outstanding, or none came for `quiet`. Returns how
    /// many are left.
    fn finish_within(&self, quiet: Duration) -> u64 {
        let mut deadline = Instant::now() + quiet;
        loop {
            let left = self.outstanding();
            if left == 0 || Instant::now() >= deadline {
                return left;
            }
            match self.process_for(Duration::from_millis(20)) {
                Ok(0) => {}
                Ok(_) => deadline = Instant::now() + quiet,
                Err(_) => {
                    deadline = deadline.min(Instant::now() + AFTER_FATAL);
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
    }
}

impl<B: Backend> Drop for Engine<B> {
    fn drop(&mut self) {
        self.adopt();
        self.close();
        if !self.door.is_home() {
            // The operations are the parent's, and this process has copies of what they own.
            self.rings.iter_mut().for_each(|ring| ring.slots.abandon());
            return;
        }
        directory::leave(self.id);
        if self.settle() == 0 {
            return;
        }
        for ring in &mut self.rings {
            if ring.outstanding() > 0 {
                ring.slots.abandon();
            }
        }
        // Raw buffers of the pool may be among that memory.
        std::mem::forget(self.pool.clone());
    }
}
