//! Sums and maxima, of all samples and of the last windows.
//!
//! There is one running sum, not one per window: a window's sum is the difference between what it was
//! when the window opened and when the next one did. That saves the hot path a store, and opening a
//! window never resets anything a reader may be looking at.
//!
//! # Synchronization
//!
//! As in [`histogram`](crate::histogram): one writer, which never needs a read-modify-write. What
//! belongs to window `s` is at index `s % 4`. Opening `s + 1` writes there first and publishes the
//! number afterwards, so the place must be out of reach by then. Readers use those of `s - 1` and `s`;
//! four places are the next power of two.

use core::sync::atomic::Ordering::{Relaxed, Release};

use super::Snapshot;
use super::primitive::{AtomicU64, fence};

/// Sums wrap around (after 584 years' worth of latencies); differences survive that.
pub(crate) struct Totals {
    /// Sum of all samples recorded in windows. Only grows.
    windowed_ns: AtomicU64,
    /// Sum of all samples recorded outside the windows. Only grows.
    left_out_ns: AtomicU64,
    /// The longest sample ever. Only grows, and is never less than the maximum of a window.
    max_ns: AtomicU64,
    /// `windowed_ns` as it was when the window opened.
    opened_at_ns: [AtomicU64; PLACES],
    /// The longest sample of the window.
    window_max_ns: [AtomicU64; PLACES],
}

const PLACES: usize = 4;

impl Totals {
    pub(crate) const fn new() -> Self {
        Self {
            windowed_ns: AtomicU64::new(0),
            left_out_ns: AtomicU64::new(0),
            max_ns: AtomicU64::new(0),
            opened_at_ns: [const { AtomicU64::new(0) }; PLACES],
            window_max_ns: [const { AtomicU64::new(0) }; PLACES],
        }
    }

    /// Adds a sample to window `sequence`. To be called before the sample is counted: the maximum must
    /// be there first.
    #[inline]
    pub(crate) fn add(&self, sequence: u64, latency_ns: u64) {
        // A window's maximum never exceeds the cumulative one, so this comparison serves both.
        if latency_ns > self.window_max_ns[place(sequence)].load(Relaxed) {
            self.raise_window_max(sequence, latency_ns);
        }
        add(&self.windowed_ns, latency_ns);
    }

    /// Adds a sample to no window. To be called before it is counted.
    #[inline]
    pub(crate) fn add_left_out(&self, latency_ns: u64) {
        if latency_ns > self.max_ns.load(Relaxed) {
            self.raise_max(latency_ns);
        }
        add(&self.left_out_ns, latency_ns);
    }

    /// Prepares for window `sequence`. To be called before the number is published.
    pub(crate) fn open(&self, sequence: u64) {
        let windowed_ns = self.windowed_ns.load(Relaxed);
        self.opened_at_ns[place(sequence)].store(windowed_ns, Relaxed);
        self.window_max_ns[place(sequence)].store(0, Relaxed);
    }

    pub(crate) fn max_ns(&self) -> u64 {
        self.max_ns.load(Relaxed)
    }

    pub(crate) fn add_cumulative_to(&self, snapshot: &mut Snapshot) {
        let sum_ns = self.windowed_ns.load(Relaxed).wrapping_add(self.left_out_ns.load(Relaxed));
        snapshot.add_totals(sum_ns, self.max_ns());
    }

    pub(crate) fn add_active_to(&self, snapshot: &mut Snapshot, sequence: u64) {
        self.add_window_to(snapshot, sequence, &self.windowed_ns);
    }

    pub(crate) fn add_closed_to(&self, snapshot: &mut Snapshot, sequence: u64) {
        let end_ns = &self.opened_at_ns[place(sequence.wrapping_add(1))];
        self.add_window_to(snapshot, sequence, end_ns);
    }

    fn add_window_to(&self, snapshot: &mut Snapshot, sequence: u64, end_ns: &AtomicU64) {
        let start_ns = self.opened_at_ns[place(sequence)].load(Relaxed);
        let sum_ns = end_ns.load(Relaxed).wrapping_sub(start_ns);
        snapshot.add_totals(sum_ns, self.window_max_ns[place(sequence)].load(Relaxed));
    }

    #[cold]
    fn raise_window_max(&self, sequence: u64, latency_ns: u64) {
        self.window_max_ns[place(sequence)].store(latency_ns, Relaxed);
        self.raise_max(latency_ns.max(self.max_ns()));
    }

    #[cold]
    fn raise_max(&self, max_ns: u64) {
        self.max_ns.store(max_ns, Relaxed);
        // Pairs with the acquire fence that readers put between loading counts and maxima.
        fence(Release);
    }
}

#[inline]
const fn place(sequence: u64) -> usize {
    sequence as usize % PLACES
}

/// Adds by load and store; there is no other writer.
#[inline]
fn add(sum_ns: &AtomicU64, latency_ns: u64) {
    sum_ns.store(sum_ns.load(Relaxed).wrapping_add(latency_ns), Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_a_window_leaves_the_totals_of_the_two_before_alone() {
        let totals = Totals::new();
        for sequence in 0..9 {
            totals.add(sequence, 50 - sequence);
            // The next window is prepared but not published yet, so readers still want these two.
            totals.open(sequence + 1);
            let (mut active, mut closed) = (Snapshot::new(), Snapshot::new());
            totals.add_active_to(&mut active, sequence);
            assert_eq!(active, with_totals(50 - sequence));
            if sequence > 0 {
                totals.add_closed_to(&mut closed, sequence - 1);
                assert_eq!(closed, with_totals(51 - sequence));
            }
        }
    }

    fn with_totals(latency_ns: u64) -> Snapshot {
        let mut snapshot = Snapshot::new();
        snapshot.add_totals(latency_ns, latency_ns);
        snapshot
    }
}
