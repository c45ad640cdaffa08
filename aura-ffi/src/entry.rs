//! One place in the table of names: what it leads to, and whether that is to end.
//!
//! # Synchronization
//!
//! An entry is published by storing `item`, then `name` (release), and looked up by comparing `name`
//! (acquire) before loading `item`. It is withdrawn by clearing `name`. Who of several threads is the
//! one to do that is settled by an exchange of `ending`.

use std::ptr::null_mut;
use std::sync::atomic::Ordering;

use super::primitive::{AtomicBool, AtomicPtr, AtomicUsize};

#[derive(Debug)]
pub(crate) struct Entry<T> {
    /// The whole name, 0 while nobody has it.
    name: AtomicUsize,
    item: AtomicPtr<T>,
    /// The item is to be destroyed, or is being.
    ending: AtomicBool,
}

impl<T> Entry<T> {
    pub(crate) const fn new() -> Self {
        Self {
            name: AtomicUsize::new(0),
            item: AtomicPtr::new(null_mut()),
            ending: AtomicBool::new(false),
        }
    }

    /// Gives an item its name; nobody has the entry.
    pub(crate) fn publish(&self, name: usize, item: *const T) {
        self.ending.store(false, Ordering::Relaxed);
        self.item.store(item.cast_mut(), Ordering::Relaxed);
        self.name.store(name, Ordering::Release);
    }

    /// What has this name, if anything has.
    #[inline]
    pub(crate) fn find(&self, name: usize) -> Option<*const T> {
        if self.name.load(Ordering::Acquire) != name || name == 0 {
            return None;
        }
        Some(self.item.load(Ordering::Relaxed))
    }

    /// Notes that the item is to end; `false` if that was noted before.
    pub(crate) fn begin_ending(&self) -> bool {
        !self.ending.swap(true, Ordering::AcqRel)
    }

    /// Takes the name back. By whoever `begin_ending` told that it is the first.
    pub(crate) fn withdraw(&self) {
        self.name.store(0, Ordering::Release);
    }
}
