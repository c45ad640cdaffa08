//! The submission lock of a ring, and doing without it.
//!
//! This file is `unsafe` because a lock hands out exclusive references to what it guards.
//!
//! # Synchronization
//!
//! [`Guarded`] is a mutex around a value, except when the engine was made for one thread: then
//! the engine checks at each of its doors that the calling thread is that thread
//! ([`Door::check`]), which makes the mutex redundant, and the lock is skipped.

use std::cell::{Cell, UnsafeCell};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::mapping::Mapping;

/// A value that is used by one thread at a time.
#[derive(Debug)]
pub(crate) struct Guarded<T> {
    mutex: Mutex<()>,
    /// Set once at creation: the engine lets one thread in, so there is nothing to lock out.
    unlocked: bool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only through a guard. With `unlocked == false` a guard holds the
// mutex; with `unlocked == true` only the one thread that `Door` lets in makes guards.
unsafe impl<T: Send> Sync for Guarded<T> {}

/// Access to a guarded value. It holds no reference to the value itself: passed to a function, that
/// would promise the compiler exclusive access until the function ends, and the function may be the
/// one that unlocks.
pub(crate) struct Guard<'a, T> {
    guarded: &'a Guarded<T>,
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
        Guard { guarded: self, _held: held }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: exclusive by the mutex, or by the contract of `Guarded::new`.
        unsafe { &*self.guarded.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed mutably.
        unsafe { &mut *self.guarded.value.get() }
    }
}

/// Who may use an engine: threads of the process that made it, and if it was made for one thread,
/// that thread alone.
///
/// The first thread that submits, registers or processes completions becomes the owner of an engine made for
/// one, or the thread that creates it is (`thread_bound`); every other thread gets an error. That is what makes
/// leaving out the locks sound, at the price of one compare.
#[derive(Debug)]
pub(crate) struct Door {
    /// [`thread_token`] of the owner, or `NOBODY`, or `ANYBODY`. Written by whoever comes first
    /// (compare-and-swap) and at the engine's end, read by everyone.
    owner: AtomicUsize,
    home: Home,
}

const NOBODY: usize = 0;
const ANYBODY: usize = 1;

impl Door {
    pub(crate) fn new(config: &Config) -> std::io::Result<Self> {
        let owner = AtomicUsize::new(match (config.single_thread, config.thread_bound) {
            (false, _) => ANYBODY,
            (true, false) => NOBODY,
            (true, true) => thread_token(),
        });
        Ok(Self { owner, home: Home::new()? })
    }

    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        if !self.home.is_here() {
            return Err(Error::Shutdown);
        }
        let owner = self.owner.load(Ordering::Relaxed);
        if owner == ANYBODY || owner == thread_token() { Ok(()) } else { self.check_slowly(owner) }
    }

    /// As [`check`](Self::check), for what other threads may ask of an engine made for one: whether the
    /// caller may do it itself.
    pub(crate) fn check_any_thread(&self) -> Result<bool> {
        if !self.home.is_here() {
            return Err(Error::Shutdown);
        }
        Ok(self.is_let_in())
    }

    /// Whether the calling thread may use the engine. Asking makes nobody the owner.
    pub(crate) fn is_let_in(&self) -> bool {
        let owner = self.owner.load(Ordering::Relaxed);
        self.home.is_here() && (owner == ANYBODY || owner == thread_token())
    }

    /// Whether this is the process that made the engine.
    pub(crate) fn is_home(&self) -> bool {
        self.home.is_here()
    }

    /// Makes the calling thread the owner. Its caller knows that the one before will not come again.
    pub(crate) fn adopt(&self) {
        if self.owner.load(Ordering::Relaxed) != ANYBODY {
            self.owner.store(thread_token(), Ordering::Relaxed);
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

/// Knows the process it was made in, at the price of a load: a page that the kernel clears in the
/// child of a fork (`MADV_WIPEONFORK`, Linux 4.14).
///
/// Parent and child share the rings' memory. A child that used them, or drained them at its end,
/// would take away the parent's operations.
struct Home {
    page: Mapping<AtomicUsize>,
}

impl Home {
    fn new() -> std::io::Result<Self> {
        // SAFETY: an atomic of zeros is a zero.
        let page: Mapping<AtomicUsize> = unsafe { Mapping::zeroed(1)? };
        page.wipe_on_fork()?;
        page[0].store(1, Ordering::Relaxed);
        Ok(Self { page })
    }

    #[inline]
    fn is_here(&self) -> bool {
        self.page[0].load(Ordering::Relaxed) != 0
    }
}

impl std::fmt::Debug for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Home").field("here", &self.is_here()).finish()
    }
}

/// A number that no other thread has or ever had. (An address of a thread-local would do for those that
/// live, but the next thread gets that of one that ended, and would be taken for the owner.)
#[inline]
pub(crate) fn thread_token() -> usize {
    thread_local!(static TOKEN: Cell<usize> = const { Cell::new(NOBODY) });
    TOKEN.with(|token| match token.get() {
        NOBODY => name_thread(token),
        name => name,
    })
}

#[cold]
fn name_thread(token: &Cell<usize>) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(ANYBODY + 1);
    token.set(NEXT.fetch_add(1, Ordering::Relaxed));
    token.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_one_thread() -> Config {
        Config { single_thread: true, ..Config::default() }
    }

    #[test]
    fn the_owner_may_be_who_creates_it() {
        let door = Door::new(&Config { thread_bound: true, ..of_one_thread() }).unwrap();
        let first = std::thread::scope(|s| s.spawn(|| door.check().is_err()).join());
        assert!(first.expect("the thread does not panic"));
        assert!(door.check().is_ok());
    }

    #[test]
    fn the_first_thread_becomes_the_owner_and_others_are_refused() {
        let door = Door::new(&of_one_thread()).unwrap();
        assert!(door.check().is_ok());
        assert!(door.check().is_ok());
        let other = std::thread::scope(|s| s.spawn(|| door.check().is_err()).join());
        assert!(other.expect("the thread does not panic"));
    }

    /// A thread gets the stack, and with it the thread-locals, of one that ended.
    #[test]
    fn when_the_owner_has_ended_no_later_thread_is_taken_for_it() {
        let door = Door::new(&of_one_thread()).unwrap();
        std::thread::scope(|s| s.spawn(|| door.check().unwrap()).join()).unwrap();
        for later in 0..20 {
            let is_let_in = std::thread::scope(|s| s.spawn(|| door.check().is_ok()).join());
            assert!(!is_let_in.unwrap(), "thread {later}");
        }
    }

    #[test]
    fn who_only_asks_does_not_become_the_owner() {
        let door = Door::new(&of_one_thread()).unwrap();
        assert!(!door.is_let_in() && !door.check_any_thread().unwrap());
        std::thread::scope(|s| s.spawn(|| door.check().unwrap()).join()).unwrap();
        assert!(door.check().is_err());
    }

    #[test]
    fn an_ordinary_engine_lets_every_thread_in() {
        let door = Door::new(&Config::default()).unwrap();
        assert!(door.check().is_ok());
        let other = std::thread::scope(|s| s.spawn(|| door.check().is_ok()).join());
        assert!(other.expect("the thread does not panic"));
    }
}
