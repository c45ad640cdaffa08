//! Slabs: where they are, which of their buffers are free, how they come and go.
//!
//! Unsafe code is here only to state that a slab record may begin as zero bytes.
//!
//! # Synchronization
//!
//! * `Slab::free`, `next`, `prev`, `free_since_ms`: read and written under the lock of the slab's
//!   shard, or by the one thread that made the slab or took it out of every list.
//! * `Slab::place`, `class`, `shard`: written while the slab is made, before any of its buffers is
//!   handed out; constant until it retires. Whoever holds a buffer got it, directly or through a lock,
//!   from the thread that made the slab, so relaxed loads see them.
//! * `SlabMap::granules`: like `place`. Lookups of pointers that are no buffer may see an entry come
//!   or go at any time and answer for one moment or the other.
//! * `SlabMap::places`: a lock for the buddy allocator and the free indices; never held together with
//!   a shard's, nor during a system call or an observer's.
//! * The `AtomicUsize` counters are relaxed; they guard nothing.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use crate::{
    arena::Arena,
    buddy::Buddy,
    class::{Class, GRANULE_SHIFT, UNIT_SHIFT},
    observer::SlabRef,
    table::{Table, ZeroValid},
};

/// "No slab" in list links.
pub(crate) const NONE: u32 = u32::MAX;

/// The record of one slab. Fields as explained in the module's `Synchronization`.
#[derive(Debug)]
pub(crate) struct Slab {
    /// One bit per buffer that is in the shard: set means free. Zero while the slab is being made or
    /// given back, so that nobody takes from it.
    pub(crate) free: AtomicU64,
    /// Coarse clock when the last buffer came back.
    pub(crate) free_since_ms: AtomicU64,
    pub(crate) next: AtomicU32,
    pub(crate) prev: AtomicU32,
    /// First granule.
    place: AtomicU32,
    shard: AtomicU16,
    class: AtomicU8,
}

// SAFETY: only atomic integers, and no drop.
unsafe impl ZeroValid for Slab {}

impl Slab {
    pub(crate) fn class(&self) -> Class {
        Class::from_index(usize::from(self.class.load(Relaxed)))
    }

    pub(crate) fn shard(&self) -> usize {
        usize::from(self.shard.load(Relaxed))
    }

    fn offset(&self) -> usize {
        (self.place.load(Relaxed) as usize) << GRANULE_SHIFT
    }

    /// The buffer, as an arena unit, behind a bit of `free`.
    pub(crate) fn unit_of(&self, bit: u32) -> u32 {
        let first = self.place.load(Relaxed) << (GRANULE_SHIFT - UNIT_SHIFT);
        first + (bit << self.class().index())
    }

    /// The bit of `free` for a buffer of this slab.
    pub(crate) fn bit_of(&self, unit: u32) -> u64 {
        let first = self.place.load(Relaxed) << (GRANULE_SHIFT - UNIT_SHIFT);
        1 << ((unit - first) >> self.class().index())
    }
}

/// All slabs of a pool and the arena they lie in.
#[derive(Debug)]
pub(crate) struct SlabMap {
    pub(crate) arena: Arena,
    /// Per granule: zero, or slab index in the upper 24 bits and class plus one in the lower 8, which
    /// is all that a lookup needs.
    granules: Table<AtomicU32>,
    slabs: Table<Slab>,
    places: Mutex<Places>,
    committed_bytes: AtomicUsize,
    count: AtomicUsize,
    retired: AtomicU64,
}

#[derive(Debug)]
struct Places {
    buddy: Buddy,
    /// Indices below `unused` that are free again, lowest first.
    returned: BinaryHeap<Reverse<u32>>,
    unused: u32,
}

impl SlabMap {
    pub(crate) fn new(arena: Arena) -> io::Result<Self> {
        let granules = arena.len() >> GRANULE_SHIFT;
        let buddy = Buddy::new(granules.ilog2());
        Ok(Self {
            granules: Table::new(granules)?,
            slabs: Table::new(granules)?,
            places: Mutex::new(Places { buddy, returned: BinaryHeap::new(), unused: 0 }),
            committed_bytes: AtomicUsize::new(0),
            count: AtomicUsize::new(0),
            retired: AtomicU64::new(0),
            arena,
        })
    }

    pub(crate) fn get(&self, index: u32) -> &Slab {
        &self.slabs[index as usize]
    }

    /// Index of the slab that holds this buffer.
    pub(crate) fn index_of(&self, unit: u32) -> u32 {
        let granule = (unit >> (GRANULE_SHIFT - UNIT_SHIFT)) as usize;
        self.granules[granule].load(Relaxed) >> 8
    }

    /// The slab around an offset of the arena.
    #[inline]
    pub(crate) fn lookup(&self, offset: usize) -> Option<(u32, Class)> {
        let entry = self.granules.get(offset >> GRANULE_SHIFT)?.load(Relaxed);
        let class = (entry & 0xff).checked_sub(1)?;
        Some((entry >> 8, Class::from_index(class as usize)))
    }

    /// The slab around an address, for the owner of the pool.
    #[inline]
    pub(crate) fn slab_ref(&self, address: usize) -> Option<SlabRef> {
        let (index, class) = self.lookup(self.arena.offset_of(address)?)?;
        let len = class.slab_bytes();
        // Slabs are aligned to their length, in memory as in the arena.
        Some(SlabRef { index, base: address & !(len - 1), len })
    }

    pub(crate) fn describe(&self, index: u32) -> SlabRef {
        let slab = self.get(index);
        let base = self.arena.pointer(slab.offset()).as_ptr().addr();
        SlabRef { index, base, len: slab.class().slab_bytes() }
    }

    /// Makes a slab whose buffers belong to the caller: no bit of `free` is set, it is in no list.
    pub(crate) fn make(&self, class: Class, shard: usize) -> io::Result<u32> {
        let order = class.slab_shift() - GRANULE_SHIFT;
        let (place, index) = {
            let mut places = self.places();
            let place = places.buddy.take(order).ok_or(io::ErrorKind::OutOfMemory)?;
            let index = match places.returned.pop() {
                Some(Reverse(index)) => index,
                None => {
                    places.unused += 1;
                    places.unused - 1
                }
            };
            (place, index)
        };
        let offset = (place as usize) << GRANULE_SHIFT;
        if let Err(error) = self.arena.open(offset, class.slab_bytes()) {
            self.vacate(place, order, index);
            return Err(error);
        }
        let slab = self.get(index);
        slab.free.store(0, Relaxed);
        slab.place.store(place, Relaxed);
        slab.class.store(class.index() as u8, Relaxed);
        slab.shard.store(shard as u16, Relaxed);
        self.mark(place, order, (index << 8) | (class.index() as u32 + 1));
        self.committed_bytes.fetch_add(class.slab_bytes(), Relaxed);
        self.count.fetch_add(1, Relaxed);
        Ok(index)
    }

    /// Gives the memory of a slab back. The caller took it out of every list with all buffers free.
    /// On error the slab is as it was.
    pub(crate) fn unmake(&self, index: u32) -> io::Result<()> {
        let slab = self.get(index);
        let (class, place) = (slab.class(), slab.place.load(Relaxed));
        let order = class.slab_shift() - GRANULE_SHIFT;
        self.arena.close(slab.offset(), class.slab_bytes())?;
        self.mark(place, order, 0);
        self.committed_bytes.fetch_sub(class.slab_bytes(), Relaxed);
        self.count.fetch_sub(1, Relaxed);
        self.retired.fetch_add(1, Relaxed);
        self.vacate(place, order, index);
        Ok(())
    }

    /// Every slab there is, for the end of the pool.
    pub(crate) fn indices(&self) -> Vec<u32> {
        let mut found = Vec::with_capacity(self.count.load(Relaxed));
        let mut granule = 0;
        // Places are handed out lowest first, so the scan may stop when all slabs are found instead of
        // walking (and making resident) the whole table.
        while found.len() < found.capacity() && granule < self.granules.len() {
            match self.lookup(granule << GRANULE_SHIFT) {
                Some((index, class)) => {
                    found.push(index);
                    granule += class.slab_bytes() >> GRANULE_SHIFT;
                }
                None => granule += 1,
            }
        }
        found
    }

    pub(crate) fn committed_bytes(&self) -> usize {
        self.committed_bytes.load(Relaxed)
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Relaxed)
    }

    pub(crate) fn retired(&self) -> u64 {
        self.retired.load(Relaxed)
    }

    fn mark(&self, place: u32, order: u32, entry: u32) {
        let first = place as usize;
        for granule in &self.granules[first..first + (1 << order)] {
            granule.store(entry, Relaxed);
        }
    }

    fn vacate(&self, place: u32, order: u32, index: u32) {
        let mut places = self.places();
        places.buddy.give(place, order);
        places.returned.push(Reverse(index));
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        // A panic in here can only be a failed heap allocation, which aborts: never really poisoned.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::MAX_BUFFER_BYTES;

    #[test]
    fn indices_are_dense_and_reused_lowest_first() {
        let map =
            SlabMap::new(Arena::reserve(MAX_BUFFER_BYTES).expect("addresses")).expect("tables");
        let class = Class::from_index(0);
        for expected in 0..4 {
            assert_eq!(map.make(class, 0).expect("room"), expected);
        }
        map.unmake(2).expect("given back");
        map.unmake(1).expect("given back");
        assert_eq!((map.count(), map.retired()), (2, 2));
        assert_eq!(map.make(Class::from_index(9), 1).expect("room"), 1);
        assert_eq!(map.indices(), [0, 3, 1]);
    }

    #[test]
    fn bits_and_units_are_inverse() {
        let map =
            SlabMap::new(Arena::reserve(MAX_BUFFER_BYTES).expect("addresses")).expect("tables");
        for class in Class::all().take(12) {
            let slab = map.get(map.make(class, 0).expect("room"));
            for bit in 0..class.full_mask().count_ones() {
                assert_eq!(slab.bit_of(slab.unit_of(bit)), 1 << bit);
            }
        }
    }
}
