//! The gate to completion processing: one thread at a time, others wait their turn with a
//! deadline, and the thread inside is known.
//!
//! This file is `unsafe` because the gate hands out exclusive access to what it guards.
//!
//! # Synchronization
//!
//! `holder` is 0 or the token of the thread inside; taking it (acquire) pairs with giving it back
//! (release, and sequentially consistent against `waiters`: either the leaver sees a waiter, or
//! the waiter sees the gate open). The mutex and condition variable serve the waiters only.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::lock::thread_token;
use crate::primitive::{AtomicBool, AtomicU32, AtomicUsize, Condvar, Mutex};

const NOBODY: usize = 0;

#[derive(Debug)]
pub(crate) struct Gate<T> {
    holder: AtomicUsize,
    /// One thread only comes here: nobody can be inside but itself, and nobody waits.
    one_thread: bool,
    waiters: AtomicU32,
    /// Somebody found it closed and went away. Whoever leaves takes the note and acts on it.
    note: AtomicBool,
    mutex: Mutex<()>,
    opened: Condvar,
    inside: UnsafeCell<T>,
}

// SAFETY: `inside` is reached only by the thread that holds the gate.
unsafe impl<T: Send> Sync for Gate<T> {}

pub(crate) struct Inside<'a, T> {
    gate: &'a Gate<T>,
}

impl<T> Gate<T> {
    /// # Safety
    ///
    /// With `one_thread`, all calls come from one thread at a time.
    pub(crate) unsafe fn new(inside: T, one_thread: bool) -> Self {
        Self {
            holder: AtomicUsize::new(NOBODY),
            one_thread,
            waiters: AtomicU32::new(0),
            note: AtomicBool::new(false),
            mutex: Mutex::new(()),
            opened: Condvar::new(),
            inside: UnsafeCell::new(inside),
        }
    }

    /// Enters if nobody is inside.
    #[inline]
    pub(crate) fn try_enter(&self) -> Option<Inside<'_, T>> {
        let me = thread_token();
        if self.one_thread {
            let free = self.holder.load(Ordering::Relaxed) == NOBODY;
            if free {
                self.holder.store(me, Ordering::Relaxed);
            }
            return free.then(|| Inside { gate: self });
        }
        let taken =
            self.holder.compare_exchange(NOBODY, me, Ordering::SeqCst, Ordering::Relaxed).is_ok();
        taken.then(|| Inside { gate: self }) // Lazily: dropping a guard opens the gate.
    }

    /// Enters if nobody is inside, or leaves a note for whoever is.
    #[cold]
    pub(crate) fn try_enter_or_leave_note(&self) -> Option<Inside<'_, T>> {
        self.note.store(true, Ordering::SeqCst);
        // Either this succeeds, or the one inside leaves later, and sees the note.
        self.try_enter()
    }

    /// Whether somebody found the gate closed. After leaving.
    #[inline]
    pub(crate) fn take_note(&self) -> bool {
        self.note.load(Ordering::SeqCst) && self.note.swap(false, Ordering::SeqCst)
    }

    /// Enters, waiting until the deadline (`None`: for ever) for the thread inside to leave.
    pub(crate) fn enter(&self, deadline: Option<Instant>) -> Option<Inside<'_, T>> {
        self.try_enter().or_else(|| self.wait_outside(deadline))
    }

    /// Enters, unless the flag is set before the thread inside leaves. Whoever sets it calls
    /// [`nudge`](Self::nudge) afterwards.
    #[inline]
    pub(crate) fn enter_unless(&self, flag: impl Fn() -> bool) -> Option<Inside<'_, T>> {
        self.try_enter().or_else(|| self.wait_outside_unless(flag))
    }

    #[cold]
    fn wait_outside_unless(&self, flag: impl Fn() -> bool) -> Option<Inside<'_, T>> {
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let mut held = self.mutex.lock().unwrap_or_else(PoisonError::into_inner);
        let entered = loop {
            if flag() {
                break None;
            }
            if let Some(inside) = self.try_enter() {
                break Some(inside);
            }
            held = self.opened.wait(held).unwrap_or_else(PoisonError::into_inner);
        };
        self.waiters.fetch_sub(1, Ordering::SeqCst);
        entered
    }

    /// Makes those who wait outside look at their flags.
    pub(crate) fn nudge(&self) {
        if self.waiters.load(Ordering::SeqCst) > 0 {
            // With the mutex, so that nobody is between looking and waiting.
            let _held = self.mutex.lock().unwrap_or_else(PoisonError::into_inner);
            self.opened.notify_all();
        }
    }

    /// Whether the calling thread is inside, so that entering again would wait for itself.
    #[inline]
    pub(crate) fn is_mine(&self) -> bool {
        self.holder.load(Ordering::Relaxed) == thread_token()
    }

    #[cold]
    fn wait_outside(&self, deadline: Option<Instant>) -> Option<Inside<'_, T>> {
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let mut held = self.mutex.lock().unwrap_or_else(PoisonError::into_inner);
        let entered = loop {
            if let Some(inside) = self.try_enter() {
                break Some(inside);
            }
            held = match deadline.map(|deadline| deadline.checked_duration_since(Instant::now())) {
                None => self.opened.wait(held).unwrap_or_else(PoisonError::into_inner),
                Some(None) => break None,
                Some(Some(left)) => {
                    let waited = self.opened.wait_timeout(held, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        };
        self.waiters.fetch_sub(1, Ordering::SeqCst);
        entered
    }
}

impl<T> Deref for Inside<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this thread holds the gate.
        unsafe { &*self.gate.inside.get() }
    }
}

impl<T> DerefMut for Inside<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this thread holds the gate, and the guard is borrowed mutably.
        unsafe { &mut *self.gate.inside.get() }
    }
}

impl<T> Drop for Inside<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.gate.one_thread {
            self.gate.holder.store(NOBODY, Ordering::Relaxed);
            return;
        }
        self.gate.holder.store(NOBODY, Ordering::SeqCst);
        if self.gate.waiters.load(Ordering::SeqCst) > 0 {
            // Taking the mutex makes sure that a waiter which found the gate closed sleeps.
            drop(self.gate.mutex.lock().unwrap_or_else(PoisonError::into_inner));
            self.gate.opened.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn gate<T>(inside: T) -> Gate<T> {
        // SAFETY: for several threads.
        unsafe { Gate::new(inside, false) }
    }

    #[test]
    fn one_thread_is_inside_at_a_time_and_all_get_their_turn() {
        let gate = gate(0u64);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        *gate.enter(None).expect("no deadline") += 1;
                    }
                });
            }
        });
        assert_eq!(*gate.enter(None).expect("no deadline"), 80_000);
    }

    #[test]
    fn waiting_ends_at_the_deadline_and_the_holder_is_known() {
        let gate = gate(());
        let inside = gate.try_enter();
        assert!(inside.is_some() && gate.is_mine());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert!(!gate.is_mine());
                let start = Instant::now();
                assert!(gate.enter(Some(start + Duration::from_millis(20))).is_none());
                assert!(start.elapsed() >= Duration::from_millis(20));
            });
        });
        drop(inside);
        assert!(!gate.is_mine());
    }
}
