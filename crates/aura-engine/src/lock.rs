//! The submission lock of a ring, and doing without it.
//!
//! This file is `unsafe` because a lock hands out exclusive references to what it guards.
//!
//! # Synchronization
//!
//! [`Guarded`] is a mutex around a value, except when the engine was made for one thread: then
//! the engine checks at each of its doors that the calling thread is that thread
//! ([`OneThread::check`]), which makes the mutex redundant, and the lock is skipped.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// A value that is used by one thread at a time.
#[derive(Debug)]
pub(crate) struct Guarded<T> {
    mutex: Mutex<()>,
    /// Set once at creation: the engine lets one thread in, so there is nothing to lock out.
    unlocked: bool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only through a guard. With `unlocked == false` a guard holds the
// mutex; with `unlocked == true` only the one thread that `OneThread` lets in makes guards.
unsafe impl<T: Send> Sync for Guarded<T> {}

pub(crate) struct Guard<'a, T> {
    value: &'a mut T,
    _held: Option<MutexGuard<'a, ()>>,
}

impl<T> Guarded<T> {
    /// # Safety
    ///
    /// With `unlocked`, all calls of [`lock`](Self::lock) come from one thread at a time, and no
    /// guard is alive when another is made.
    pub(crate) unsafe fn new(value: T, unlocked: bool) -> Self {
        Self { mutex: Mutex::new(()), unlocked, value: UnsafeCell::new(value) }
    }

    /// Waits for the value. Never while a callback runs: callbacks are called without the lock.
    #[inline]
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        let held = if self.unlocked {
            None
        } else {
            // Poisoning cannot leave the value half-changed: nothing that runs under this lock
            // calls code of the user.
            Some(self.mutex.lock().unwrap_or_else(PoisonError::into_inner))
        };
        // SAFETY: exclusive by the mutex, or by the contract of `new`.
        Guard { value: unsafe { &mut *self.value.get() }, _held: held }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        self.value
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.value
    }
}

/// Holds an engine made for one thread to that promise.
///
/// The first thread that submits or processes completions becomes the owner; every other thread
/// gets an error. That is what makes leaving out the locks sound, at the price of one compare.
#[derive(Debug)]
pub(crate) struct OneThread {
    /// [`thread_token`] of the owner, or `NOBODY`, or `ANYBODY`. Written once, by whoever comes
    /// first (compare-and-swap), read by everyone.
    owner: AtomicUsize,
}

const NOBODY: usize = 0;
const ANYBODY: usize = 1;

impl OneThread {
    pub(crate) fn new(one_thread: bool) -> Self {
        Self { owner: AtomicUsize::new(if one_thread { NOBODY } else { ANYBODY }) }
    }

    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        let owner = self.owner.load(Ordering::Relaxed);
        if owner == ANYBODY || owner == thread_token() { Ok(()) } else { self.check_slowly(owner) }
    }

    /// Makes the calling thread the owner. Exclusive access proves that nobody else is inside.
    pub(crate) fn adopt(&mut self) {
        let owner = self.owner.get_mut();
        if *owner != ANYBODY {
            *owner = thread_token();
        }
    }

    #[cold]
    fn check_slowly(&self, owner: usize) -> Result<()> {
        let first = owner == NOBODY
            && self
                .owner
                .compare_exchange(NOBODY, thread_token(), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if first {
            return Ok(());
        }
        Err(Error::Invalid(
            "this engine was made with single_thread, and another thread is its owner",
        ))
    }
}

/// A number that no other live thread has: the address of a thread-local.
#[inline]
pub(crate) fn thread_token() -> usize {
    thread_local!(static TOKEN: u8 = const { 0 });
    TOKEN.with(|token| std::ptr::from_ref(token).addr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_thread_becomes_the_owner_and_others_are_refused() {
        let door = OneThread::new(true);
        assert!(door.check().is_ok());
        assert!(door.check().is_ok());
        let other = std::thread::scope(|s| s.spawn(|| door.check().is_err()).join());
        assert!(other.expect("the thread does not panic"));
    }

    #[test]
    fn an_ordinary_engine_lets_every_thread_in() {
        let door = OneThread::new(false);
        assert!(door.check().is_ok());
        let other = std::thread::scope(|s| s.spawn(|| door.check().is_ok()).join());
        assert!(other.expect("the thread does not panic"));
    }
}
