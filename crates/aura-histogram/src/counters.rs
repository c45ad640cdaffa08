//! The counters of a histogram: plain ones, and ones that a new window turns to zero without touching
//! them.
//!
//! # Synchronization
//!
//! One thread writes, any number read. The writer updates by load and store, never by a
//! read-modify-write instruction: nobody else stores, so nothing can come in between, and on x86-64
//! it costs the same as an ordinary variable. Everything in this file is relaxed; what is ordered
//! relative to what is the business of [`histogram`](crate::histogram), which says so there.

use core::sync::atomic::Ordering::Relaxed;

use super::Snapshot;
use super::layout::SLOTS;
use super::primitive::AtomicU64;

/// Counts that only grow, one per slot.
pub(crate) struct Counts([AtomicU64; SLOTS]);

impl Counts {
    pub(crate) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; SLOTS])
    }

    #[inline]
    pub(crate) fn increment(&self, slot: usize) {
        let count = self.0[slot].load(Relaxed);
        self.0[slot].store(count.wrapping_add(1), Relaxed);
    }

    pub(crate) fn add_to(&self, snapshot: &mut Snapshot) {
        for (slot, count) in self.0.iter().enumerate() {
            snapshot.add_to_slot(slot, count.load(Relaxed));
        }
    }
}

/// Counts of the active window and of the closed one, told apart by their sequence numbers.
///
/// An entry is a tag, the low 16 bits of the number of a window, and a count of 48 bits. It counts for
/// the window of that tag and is zero for every other, so it passes to another window by nothing but
/// using another tag. Windows of even and of odd number have an entry each, side by side: then opening
/// a window does not move the writer to memory that has gone cold.
///
/// 48 bits are enough for a bucket that takes ten million samples a second for ten months without a
/// new window; after that the count sticks. 16 bits of tag come round after 65 536 windows, when an
/// entry that had not been touched since would count again: [`refresh_one`](Self::refresh_one), called
/// for every window, sees to it that none gets a hundredth that old.
pub(crate) struct WindowCounts([[AtomicU64; 2]; SLOTS]);

const COUNT_BITS: u32 = 48;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

// An entry is refreshed once in this many windows, long before its tag comes round.
const _: () = assert!((2 * SLOTS as u64) < 1 << (u64::BITS - COUNT_BITS));

impl WindowCounts {
    pub(crate) const fn new() -> Self {
        Self([const { [const { AtomicU64::new(0) }; 2] }; SLOTS])
    }

    #[inline]
    pub(crate) fn increment(&self, slot: usize, sequence: u64) {
        let entry = self.entry(slot, sequence);
        let (before, tag) = (entry.load(Relaxed), tag(sequence));
        // A branch, not a selection: predicted, it takes the comparison out of the chain of loads and
        // stores that samples of the same slot wait for.
        let after =
            if before ^ tag < COUNT_MAX { before + 1 } else { after_odd_entry(before, tag) };
        entry.store(after, Relaxed);
    }

    /// Gives the entry of one slot to a window that has not counted anything yet: of the next slot for
    /// the next window, so that all have their turn.
    #[inline]
    pub(crate) fn refresh_one(&self, sequence: u64) {
        let slot = (sequence / 2) % SLOTS as u64;
        self.entry(slot as usize, sequence).store(tag(sequence), Relaxed);
    }

    pub(crate) fn add_to(&self, snapshot: &mut Snapshot, sequence: u64) {
        for slot in 0..SLOTS {
            let count = self.entry(slot, sequence).load(Relaxed) ^ tag(sequence);
            if count <= COUNT_MAX {
                snapshot.add_to_slot(slot, count);
            }
        }
    }

    #[inline]
    fn entry(&self, slot: usize, sequence: u64) -> &AtomicU64 {
        &self.0[slot][(sequence % 2) as usize]
    }
}

#[inline]
const fn tag(sequence: u64) -> u64 {
    sequence << COUNT_BITS
}

/// What to store for a sample whose entry belongs to another window or is full.
#[cold]
fn after_odd_entry(before: u64, tag: u64) -> u64 {
    if before ^ tag == COUNT_MAX { before } else { tag | 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count_in(counts: &WindowCounts, sequence: u64) -> u64 {
        let mut snapshot = Snapshot::new();
        counts.add_to(&mut snapshot, sequence);
        snapshot.count()
    }

    #[test]
    fn entries_of_other_windows_count_as_zero() {
        let counts = WindowCounts::new();
        counts.increment(3, 7);
        assert_eq!([7, 8, 9].map(|sequence| count_in(&counts, sequence)), [1, 0, 0]);
        counts.increment(3, 9);
        assert_eq!([7, 8, 9].map(|sequence| count_in(&counts, sequence)), [0, 0, 1]);
    }

    #[test]
    fn full_count_sticks_and_leaves_the_tag_alone() {
        let counts = WindowCounts::new();
        counts.entry(5, 4).store(tag(4) | (COUNT_MAX - 1), Relaxed);
        (0..3).for_each(|_| counts.increment(5, 4));
        assert_eq!([4, 5, 6].map(|sequence| count_in(&counts, sequence)), [COUNT_MAX, 0, 0]);
    }

    #[test]
    fn every_entry_is_refreshed_before_its_tag_comes_round() {
        let counts = WindowCounts::new();
        for slot in 0..SLOTS {
            counts.increment(slot, 0x7000);
            counts.increment(slot, 0x7001);
        }
        // The numbers wrap on the way, where the turn starts over; that costs less than a round.
        for windows in 0..4 * SLOTS as u64 {
            counts.refresh_one((u64::MAX - 100).wrapping_add(windows));
        }
        assert_eq!([0x7000, 0x7001].map(|sequence| count_in(&counts, sequence)), [0, 0]);
    }
}
