//! Leaving it to somebody else to hand over what was submitted outside callbacks, while an application
//! sleeps on the poll descriptor: a task of its event loop, which runs once those have run that submit.
//! Without one each submission is a system call.
//!
//! # Synchronization
//!
//! Whoever queues the first operation of a batch wakes the flusher, after leaving the submission lock;
//! `Batched` remembers under that lock that it was told. Whoever takes the flusher away flushes
//! afterwards, so that nothing waits for it any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Waker;

use crate::backend::Backend;
use crate::engine::Engine;

/// Who hands over what is queued, if there is somebody.
#[derive(Debug, Default)]
pub(crate) struct Flusher {
    is_there: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Flusher {
    #[inline]
    pub(crate) fn is_there(&self) -> bool {
        self.is_there.load(Ordering::SeqCst)
    }

    /// Tells it that something is queued. With no lock held.
    pub(crate) fn wake(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<B: Backend> Engine<B> {
    /// Has this task woken when operations are queued outside callbacks, from now on: it hands them
    /// over ([`poll`](Self::poll), [`flush`](Self::flush)) soon, though not at once, and so gathers
    /// what other tasks submit meanwhile. For applications that sleep on
    /// [`poll_fd`](Self::poll_fd). There is one; the last that was named.
    pub fn set_flusher(&self, waker: Waker) {
        let mut present = self.flusher.waker.lock().unwrap_or_else(PoisonError::into_inner);
        let old = present.replace(waker);
        self.flusher.is_there.store(true, Ordering::SeqCst);
        drop(present);
        drop(old);
    }

    /// This task is told no more; if it is still the one that was named last, submissions are handed
    /// over at once again. What is queued is handed over now.
    pub fn remove_flusher(&self, waker: &Waker) {
        let mut present = self.flusher.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if !present.as_ref().is_some_and(|present| present.will_wake(waker)) {
            return;
        }
        self.flusher.is_there.store(false, Ordering::SeqCst);
        let old = present.take();
        drop(present);
        drop(old);
        // With the locks: who saw the flusher has queued by then.
        let _ = self.flush();
    }
}
