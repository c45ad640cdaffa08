//! A plain histogram: what readers copy out of a [`LatencyHistogram`](crate::LatencyHistogram),
//! merge and compute with. It has no atomics and can also be recorded into directly.

use core::fmt;

use super::layout::{
    BUCKETS, MAX_TRACKED_US, NS_PER_US, OVERFLOW_SLOT, SLOTS, slot_lower_ns, slot_of_ns,
};

/// Counts per bucket, overflow, sum and maximum of a set of latencies.
///
/// It takes 2.6 KiB and no heap. Counts and sum stick at `u64::MAX` instead of wrapping.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot {
    slots: [u64; SLOTS],
    sum_ns: u64,
    /// No sample is longer than this. `MAX_UNKNOWN` says only that.
    max_ns: u64,
}

impl Snapshot {
    /// A snapshot without samples.
    #[must_use]
    pub const fn new() -> Self {
        Self { slots: [0; SLOTS], sum_ns: 0, max_ns: 0 }
    }

    /// Rebuilds a snapshot from bucket counts alone, such as those that crossed a C interface.
    ///
    /// What the counts do not tell is filled in: the sum takes every sample as the middle of its
    /// bucket (those of the overflow as 100 ms), the maximum becomes the upper edge of the highest
    /// bucket in use, and is unknown if there is overflow.
    #[must_use]
    pub fn from_counts(counts: &[u64; BUCKETS], overflow: u64) -> Self {
        let mut snapshot = Self::new();
        snapshot.slots[..BUCKETS].copy_from_slice(counts);
        snapshot.slots[OVERFLOW_SLOT] = overflow;
        snapshot.max_ns = match snapshot.slots.iter().rposition(|&count| count > 0) {
            None => 0,
            Some(OVERFLOW_SLOT) => MAX_UNKNOWN,
            Some(bucket) => slot_lower_ns(bucket + 1),
        };
        snapshot.estimate_sum();
        snapshot
    }

    /// Adds one latency, in nanoseconds.
    #[inline]
    pub fn record_ns(&mut self, latency_ns: u64) {
        self.add_to_slot(slot_of_ns(latency_ns), 1);
        self.add_totals(latency_ns, latency_ns);
    }

    /// Adds all samples of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (slot, &count) in other.slots.iter().enumerate() {
            self.add_to_slot(slot, count);
        }
        self.add_totals(other.sum_ns, other.max_ns);
    }

    /// Forgets all samples.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Number of samples, the overflow included.
    #[must_use]
    pub fn count(&self) -> u64 {
        sum(&self.slots)
    }

    /// Whether there are no samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.iter().all(|&count| count == 0)
    }

    /// Number of samples in a bucket; 0 if there is no such bucket.
    #[must_use]
    pub fn bucket(&self, bucket: usize) -> u64 {
        self.counts().get(bucket).copied().unwrap_or(0)
    }

    /// Number of samples in each bucket.
    #[must_use]
    pub fn counts(&self) -> &[u64; BUCKETS] {
        let [counts @ .., _overflow] = &self.slots;
        counts
    }

    /// Number of samples of 100 ms or more.
    #[must_use]
    pub fn overflow(&self) -> u64 {
        self.slots[OVERFLOW_SLOT]
    }

    /// Sum of all samples in nanoseconds.
    #[must_use]
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// A latency that no sample exceeds, in nanoseconds: the longest sample itself, unless the
    /// snapshot came from [`from_counts`](Self::from_counts). `None` without samples, or if unknown.
    #[must_use]
    pub fn max_ns(&self) -> Option<u64> {
        (self.max_ns != MAX_UNKNOWN && !self.is_empty()).then_some(self.max_ns)
    }

    /// Mean in microseconds; `None` without samples. Exact, since it does not come from the buckets.
    #[must_use]
    pub fn mean_us(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.sum_ns as f64 / count as f64 / NS_PER_US as f64)
    }

    /// Number of samples certainly as long as `target_us` microseconds or longer.
    ///
    /// Exact if the target lies on a bucket edge (any multiple of 1 ms up to 100 ms does, and any of
    /// 10 µs up to 1 ms). Otherwise the samples of the bucket that contains the target are left out,
    /// although some of them may be longer: the count is too low by at most that bucket's. Beyond
    /// 100 ms nothing is certain, so the answer is 0.
    /// [`count_over_at_most`](Self::count_over_at_most) errs to the other side.
    #[must_use]
    pub fn count_over(&self, target_us: u64) -> u64 {
        if target_us > u64::from(MAX_TRACKED_US) {
            return 0;
        }
        let target_ns = target_us * NS_PER_US;
        let slot = slot_of_ns(target_ns);
        let on_edge = slot_lower_ns(slot) == target_ns;
        sum(&self.slots[if on_edge { slot } else { slot + 1 }..])
    }

    /// Number of samples possibly as long as `target_us` microseconds or longer: as
    /// [`count_over`](Self::count_over), but the bucket that contains the target is counted whole, and
    /// beyond 100 ms the whole overflow is, unless its longest latency is known to be shorter.
    #[must_use]
    pub fn count_over_at_most(&self, target_us: u64) -> u64 {
        let target_ns = target_us.saturating_mul(NS_PER_US);
        if self.max_ns < target_ns {
            return 0;
        }
        sum(&self.slots[slot_of_ns(target_ns)..])
    }

    /// The buckets and, last, the overflow.
    pub(crate) fn slots(&self) -> &[u64; SLOTS] {
        &self.slots
    }

    #[inline]
    pub(crate) fn add_to_slot(&mut self, slot: usize, count: u64) {
        self.slots[slot] = self.slots[slot].saturating_add(count);
    }

    #[inline]
    pub(crate) fn add_totals(&mut self, sum_ns: u64, max_ns: u64) {
        self.sum_ns = self.sum_ns.saturating_add(sum_ns);
        self.raise_max_ns(max_ns);
    }

    /// Replaces the sum by what the counts make of it: every sample in the middle of its bucket, those
    /// of the overflow at 100 ms.
    pub(crate) fn estimate_sum(&mut self) {
        self.sum_ns = self.slots.iter().enumerate().fold(0, |sum_ns: u64, (slot, &count)| {
            let sample_ns = slot_lower_ns(slot).midpoint(slot_lower_ns(slot + 1));
            sum_ns.saturating_add(count.saturating_mul(sample_ns))
        });
    }

    #[inline]
    pub(crate) fn raise_max_ns(&mut self, max_ns: u64) {
        self.max_ns = self.max_ns.max(max_ns);
    }
}

/// A sample of this length says nothing about the longest one either: it means 584 years.
const MAX_UNKNOWN: u64 = u64::MAX;

fn sum(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum, &count| sum.saturating_add(count))
}

impl Default for Snapshot {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows the buckets in use only, as `lower edge in µs: count`; 320 zeros help nobody.
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Used<'a>(&'a [u64; BUCKETS]);
        impl fmt::Debug for Used<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let used = self.0.iter().enumerate().filter(|&(_, &count)| count > 0);
                f.debug_map()
                    .entries(used.map(|(bucket, count)| (slot_lower_ns(bucket) / NS_PER_US, count)))
                    .finish()
            }
        }
        f.debug_struct("Snapshot")
            .field("count", &self.count())
            .field("buckets_us", &Used(self.counts()))
            .field("overflow", &self.overflow())
            .field("sum_ns", &self.sum_ns)
            .field("max_ns", &self.max_ns())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    #[test]
    fn debug_shows_used_buckets_only() {
        let mut snapshot = Snapshot::new();
        [5_000, 1_060_000, 1_060_000].into_iter().for_each(|ns| snapshot.record_ns(ns));
        assert_eq!(
            format!("{snapshot:?}"),
            "Snapshot { count: 3, buckets_us: {0: 1, 1050: 2}, overflow: 0, sum_ns: 2125000, \
             max_ns: Some(1060000) }"
        );
    }

    #[test]
    fn count_over_is_exact_on_an_edge_and_bracketed_inside_a_bucket() {
        let mut snapshot = Snapshot::new();
        [9_999, 10_000, 14_000, 16_000, 20_000, 100_000_000, 300_000_000]
            .into_iter()
            .for_each(|ns| snapshot.record_ns(ns));
        let both = |us| (snapshot.count_over(us), snapshot.count_over_at_most(us));
        assert_eq!(both(0), (7, 7));
        assert_eq!(both(10), (6, 6));
        assert_eq!(both(15), (3, 6));
        assert_eq!(both(100_000), (2, 2));
        assert_eq!(both(200_000), (0, 2));
        assert_eq!(both(300_001), (0, 0));
        assert_eq!(both(u64::MAX), (0, 0));
    }

    #[test]
    fn counts_alone_give_bounds_and_an_estimated_mean() {
        let mut counts = [0; BUCKETS];
        counts[2] = 4;
        let snapshot = Snapshot::from_counts(&counts, 0);
        assert_eq!(snapshot.max_ns(), Some(30_000));
        assert_eq!(snapshot.mean_us(), Some(25.0));
        assert_eq!(Snapshot::from_counts(&counts, 1).max_ns(), None);
        assert_eq!(Snapshot::from_counts(&[0; BUCKETS], 0), Snapshot::new());
    }

    #[test]
    fn cleared_is_as_new() {
        let mut snapshot = Snapshot::new();
        snapshot.record_ns(u64::MAX);
        assert_eq!((snapshot.count(), snapshot.bucket(BUCKETS)), (1, 0));
        snapshot.clear();
        assert_eq!(snapshot, Snapshot::default());
        assert!(snapshot.is_empty() && snapshot.mean_us().is_none() && snapshot.max_ns().is_none());
    }
}
