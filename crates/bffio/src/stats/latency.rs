//! Latencies of one kind in one direction: moments always, bins where percentiles are wanted.

use super::bins::Bins;
use super::moments::Moments;

/// Latencies in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    /// Extremes, mean and deviation.
    pub moments: Moments,
    /// Counts by bin, if percentiles are wanted.
    pub bins: Option<Bins>,
}

impl Latency {
    /// Without any latency yet.
    #[must_use]
    pub fn new(with_bins: bool) -> Self {
        Self { moments: Moments::default(), bins: with_bins.then(Bins::default) }
    }

    /// Adds a latency.
    #[inline]
    pub fn add(&mut self, latency_ns: u64) {
        self.moments.add(latency_ns);
        if let Some(bins) = &mut self.bins {
            bins.add(latency_ns);
        }
    }

    /// Adds another's latencies.
    pub fn merge(&mut self, other: &Self) {
        self.moments.merge(&other.moments);
        if let Some(more) = &other.bins {
            self.bins.get_or_insert_default().merge(more);
        }
    }
}
