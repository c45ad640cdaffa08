//! A list of what is left for the thread inside the gate to do, by whichever thread.
//!
//! # Synchronization
//!
//! An item is listed under the mutex, then `any` is set. Who takes clears `any` first, so an item that is
//! added meanwhile is seen the next time at the latest.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

#[derive(Debug)]
pub(crate) struct ToDo<T> {
    any: AtomicBool,
    items: Mutex<Vec<T>>,
}

impl<T> Default for ToDo<T> {
    fn default() -> Self {
        Self { any: AtomicBool::new(false), items: Mutex::default() }
    }
}

impl<T> ToDo<T> {
    /// Whether there is something to do. One load.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::SeqCst)
    }

    pub(crate) fn add(&self, item: T) {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).push(item);
        self.any.store(true, Ordering::SeqCst);
    }

    pub(crate) fn take(&self) -> Vec<T> {
        self.any.store(false, Ordering::SeqCst);
        std::mem::take(&mut self.items.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
