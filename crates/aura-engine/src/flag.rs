//! What a thread waits for that processes completions on behalf of a future.
//!
//! # Synchronization
//!
//! Who waits announces that it goes to sleep and then looks at the flag; who sets it does so first
//! and then looks for the announcement, see `drive`. What came before the setting is seen by whoever
//! takes the flag: both are read-modify-writes.

use std::sync::atomic::Ordering;

use crate::lock::thread_token;
use crate::primitive::{AtomicBool, AtomicUsize};

/// Ends [`Engine::wait_until`](crate::Engine::wait_until). It belongs to the thread that waits.
///
/// Setting it on that thread, as a waker does that is called while completions are processed, costs
/// a store. Elsewhere it is a read-modify-write, even if it is set: only so does the thread that
/// takes it see what came before.
#[derive(Debug)]
pub struct Flag {
    /// [`thread_token`] of the thread that waits. Written by that thread, before it gives the flag
    /// away.
    owner: AtomicUsize,
    /// Set by the owner. Written by the owner only.
    here: AtomicBool,
    /// Set by others.
    elsewhere: AtomicBool,
}

impl Flag {
    /// A flag that is not set and belongs to nobody.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            owner: AtomicUsize::new(0),
            here: AtomicBool::new(false),
            elsewhere: AtomicBool::new(false),
        }
    }

    /// Makes it the calling thread's, and clears it.
    pub fn adopt(&self) {
        self.owner.store(thread_token(), Ordering::Relaxed);
        self.take();
    }

    /// Makes it nobody's, so that whoever sets it does so from elsewhere.
    pub fn disown(&self) {
        self.owner.store(0, Ordering::Relaxed);
    }

    /// Sets it. Returns whether the waiting thread has to be told ([`Engine::nudge`](crate::Engine::nudge)).
    #[inline]
    pub fn set(&self) -> bool {
        if self.owner.load(Ordering::Relaxed) == thread_token() {
            self.here.store(true, Ordering::Relaxed);
            return false;
        }
        !self.elsewhere.swap(true, Ordering::SeqCst)
    }

    /// Whether it is set.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.here.load(Ordering::Relaxed) || self.elsewhere.load(Ordering::SeqCst)
    }

    /// Clears it; whether it was set. By the owner.
    #[inline]
    pub fn take(&self) -> bool {
        let here = self.here.load(Ordering::Relaxed);
        if here {
            self.here.store(false, Ordering::Relaxed);
        }
        // The exchange, and not the load, is what shows what came before.
        let elsewhere =
            self.elsewhere.load(Ordering::Relaxed) && self.elsewhere.swap(false, Ordering::AcqRel);
        here || elsewhere
    }
}

impl Default for Flag {
    fn default() -> Self {
        Self::new()
    }
}
