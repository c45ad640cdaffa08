//! A thread's caches, which go back when it ends. Loom runs its threads on one of the system's, so the
//! quick lookup by a thread-local of the system would mix them up.

use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::Arc;

use super::cache::ThreadCache;
use super::life::Inner;

type Table = RefCell<Vec<(Arc<Inner>, Arc<ThreadCache>)>>;

loom::thread_local! {
    static TABLE: Table = RefCell::new(Vec::new());
}

pub(crate) fn with<R>(pool: u64, visit: impl FnOnce(&ThreadCache) -> R) -> Option<R> {
    find(pool).map(|cache| visit(&cache))
}

pub(crate) fn obtain(
    _block: NonNull<Inner>,
    pool: u64,
    hold: impl FnOnce() -> Arc<Inner>,
) -> Option<Arc<ThreadCache>> {
    find(pool).or_else(|| {
        TABLE
            .try_with(|table| {
                let (inner, cache) = (hold(), Arc::new(ThreadCache::new()));
                assert_eq!(cache.owned(), 0); // Makes its atomics, before others see them.
                inner.register(Arc::clone(&cache));
                table.borrow_mut().push((inner, Arc::clone(&cache)));
                cache
            })
            .ok()
    })
}

pub(crate) fn find(pool: u64) -> Option<Arc<ThreadCache>> {
    let find = |table: &Table| {
        let table = table.borrow();
        let found = table.iter().find(|(inner, _)| inner.id == pool && !inner.has_ended());
        found.map(|(_, cache)| Arc::clone(cache))
    };
    TABLE.try_with(find).ok().flatten()
}

pub(crate) fn seed() -> usize {
    0
}

/// Plays the end of a thread: loom would have others not wait for the destructor of a thread-local.
pub(crate) fn end_thread() {
    let entries = TABLE.with(|table| std::mem::take(&mut *table.borrow_mut()));
    entries.into_iter().for_each(|(inner, cache)| inner.retire(&cache));
}
