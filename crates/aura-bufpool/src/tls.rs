//! The thread's caches: which pool has which, quickly, and what happens when the thread ends.
//!
//! Unsafe code is here because the quick lookup uses plain pointers: a thread-local value without a
//! destructor is one address computation away, one with a destructor is a function call.
//!
//! # Synchronization
//!
//! None needed: everything is thread-local. `QUICK` holds pointers into caches that `TABLE` owns, by
//! pool id; ids are never reused, so an entry of a pool that ended is never looked up, and `forget`
//! clears it anyway before its cache goes.

use std::{
    cell::{Cell, RefCell},
    ptr::{self, NonNull},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use crate::{cache::ThreadCache, life::Inner};

/// Power of two. Pools are numbered in order, so up to this many used in turn do not collide.
const QUICK_SLOTS: usize = 8;

type Quick = Cell<(u64, *const ThreadCache)>;

thread_local! {
    static QUICK: [Quick; QUICK_SLOTS] = const { [const { Cell::new((0, ptr::null())) }; QUICK_SLOTS] };
    static SEED: Cell<usize> = const { Cell::new(usize::MAX) };
    static TABLE: RefCell<Table> = const { RefCell::new(Table(Vec::new())) };
}

/// All caches of the thread.
struct Table(Vec<Entry>);

struct Entry {
    inner: Arc<Inner>,
    cache: Arc<ThreadCache>,
}

/// Runs `visit` with the calling thread's cache of a pool, if the quick lookup has it.
///
/// `visit` must not come back to this module: the functions passed here only move numbers.
#[inline]
pub(crate) fn with<R>(pool: u64, visit: impl FnOnce(&ThreadCache) -> R) -> Option<R> {
    // The inner closure only reads two words, so that it is inlined with certainty.
    let (id, cache) = QUICK.with(|quick| quick[pool as usize % QUICK_SLOTS].get());
    // SAFETY: a slot with this id points at a cache that `TABLE` holds; entries leave the table only
    // after `forget` cleared their slot, on this thread, and not while `visit` runs.
    (id == pool).then(|| visit(unsafe { &*cache }))
}

/// The calling thread's cache of a pool, made if there is none. `None` while the thread ends.
pub(crate) fn obtain(
    block: NonNull<Inner>,
    pool: u64,
    hold: impl FnOnce() -> Arc<Inner>,
) -> Option<Arc<ThreadCache>> {
    if let Some(cache) = find(pool) {
        return Some(cache);
    }
    let outdated = TABLE.try_with(|table| {
        let mut table = table.try_borrow_mut().ok()?;
        Some(table.sweep())
    });
    // Dropped out here, with the table free to be used.
    drop(outdated.ok()??);
    TABLE
        .try_with(|table| {
            let mut table = table.try_borrow_mut().ok()?;
            let inner = hold();
            debug_assert!(ptr::eq(Arc::as_ptr(&inner), block.as_ptr()));
            let cache = Arc::new(ThreadCache::new());
            inner.register(Arc::clone(&cache));
            remember(pool, &cache);
            table.0.push(Entry { inner, cache: Arc::clone(&cache) });
            Some(cache)
        })
        .ok()?
}

/// The calling thread's cache of a pool, if there is one.
pub(crate) fn find(pool: u64) -> Option<Arc<ThreadCache>> {
    TABLE
        .try_with(|table| {
            let table = table.try_borrow().ok()?;
            let entry = table.0.iter().find(|entry| entry.inner.id == pool)?;
            remember(pool, &entry.cache);
            Some(Arc::clone(&entry.cache))
        })
        .ok()?
}

/// A number of the calling thread that spreads threads over shards evenly.
pub(crate) fn seed() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    SEED.with(|seed| {
        if seed.get() == usize::MAX {
            seed.set(NEXT.fetch_add(1, Relaxed));
        }
        seed.get()
    })
}

fn remember(pool: u64, cache: &Arc<ThreadCache>) {
    QUICK.with(|quick| quick[pool as usize % QUICK_SLOTS].set((pool, Arc::as_ptr(cache))));
}

fn forget(cache: &Arc<ThreadCache>) {
    QUICK.with(|quick| {
        for slot in quick.iter().filter(|slot| ptr::eq(slot.get().1, Arc::as_ptr(cache))) {
            slot.set((0, ptr::null()));
        }
    });
}

impl Table {
    /// Removes the caches of pools that have ended.
    fn sweep(&mut self) -> Vec<Entry> {
        let outdated: Vec<Entry> = self.0.extract_if(.., |entry| entry.inner.has_ended()).collect();
        outdated.iter().for_each(|entry| forget(&entry.cache));
        outdated
    }
}

impl Drop for Table {
    /// The thread ends: what it has in stock goes to threads that still run.
    fn drop(&mut self) {
        for entry in self.0.drain(..) {
            forget(&entry.cache);
            entry.inner.retire(&entry.cache);
        }
    }
}
