//! How long a pool lives: until its last handle and its last owned buffer are gone.
//!
//! Unsafe code is here because a `PoolBuffer` refers to the pool without a count of its own: taking
//! and dropping one must not write a cache line that all threads share. Instead every thread counts
//! the owned buffers it took and gave back, and the counts are summed when it matters, once no handle
//! is left.
//!
//! The [`Inner`] block and the [`Depot`] inside it end separately. The depot ends with the last handle
//! and owned buffer. The block is an `Arc`: the depot holds one count while it lives, and every thread
//! that has a cache holds one, so it may look at the block after its last buffer is gone.
//!
//! # Synchronization
//!
//! * `refs`: the number of handles and pins. Whoever brings it to zero calls `end_if_unused`. A pin
//!   may raise it from zero, but only under a live owned buffer, and calls in its turn.
//! * `owned_elsewhere` plus `ThreadCache::owned` of all registered caches: the number of live
//!   `PoolBuffer`s. Increments happen under a handle, so they happen before the decrement of `refs`
//!   to zero, which is read with `SeqCst`. Once `refs` was zero the counts only fall; a sum of zero
//!   read counter by counter is therefore final, and an outdated value can only make the sum too large.
//! * The last buffer and the last handle may go at once. The dropper of a buffer stores its count,
//!   then loads `refs`; the dropper of a handle stores `refs`, then loads the counts. All four are
//!   `SeqCst`, so at least one of them sees the other's store and ends the pool. Both may: `ended`,
//!   under the registry's lock, lets one through.
//! * The reads of the counts acquire what their writers did with the depot before, so that it happens
//!   before the depot is dropped.
//! * `ended`: written under the registry's lock; read relaxed as a hint to forget a cache.

use std::{
    cell::UnsafeCell,
    mem::{self, MaybeUninit},
    ptr::NonNull,
    sync::{
        Arc, PoisonError,
        atomic::{
            AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
};

// Relative, here and in the files that this one uses, because the models have them in a module.
use super::{
    cache::ThreadCache,
    counters::PoolStats,
    depot::{Depot, Holder, Returned},
    error::{AllocError, FreeError},
    primitive::{AtomicBool, AtomicIsize, AtomicUsize, Mutex, MutexGuard},
    tls,
};

/// The block that handles, owned buffers and thread caches refer to.
pub(crate) struct Inner {
    /// Never reused, unlike addresses, so that a thread cannot mistake its cache for another pool's.
    pub(crate) id: u64,
    refs: AtomicUsize,
    owned_elsewhere: AtomicIsize,
    ended: AtomicBool,
    registry: Mutex<Vec<Arc<ThreadCache>>>,
    depot: UnsafeCell<MaybeUninit<Depot>>,
}

// SAFETY: `depot` is the only field that is not `Sync` by itself. It is shared as `&Depot`, which is
// `Sync`, until `end_if_unused` drops it once, when nobody can refer to it any more.
unsafe impl Sync for Inner {}
// SAFETY: as above; `Depot` is `Send`, so any thread may be the one that drops it.
unsafe impl Send for Inner {}

impl Inner {
    /// The pool proper.
    ///
    /// # Safety
    ///
    /// For as long as the reference is used, the caller has a handle, a pin or a live owned buffer.
    #[inline]
    unsafe fn depot(&self) -> &Depot {
        // SAFETY: initialised in `Handle::new` before anyone has the block; dropped only when there is
        // no handle, pin or owned buffer, of which the caller has one.
        unsafe { (*self.depot.get()).assume_init_ref() }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// Adds the cache of the calling thread, to be counted and later emptied.
    pub(crate) fn register(&self, cache: Arc<ThreadCache>) {
        self.registry().push(cache);
    }

    /// Takes a cache back whose thread ends: its stock goes to the shards, its counts to the pool's.
    pub(crate) fn retire(self: &Arc<Self>, cache: &Arc<ThreadCache>) {
        // Without a handle there will be no allocation, and the stock need not go anywhere.
        let pinned =
            self.refs.fetch_update(SeqCst, SeqCst, |refs| (refs > 0).then(|| refs + 1)).is_ok();
        if pinned {
            // SAFETY: pinned.
            unsafe { self.depot() }.empty(cache, false);
        }
        {
            let mut registry = self.registry();
            self.owned_elsewhere.fetch_add(cache.owned(), SeqCst);
            registry.retain(|other| !Arc::ptr_eq(other, cache));
        }
        if pinned {
            self.unpin();
        }
    }

    /// Ends a pin or a handle. The caller's `Arc` keeps the block alive meanwhile.
    fn unpin(self: &Arc<Self>) {
        if self.refs.fetch_sub(1, SeqCst) == 1 {
            self.end_if_unused();
        }
    }

    /// Drops the depot if neither a handle nor an owned buffer is left.
    #[cold]
    fn end_if_unused(self: &Arc<Self>) {
        {
            let mut registry = self.registry();
            if self.ended.load(Relaxed) || self.refs.load(SeqCst) != 0 {
                return;
            }
            let owned = registry.iter().map(|cache| cache.owned()).sum::<isize>();
            if owned + self.owned_elsewhere.load(SeqCst) != 0 {
                return;
            }
            self.ended.store(true, Relaxed);
            registry.clear();
        }
        // SAFETY: `ended` lets only one thread come here, so the depot is still there.
        unsafe { self.depot() }.farewell();
        // SAFETY: as above. No handle, pin or owned buffer is left and none can appear: handles and
        // pins come from handles and owned buffers. So no `&Depot` exists but in threads that have
        // released theirs, which the loads above acquired.
        unsafe { (*self.depot.get()).assume_init_drop() };
        // SAFETY: the count that `Handle::new` left for the depot, which is gone.
        unsafe { Arc::decrement_strong_count(Arc::as_ptr(self)) };
    }

    fn registry(&self) -> MutexGuard<'_, Vec<Arc<ThreadCache>>> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Safety
    ///
    /// The block at `inner` is alive.
    unsafe fn hold(inner: NonNull<Self>) -> Arc<Self> {
        // SAFETY: the pointer came from `Arc::into_raw`, and by the caller's word a count is left.
        unsafe {
            Arc::increment_strong_count(inner.as_ptr());
            Arc::from_raw(inner.as_ptr())
        }
    }
}

/// A counted reference to a living pool.
pub(crate) struct Handle(NonNull<Inner>);

// SAFETY: a handle only gives shared access to `Inner`, which is `Send` and `Sync`.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    pub(crate) fn new(depot: Depot) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let inner = Arc::new(Inner {
            id: NEXT_ID.fetch_add(1, Relaxed),
            refs: AtomicUsize::new(1),
            owned_elsewhere: AtomicIsize::new(0),
            ended: AtomicBool::new(false),
            registry: Mutex::new(Vec::new()),
            depot: UnsafeCell::new(MaybeUninit::new(depot)),
        });
        // The count of this `Arc` is the depot's; `end_if_unused` gives it back.
        let block = Arc::into_raw(inner).cast_mut();
        Self(NonNull::new(block).expect("an Arc is not null"))
    }

    #[inline]
    fn inner(&self) -> &Inner {
        // SAFETY: the block lives at least as long as the depot, and the depot while a handle does.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(crate) fn depot(&self) -> &Depot {
        // SAFETY: this is a handle, and the result borrows it.
        unsafe { self.inner().depot() }
    }

    #[inline]
    pub(crate) fn take(&self, size: usize, holder: Holder) -> Result<NonNull<u8>, AllocError> {
        let depot = self.depot();
        let class = depot.class_of(size)?;
        let taken = tls::with(self.inner().id, |cache| {
            let buffer = depot.take_cached(cache, class, size, holder)?;
            if holder == Holder::Buffer {
                cache.owned_taken();
            }
            Some(buffer)
        });
        match taken {
            Some(Some(buffer)) => Ok(buffer),
            _ => self.take_slow(size, holder),
        }
    }

    #[cold]
    fn take_slow(&self, size: usize, holder: Holder) -> Result<NonNull<u8>, AllocError> {
        let depot = self.depot();
        let class = depot.class_of(size)?;
        let cache = tls::obtain(self.0, self.inner().id, || self.hold());
        let buffer = depot.take_slow(cache.as_deref(), tls::seed(), class, size, holder)?;
        if holder == Holder::Buffer {
            match cache {
                Some(cache) => cache.owned_taken(),
                None => _ = self.inner().owned_elsewhere.fetch_add(1, SeqCst),
            }
        }
        Ok(buffer)
    }

    #[inline]
    pub(crate) fn give(&self, pointer: NonNull<u8>) -> Result<(), FreeError> {
        let depot = self.depot();
        let Some(returned) = depot.reclaim(pointer)? else { return Ok(()) };
        if tls::with(self.inner().id, |cache| depot.give_cached(cache, returned)) != Some(true) {
            let cache = tls::obtain(self.0, self.inner().id, || self.hold());
            depot.give_slow(cache.as_deref(), returned);
        }
        Ok(())
    }

    pub(crate) fn trim(&self) -> usize {
        if let Some(cache) = tls::find(self.inner().id) {
            self.depot().empty(&cache, true);
        }
        self.depot().trim()
    }

    pub(crate) fn stats(&self) -> PoolStats {
        let registry = self.inner().registry();
        self.depot().stats(registry.iter().map(|cache| &**cache))
    }

    /// The reference that an owned buffer carries.
    #[inline]
    pub(crate) fn tenant(&self) -> Tenant {
        Tenant(self.0)
    }

    pub(crate) fn same_pool(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    fn hold(&self) -> Arc<Inner> {
        // SAFETY: this handle keeps the depot alive, and the depot the block.
        unsafe { Inner::hold(self.0) }
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        self.inner().refs.fetch_add(1, Relaxed);
        Self(self.0)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // As soon as the count is zero, a buffer dropped elsewhere may end the pool: hold the block.
        self.hold().unpin();
    }
}

/// The uncounted reference of an owned buffer to its pool.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tenant(NonNull<Inner>);

// SAFETY: like `Handle`; what keeps the pool alive is the buffer, wherever it is.
unsafe impl Send for Tenant {}
// SAFETY: as above.
unsafe impl Sync for Tenant {}

impl Tenant {
    /// Gives the buffer back and with it the right to refer to the pool.
    ///
    /// # Safety
    ///
    /// `pointer` was taken as [`Holder::Buffer`] from this pool with `requested` bytes, and this is the
    /// end of it.
    #[inline]
    pub(crate) unsafe fn give(self, pointer: NonNull<u8>, requested: usize) {
        // SAFETY: the buffer is live, so the depot is, and so the block.
        let inner = unsafe { self.0.as_ref() };
        // SAFETY: as above; not used after the count of owned buffers fell.
        let depot = unsafe { inner.depot() };
        let returned = depot.reclaim_owned(pointer, requested);
        let kept = tls::with(inner.id, |cache| {
            let kept = depot.give_cached(cache, returned);
            if kept {
                cache.owned_given();
            }
            kept
        });
        if kept == Some(true) {
            // The depot may be gone, but this thread has a cache and thereby holds the block.
            if inner.refs.load(SeqCst) == 0 {
                // SAFETY: held by this thread's cache.
                unsafe { Inner::hold(self.0) }.end_if_unused();
            }
            return;
        }
        // SAFETY: the buffer's count has not fallen yet.
        let held = unsafe { Inner::hold(self.0) };
        Self::give_slow(&held, returned);
    }

    #[cold]
    fn give_slow(inner: &Arc<Inner>, returned: Returned) {
        let handles = inner.refs.fetch_add(1, SeqCst);
        // Once the handles are gone there is no point in a new cache.
        let cache = if handles > 0 {
            tls::obtain(NonNull::from(&**inner), inner.id, || Arc::clone(inner))
        } else {
            tls::find(inner.id)
        };
        // SAFETY: pinned.
        unsafe { inner.depot() }.give_slow(cache.as_deref(), returned);
        mem::drop(cache);
        inner.owned_elsewhere.fetch_sub(1, SeqCst);
        inner.unpin();
    }

    /// Full size of a buffer of this pool.
    ///
    /// # Safety
    ///
    /// The caller has a live owned buffer of this pool.
    pub(crate) unsafe fn capacity_for(self, requested: usize) -> usize {
        // SAFETY: by the caller's word block and depot are alive.
        unsafe { self.0.as_ref().depot() }.capacity_for(requested)
    }

    /// The address of the block, for a round trip through a foreign caller.
    pub(crate) fn into_raw(self) -> NonNull<()> {
        self.0.cast()
    }

    /// The reverse of `into_raw`; harmless until a buffer is given back with it.
    pub(crate) fn from_raw(raw: NonNull<()>) -> Self {
        Self(raw.cast())
    }
}
