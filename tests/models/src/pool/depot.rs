//! The pool proper, as far as its end goes: it notes who is in it when, and that it ends.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32 as Count, Ordering};

use super::cache::ThreadCache;
use super::class::Class;
use super::counters::PoolStats;
use super::error::{AllocError, FreeError};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    #[allow(dead_code, reason = "the models' buffers are owned")]
    Raw,
    Buffer,
}

#[derive(Clone, Copy)]
pub(crate) struct Returned;

pub(crate) struct Depot {
    /// Loom makes sure that nobody looks at it any more when it ends.
    memory: loom::cell::UnsafeCell<()>,
    ended: Arc<Count>,
}

// SAFETY: `memory` is read by whoever is in the pool and written by its end; loom makes sure.
unsafe impl Sync for Depot {}
// SAFETY: as above.
unsafe impl Send for Depot {}

impl Depot {
    pub(crate) fn new(ended: Arc<Count>) -> Self {
        Self { memory: loom::cell::UnsafeCell::new(()), ended }
    }

    fn touch(&self) {
        self.memory.with(|_| ());
    }

    pub(crate) fn class_of(&self, _size: usize) -> Result<Class, AllocError> {
        Ok(Class)
    }

    pub(crate) fn take_cached(
        &self,
        _cache: &ThreadCache,
        _class: Class,
        _size: usize,
        _holder: Holder,
    ) -> Option<NonNull<u8>> {
        self.touch();
        Some(NonNull::dangling())
    }

    pub(crate) fn take_slow(
        &self,
        _cache: Option<&ThreadCache>,
        _home: usize,
        _class: Class,
        _size: usize,
        _holder: Holder,
    ) -> Result<NonNull<u8>, AllocError> {
        self.touch();
        Ok(NonNull::dangling())
    }

    pub(crate) fn reclaim(&self, _pointer: NonNull<u8>) -> Result<Option<Returned>, FreeError> {
        self.touch();
        Ok(Some(Returned))
    }

    pub(crate) fn reclaim_owned(&self, _pointer: NonNull<u8>, _requested: usize) -> Returned {
        self.touch();
        Returned
    }

    pub(crate) fn give_cached(&self, _cache: &ThreadCache, _returned: Returned) -> bool {
        self.touch();
        true
    }

    pub(crate) fn give_slow(&self, _cache: Option<&ThreadCache>, _returned: Returned) {
        self.touch();
    }

    pub(crate) fn empty(&self, _cache: &ThreadCache, _may_release: bool) {
        self.touch();
    }

    pub(crate) fn farewell(&self) {
        self.touch();
    }

    pub(crate) fn trim(&self) -> usize {
        0
    }

    pub(crate) fn capacity_for(&self, requested: usize) -> usize {
        requested
    }

    pub(crate) fn stats<'a>(&self, _caches: impl Iterator<Item = &'a ThreadCache>) -> PoolStats {
        PoolStats::default()
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        self.memory.with_mut(|_| ());
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}
