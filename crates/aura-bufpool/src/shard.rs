//! Shards: the free buffers that no thread cache holds, as lists of slabs with free buffers.
//!
//! A slab belongs to the shard of the thread that made it. Its free buffers are a bitmap, so that a
//! wholly free slab is known at once, and buffers come out in order of address.
//!
//! # Synchronization
//!
//! `lists` and the bitmap and links of the shard's slabs are guarded by the shard's lock; no two shard
//! locks are held at once, and no other lock or system call is made under one. `linked` is written
//! under the lock and read without: a hint that spares the lock of a shard with nothing to take. A
//! reader that misses a change makes a slab too many or locks in vain.
//! `Tally` sums over all shards, relaxed: it steers when memory goes back, nothing depends on it.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
};

use crate::{
    cache::Batch,
    class::{CLASSES, Class},
    slab::{NONE, Slab, SlabMap},
};

/// Bytes in wholly free slabs, all of them and those of large classes.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    all: AtomicUsize,
    large: AtomicUsize,
}

impl Tally {
    pub(crate) fn all(&self) -> usize {
        self.all.load(Relaxed)
    }

    pub(crate) fn large(&self) -> usize {
        self.large.load(Relaxed)
    }

    fn add(&self, class: Class) {
        self.all.fetch_add(class.slab_bytes(), Relaxed);
        if class.is_large() {
            self.large.fetch_add(class.slab_bytes(), Relaxed);
        }
    }

    fn sub(&self, class: Class) {
        self.all.fetch_sub(class.slab_bytes(), Relaxed);
        if class.is_large() {
            self.large.fetch_sub(class.slab_bytes(), Relaxed);
        }
    }
}

/// One shard; on lines of its own, because threads of different shards should not meet.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Shard {
    lists: Mutex<Lists>,
    linked: [AtomicU32; CLASSES],
}

/// The lists of a shard, per class: slabs with some free buffers, and slabs with all of them free,
/// those freed last in front.
#[derive(Debug)]
struct Lists {
    partial: [Ends; CLASSES],
    whole: [Ends; CLASSES],
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    head: u32,
    tail: u32,
}

/// A locked shard.
#[derive(Debug)]
pub(crate) struct Locked<'a> {
    lists: MutexGuard<'a, Lists>,
    linked: &'a [AtomicU32; CLASSES],
    map: &'a SlabMap,
    tally: &'a Tally,
}

impl Shard {
    pub(crate) fn new() -> Self {
        let empty = [Ends { head: NONE, tail: NONE }; CLASSES];
        Self {
            lists: Mutex::new(Lists { partial: empty, whole: empty }),
            linked: [const { AtomicU32::new(0) }; CLASSES],
        }
    }

    /// Whether taking a buffer of this class is worth the lock.
    pub(crate) fn may_have(&self, class: Class) -> bool {
        self.linked[class.index()].load(Relaxed) != 0
    }

    pub(crate) fn lock<'a>(&'a self, map: &'a SlabMap, tally: &'a Tally) -> Locked<'a> {
        // Nothing under the lock panics short of a bug; what is there stays consistent then.
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        Locked { lists, linked: &self.linked, map, tally }
    }
}

impl Locked<'_> {
    /// Moves free buffers into `batch` until it holds `want`, from broken slabs before whole ones.
    pub(crate) fn take(&mut self, class: Class, want: usize, batch: &mut Batch) {
        while batch.len() < want {
            let partial = self.lists.partial[class.index()].head;
            let index =
                if partial == NONE { self.lists.whole[class.index()].head } else { partial };
            if index == NONE {
                return;
            }
            let slab = self.map.get(index);
            let before = slab.free.load(Relaxed);
            let after = take_bits(slab, before, want, batch);
            slab.free.store(after, Relaxed);
            self.relink(index, slab, before, after);
        }
    }

    /// Takes one buffer back. Answers whether that made its slab wholly free.
    pub(crate) fn put(&mut self, index: u32, unit: u32, now_ms: impl FnOnce() -> u64) -> bool {
        let slab = self.map.get(index);
        let before = slab.free.load(Relaxed);
        let bit = slab.bit_of(unit);
        debug_assert_eq!(before & bit, 0, "buffer {unit} is in its shard already");
        let after = before | bit;
        slab.free.store(after, Relaxed);
        let whole = after == slab.class().full_mask();
        if whole {
            slab.free_since_ms.store(now_ms(), Relaxed);
        }
        self.relink(index, slab, before, after);
        whole
    }

    /// Lists the buffers of a slab that was in no list: one just made, or one kept after all.
    pub(crate) fn admit(&mut self, index: u32, free: u64, now_ms: u64) {
        let slab = self.map.get(index);
        slab.free_since_ms.store(now_ms, Relaxed);
        slab.free.store(free, Relaxed);
        self.relink(index, slab, 0, free);
    }

    /// Takes the wholly free slab of this class that is so for longest out of the lists, if it is so
    /// since `not_after_ms` or longer. Afterwards nobody can take its buffers.
    pub(crate) fn evict(&mut self, class: Class, not_after_ms: u64) -> Option<u32> {
        let index = self.lists.whole[class.index()].tail;
        if index == NONE {
            return None;
        }
        let slab = self.map.get(index);
        if slab.free_since_ms.load(Relaxed) > not_after_ms {
            return None;
        }
        let before = slab.free.load(Relaxed);
        slab.free.store(0, Relaxed);
        self.relink(index, slab, before, 0);
        Some(index)
    }

    /// Moves a slab to the list that fits its new bitmap.
    fn relink(&mut self, index: u32, slab: &Slab, before: u64, after: u64) {
        let class = slab.class();
        let full = class.full_mask();
        let (was, is) = (Home::of(before, full), Home::of(after, full));
        if was == is {
            return;
        }
        match was {
            Home::Nowhere => self.count(class, 1),
            Home::Partial => unlink(self.map, &mut self.lists.partial[class.index()], index),
            Home::Whole => {
                unlink(self.map, &mut self.lists.whole[class.index()], index);
                self.tally.sub(class);
            }
        }
        match is {
            Home::Nowhere => self.count(class, -1),
            Home::Partial => link(self.map, &mut self.lists.partial[class.index()], index),
            Home::Whole => {
                link(self.map, &mut self.lists.whole[class.index()], index);
                self.tally.add(class);
            }
        }
    }

    fn count(&self, class: Class, delta: i32) {
        let linked = &self.linked[class.index()];
        linked.store(linked.load(Relaxed).wrapping_add_signed(delta), Relaxed);
    }
}

/// The list a slab is in follows from its bitmap.
#[derive(PartialEq, Eq)]
enum Home {
    Nowhere,
    Partial,
    Whole,
}

impl Home {
    fn of(free: u64, full: u64) -> Self {
        match free {
            0 => Self::Nowhere,
            free if free == full => Self::Whole,
            _ => Self::Partial,
        }
    }
}

fn take_bits(slab: &Slab, mut free: u64, want: usize, batch: &mut Batch) -> u64 {
    while free != 0 && batch.len() < want {
        batch.push(slab.unit_of(free.trailing_zeros()));
        free &= free - 1;
    }
    free
}

fn link(map: &SlabMap, ends: &mut Ends, index: u32) {
    let slab = map.get(index);
    slab.prev.store(NONE, Relaxed);
    slab.next.store(ends.head, Relaxed);
    match ends.head {
        NONE => ends.tail = index,
        head => map.get(head).prev.store(index, Relaxed),
    }
    ends.head = index;
}

fn unlink(map: &SlabMap, ends: &mut Ends, index: u32) {
    let slab = map.get(index);
    let (prev, next) = (slab.prev.load(Relaxed), slab.next.load(Relaxed));
    match prev {
        NONE => ends.head = next,
        prev => map.get(prev).next.store(next, Relaxed),
    }
    match next {
        NONE => ends.tail = prev,
        next => map.get(next).prev.store(prev, Relaxed),
    }
}
