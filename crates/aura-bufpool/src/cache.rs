//! A thread's own stock of buffers in one pool, with its share of the accounting.
//!
//! # Synchronization
//!
//! Every field is written by the owning thread only, with a load and a store instead of a
//! read-modify-write, and read by others for statistics. They are relaxed, with one exception:
//!
//! * `owned` counts buffers inside `PoolBuffer`s (taken minus given back by this thread). Taking is
//!   relaxed: it happens under a handle, and the drop of the last handle publishes it. Giving back is
//!   `SeqCst` and pairs with the `SeqCst` loads in `life::Inner::end_if_unused`; see there.
//!
//! The entries are atomics only so that a reader of the counters and a mistake in this crate are not
//! undefined behaviour; nobody but the owner looks at them.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use super::{
    class::{CACHE_SLOTS, CLASSES, Class, SMALL_CLASSES},
    counters::{Change, Ledger},
    primitive::{AtomicI64, AtomicIsize, AtomicU8, AtomicU32},
};

/// A list of buffers, as arena units, on its way between a cache and the shards.
#[derive(Debug)]
pub(crate) struct Batch {
    units: [u32; CACHE_SLOTS],
    len: usize,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self { units: [0; CACHE_SLOTS], len: 0 }
    }

    pub(crate) fn push(&mut self, unit: u32) {
        self.units[self.len] = unit;
        self.len += 1;
    }

    pub(crate) fn pop(&mut self) -> Option<u32> {
        self.len = self.len.checked_sub(1)?;
        Some(self.units[self.len])
    }

    /// Takes the entry that was pushed first; the batch must not be empty.
    pub(crate) fn shift(&mut self) -> u32 {
        let first = self.units[0];
        self.units.copy_within(1..self.len, 0);
        self.len -= 1;
        first
    }

    pub(crate) fn as_slice(&self) -> &[u32] {
        &self.units[..self.len]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

/// Counters and stack heights fill the first cache line, the entries follow.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct ThreadCache {
    /// Balance since the last settlement.
    buffers: AtomicI64,
    bytes: AtomicI64,
    requested: AtomicI64,
    /// Highest the balance was since the last settlement, at least zero.
    peak_buffers: AtomicI64,
    peak_bytes: AtomicI64,
    owned: AtomicIsize,
    heights: [AtomicU8; CLASSES],
    entries: [[AtomicU32; CACHE_SLOTS]; SMALL_CLASSES],
}

impl ThreadCache {
    pub(crate) fn new() -> Self {
        Self {
            buffers: AtomicI64::new(0),
            bytes: AtomicI64::new(0),
            requested: AtomicI64::new(0),
            peak_buffers: AtomicI64::new(0),
            peak_bytes: AtomicI64::new(0),
            owned: AtomicIsize::new(0),
            heights: [const { AtomicU8::new(0) }; CLASSES],
            entries: [const { [const { AtomicU32::new(0) }; CACHE_SLOTS] }; SMALL_CLASSES],
        }
    }

    /// Takes the buffer that was put in last. Large classes are never in a cache: height zero.
    #[inline]
    pub(crate) fn pop(&self, class: Class) -> Option<u32> {
        let height = self.height(class).checked_sub(1)?;
        let unit = self.slot(class, height).load(Relaxed);
        self.heights[class.index()].store(height as u8, Relaxed);
        Some(unit)
    }

    /// Puts a free buffer in, unless the class's stock is full.
    #[inline]
    #[must_use]
    pub(crate) fn push(&self, class: Class, unit: u32) -> bool {
        let height = self.height(class);
        if height >= class.cache_cap() {
            return false;
        }
        self.slot(class, height).store(unit, Relaxed);
        self.heights[class.index()].store(height as u8 + 1, Relaxed);
        true
    }

    /// Removes up to `count` buffers, those untouched for longest first.
    pub(crate) fn drain(&self, class: Class, count: usize) -> Batch {
        let mut batch = Batch::new();
        let height = self.height(class);
        let count = count.min(height);
        for at in 0..count {
            batch.push(self.slot(class, at).load(Relaxed));
        }
        for at in count..height {
            self.slot(class, at - count).store(self.slot(class, at).load(Relaxed), Relaxed);
        }
        self.heights[class.index()].store((height - count) as u8, Relaxed);
        batch
    }

    #[inline]
    pub(crate) fn count_taken(&self, capacity: usize, requested: usize) {
        add(&self.requested, requested as i64);
        let buffers = add(&self.buffers, 1);
        if buffers > self.peak_buffers.load(Relaxed) {
            self.peak_buffers.store(buffers, Relaxed);
        }
        let bytes = add(&self.bytes, capacity as i64);
        if bytes > self.peak_bytes.load(Relaxed) {
            self.peak_bytes.store(bytes, Relaxed);
        }
    }

    #[inline]
    pub(crate) fn count_given(&self, capacity: usize, requested: usize) {
        add(&self.requested, -(requested as i64));
        add(&self.buffers, -1);
        add(&self.bytes, -(capacity as i64));
    }

    /// Moves the balance to the pool's ledger. Readers may see a balance twice for a moment.
    pub(crate) fn settle(&self, ledger: &Ledger) {
        ledger.settle(self.change());
        for counter in
            [&self.buffers, &self.bytes, &self.requested, &self.peak_buffers, &self.peak_bytes]
        {
            counter.store(0, Relaxed);
        }
    }

    /// The balance not yet settled.
    pub(crate) fn change(&self) -> Change {
        Change {
            buffers: self.buffers.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            requested: self.requested.load(Relaxed),
            peak_buffers: self.peak_buffers.load(Relaxed),
            peak_bytes: self.peak_bytes.load(Relaxed),
        }
    }

    /// Free bytes held here.
    pub(crate) fn stock_bytes(&self) -> usize {
        Class::all().map(|class| self.height(class) * class.bytes()).sum()
    }

    #[inline]
    pub(crate) fn owned_taken(&self) {
        self.owned.store(self.owned.load(Relaxed).wrapping_add(1), Relaxed);
    }

    #[inline]
    pub(crate) fn owned_given(&self) {
        self.owned.store(self.owned.load(Relaxed).wrapping_sub(1), SeqCst);
    }

    pub(crate) fn owned(&self) -> isize {
        self.owned.load(SeqCst)
    }

    #[inline]
    fn height(&self, class: Class) -> usize {
        usize::from(self.heights[class.index()].load(Relaxed))
    }

    /// The masks spare bounds checks: large classes never get here, heights stay below the length.
    #[inline]
    fn slot(&self, class: Class, at: usize) -> &AtomicU32 {
        debug_assert!(!class.is_large() && at < CACHE_SLOTS);
        &self.entries[class.index() % SMALL_CLASSES][at % CACHE_SLOTS]
    }
}

#[inline]
fn add(counter: &AtomicI64, delta: i64) -> i64 {
    let sum = counter.load(Relaxed).wrapping_add(delta);
    counter.store(sum, Relaxed);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smallest() -> Class {
        Class::from_index(0)
    }

    #[test]
    fn the_stock_is_a_stack_bounded_by_the_class() {
        let cache = ThreadCache::new();
        let cap = smallest().cache_cap() as u32;
        for unit in 0..cap {
            assert!(cache.push(smallest(), unit));
        }
        assert!(!cache.push(smallest(), cap));
        assert_eq!(cache.stock_bytes(), cap as usize * 4096);
        assert_eq!(cache.drain(smallest(), 2).as_slice(), [0, 1]);
        for unit in (2..cap).rev() {
            assert_eq!(cache.pop(smallest()), Some(unit));
        }
        assert_eq!(cache.pop(smallest()), None);
    }

    #[test]
    fn large_buffers_are_not_kept() {
        let cache = ThreadCache::new();
        assert!(!cache.push(Class::from_index(SMALL_CLASSES), 1));
        assert_eq!(cache.pop(Class::from_index(SMALL_CLASSES)), None);
    }

    #[test]
    fn settling_keeps_the_peak_between_two_settlements() {
        let (cache, ledger) = (ThreadCache::new(), Ledger::default());
        cache.count_taken(4096, 1);
        cache.settle(&ledger);
        cache.count_taken(8192, 8192);
        cache.count_given(8192, 8192);
        cache.settle(&ledger);
        assert_eq!(ledger.live.bytes.load(Relaxed), 4096);
        assert_eq!(ledger.live.requested.load(Relaxed), 1);
        assert_eq!(ledger.peak_bytes.load(Relaxed), 12_288);
        assert_eq!(ledger.peak_buffers.load(Relaxed), 2);
    }
}
