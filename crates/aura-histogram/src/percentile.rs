//! Percentiles of a snapshot, together with bounds on their error.

use crate::Snapshot;
use crate::layout::{OVERFLOW_SLOT, bucket_upper_us, slot_lower_ns};

/// A percentile and the interval that certainly contains it.
///
/// The bounds hold for the *nearest-rank* percentile: of `n` samples sorted by length, the `p`-th
/// percentile is the one at rank `max(1, ⌈p / 100 · n⌉)`, counting from 1. It is always one of the
/// samples: `p = 0` is the shortest, `p = 100` the longest.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Percentile {
    /// Best estimate in microseconds. The samples of a bucket are taken as evenly spread over it, so
    /// the sample with the k-th rank of its c lies at (k − ½) / c of the interval.
    pub value_us: f64,
    /// The true percentile is not below this, in microseconds.
    pub lower_us: f64,
    /// The true percentile is not above this, in microseconds. `None` if it is in the overflow and
    /// the longest latency is unknown (see [`Snapshot::from_counts`]); `value_us` is then `lower_us`.
    pub upper_us: Option<f64>,
}

impl Percentile {
    /// How far the true percentile can be from [`value_us`](Self::value_us), in microseconds:
    /// infinite if there is no upper bound.
    #[must_use]
    pub fn error_us(&self) -> f64 {
        let above_us = self.upper_us.map_or(f64::INFINITY, |upper_us| upper_us - self.value_us);
        above_us.max(self.value_us - self.lower_us)
    }

    /// [`value_us`](Self::value_us) in milliseconds.
    #[must_use]
    pub fn value_ms(&self) -> f64 {
        self.value_us / US_PER_MS
    }

    /// [`lower_us`](Self::lower_us) in milliseconds.
    #[must_use]
    pub fn lower_ms(&self) -> f64 {
        self.lower_us / US_PER_MS
    }

    /// [`upper_us`](Self::upper_us) in milliseconds.
    #[must_use]
    pub fn upper_ms(&self) -> Option<f64> {
        self.upper_us.map(|upper_us| upper_us / US_PER_MS)
    }

    /// [`error_us`](Self::error_us) in milliseconds.
    #[must_use]
    pub fn error_ms(&self) -> f64 {
        self.error_us() / US_PER_MS
    }
}

impl Snapshot {
    /// The `p`-th percentile, `p` from 0.0 to 100.0; `None` if there are no samples or `p` is out of
    /// that range or NaN.
    ///
    /// `p` counts to seven decimals (99.99999 works, 99.99999999 is 100). Rounding it there is what
    /// makes 99.9 of 1 000 samples rank 999, although the `f64` nearest to 99.9 is a little above it.
    ///
    /// The error is at most the width of the sample's bucket, and less if the longest latency lies in
    /// that bucket: 10 µs below 1 ms, 50 µs below 5 ms, 250 µs below 20 ms, 1 ms below 100 ms. In the
    /// overflow the interval runs from 100 ms to the longest latency.
    #[must_use]
    pub fn percentile(&self, p: f64) -> Option<Percentile> {
        let total = self.count();
        if total == 0 || !(0.0..=100.0).contains(&p) {
            return None;
        }
        let rank = nearest_rank(p, total);
        let mut below = 0_u64;
        for (slot, &count) in self.slots().iter().enumerate() {
            if rank <= below.saturating_add(count) {
                return Some(self.inside_slot(slot, (rank - below) as f64, count as f64));
            }
            below += count;
        }
        unreachable!("a rank never exceeds the sum of the counts, {total}")
    }

    /// The estimate for the sample of rank `rank` among the `count` of one slot.
    fn inside_slot(&self, slot: usize, rank: f64, count: f64) -> Percentile {
        let lower_us = us(slot_lower_ns(slot));
        let longest_us = self.max_ns().map(us);
        let upper_us = match bucket_upper_us(slot) {
            Some(edge_us) => {
                let edge_us = f64::from(edge_us);
                Some(longest_us.map_or(edge_us, |longest_us| edge_us.min(longest_us)))
            }
            None => {
                debug_assert_eq!(slot, OVERFLOW_SLOT);
                longest_us
            }
        };
        // Two writers, which the contract of the histogram forbids, can lose the longest latency.
        let upper_us = upper_us.map(|upper_us| upper_us.max(lower_us));
        let width_us = upper_us.map_or(0.0, |upper_us| upper_us - lower_us);
        Percentile { value_us: lower_us + width_us * ((rank - 0.5) / count), lower_us, upper_us }
    }
}

const US_PER_MS: f64 = 1_000.0;

/// Parts of a whole: `p` is held as an integer number of these, so that ranks need no float rounding.
const PARTS: u64 = 1_000_000_000;

/// Rank, from 1 to `total`, of the `p`-th percentile; `p` is in 0.0..=100.0 and `total` is not 0.
fn nearest_rank(p: f64, total: u64) -> u64 {
    // Adding a half and truncating rounds to nearest; `f64::round` is not in `core`.
    let parts = (p * (PARTS / 100) as f64 + 0.5) as u64;
    let rank = (u128::from(parts) * u128::from(total)).div_ceil(u128::from(PARTS));
    (rank as u64).clamp(1, total)
}

fn us(ns: u64) -> f64 {
    ns as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::BUCKETS;

    #[test]
    fn decimal_percentiles_hit_whole_ranks() {
        assert_eq!(nearest_rank(99.9, 1_000), 999);
        assert_eq!(nearest_rank(99.99, 1_000_000), 999_900);
        assert_eq!(nearest_rank(0.1, 1_000), 1);
        assert_eq!(nearest_rank(50.0, 3), 2);
        assert_eq!(nearest_rank(0.0, 7), 1);
        assert_eq!(nearest_rank(100.0, u64::MAX), u64::MAX);
    }

    #[test]
    fn nothing_answers_for_no_samples_or_a_bad_p() {
        let mut snapshot = Snapshot::new();
        assert_eq!(snapshot.percentile(50.0), None);
        snapshot.record_ns(5);
        for p in [-0.001, 100.001, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(snapshot.percentile(p), None, "p = {p}");
        }
        assert!(snapshot.percentile(-0.0).is_some());
    }

    #[test]
    fn estimate_is_spread_over_the_bucket() {
        let mut snapshot = Snapshot::new();
        (0..4).for_each(|_| snapshot.record_ns(25_000));
        snapshot.record_ns(35_000);
        let values_us = [20.0, 40.0, 60.0, 80.0].map(|p| snapshot.percentile(p).unwrap().value_us);
        assert_eq!(values_us, [21.25, 23.75, 26.25, 28.75]);
    }

    #[test]
    fn longest_latency_bounds_the_last_bucket_and_the_overflow() {
        let mut snapshot = Snapshot::new();
        snapshot.record_ns(12_500);
        assert_eq!(snapshot.percentile(50.0).unwrap().upper_us, Some(12.5));
        snapshot.record_ns(250_000_000);
        let overflow = snapshot.percentile(100.0).unwrap();
        assert_eq!((overflow.lower_ms(), overflow.upper_ms()), (100.0, Some(250.0)));
        assert_eq!((overflow.value_ms(), overflow.error_ms()), (175.0, 75.0));
        assert_eq!(snapshot.percentile(50.0).unwrap().upper_us, Some(20.0));
    }

    #[test]
    fn unknown_longest_latency_leaves_the_overflow_unbounded() {
        let overflow = Snapshot::from_counts(&[0; BUCKETS], 3).percentile(99.0).unwrap();
        assert_eq!((overflow.value_us, overflow.upper_us), (100_000.0, None));
        assert_eq!(overflow.error_us(), f64::INFINITY);
    }

    #[test]
    fn saturated_counts_still_have_percentiles() {
        let snapshot = Snapshot::from_counts(&[u64::MAX; BUCKETS], u64::MAX);
        assert_eq!(snapshot.percentile(100.0).unwrap().lower_us, 0.0);
    }
}
