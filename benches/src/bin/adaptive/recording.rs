//! What a load saw, in slices of 10 ms, and the figures taken from it.

use std::time::Duration;

/// Length of a slice.
pub(crate) const SLICE: Duration = Duration::from_millis(10);
/// Throughput is compared with the oracle's over so many slices.
const STRETCH: usize = 10;
/// Slices in a second.
const SECOND: usize = 100;

/// Ten milliseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slice {
    /// Of each operation that ended in it, in tenths of a microsecond: exact percentiles need them all,
    /// and four bytes each are little.
    pub(crate) latencies: Vec<u32>,
    pub(crate) bytes: u64,
    /// The engine's limit at its end; 0 where the caller holds a depth.
    pub(crate) limit: u32,
    /// The engine said then that it has converged.
    pub(crate) is_converged: bool,
    /// Operations in flight at its end.
    pub(crate) in_flight: u32,
}

/// Consecutive slices.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recording {
    pub(crate) slices: Vec<Slice>,
}

/// A range of slices.
pub(crate) type Span = std::ops::Range<usize>;

/// The slices between two times in seconds since the beginning.
pub(crate) fn seconds(from: f64, to: f64) -> Span {
    let index = |seconds: f64| (seconds * SECOND as f64).round() as usize;
    index(from)..index(to)
}

impl Recording {
    pub(crate) fn all(&self) -> Span {
        0..self.slices.len()
    }

    pub(crate) fn within(&self, span: &Span) -> &[Slice] {
        let end = span.end.min(self.slices.len());
        &self.slices[span.start.min(end)..end]
    }

    /// Operations per second.
    pub(crate) fn rate(&self, span: &Span) -> f64 {
        let slices = self.within(span);
        let operations: usize = slices.iter().map(|slice| slice.latencies.len()).sum();
        operations as f64 / (slices.len() as f64 * SLICE.as_secs_f64())
    }

    /// Bytes per second.
    pub(crate) fn byte_rate(&self, span: &Span) -> f64 {
        let slices = self.within(span);
        let bytes: u64 = slices.iter().map(|slice| slice.bytes).sum();
        bytes as f64 / (slices.len() as f64 * SLICE.as_secs_f64())
    }

    /// The 99th percentile in nanoseconds; 0 without operations.
    pub(crate) fn p99_ns(&self, span: &Span) -> u64 {
        let slices = self.within(span).iter();
        let mut all: Vec<u32> = slices.flat_map(|slice| slice.latencies.iter().copied()).collect();
        if all.is_empty() {
            return 0;
        }
        let index = (all.len() * 99).div_ceil(100) - 1;
        u64::from(*all.select_nth_unstable(index).1) * 100
    }

    /// Whole seconds in which more than 1 % of operations took longer than the target, and whole seconds.
    pub(crate) fn violations(&self, span: &Span, target: Duration) -> (u32, u32) {
        let target = (target.as_nanos() / 100) as u32;
        let mut counts = (0, 0);
        for second in self.within(span).chunks_exact(SECOND) {
            let latencies = || second.iter().flat_map(|slice| &slice.latencies);
            let late = latencies().filter(|latency| **latency > target).count();
            counts.0 += u32::from(late * 100 > latencies().count());
            counts.1 += 1;
        }
        counts
    }

    /// Seconds from the span's beginning until a stretch of 100 ms has 95 % of `byte_rate`; `None` if
    /// none has.
    pub(crate) fn t95_s(&self, span: &Span, byte_rate: f64) -> Option<f64> {
        let starts = span.start..span.end.min(self.slices.len()).saturating_sub(STRETCH - 1);
        let fast = |at: &usize| self.byte_rate(&(*at..at + STRETCH)) >= 0.95 * byte_rate;
        let found = starts.clone().find(fast)?;
        Some((found - starts.start) as f64 * SLICE.as_secs_f64())
    }

    /// Mean of the limit; `None` where there is no limit.
    pub(crate) fn limit(&self, span: &Span) -> Option<f64> {
        let limits = || self.within(span).iter().map(|slice| f64::from(slice.limit));
        let mean = limits().sum::<f64>() / limits().count() as f64;
        (mean > 0.0).then_some(mean)
    }

    /// Appends what came later.
    pub(crate) fn extend(&mut self, later: Self) {
        self.slices.extend(later.slices);
    }
}

/// Coefficient of variation of the limit from the first slice on in which the engine said that it has
/// converged, with the trials that follow and all else; `None` if it never said so.
pub(crate) fn limit_cv_once_converged<'a>(slices: impl Iterator<Item = &'a Slice>) -> Option<f64> {
    let converged = slices.skip_while(|slice| !slice.is_converged);
    let limits: Vec<f64> = converged.map(|slice| f64::from(slice.limit)).collect();
    let mean = limits.iter().sum::<f64>() / limits.len() as f64;
    let squares = limits.iter().map(|limit| (limit - mean) * (limit - mean)).sum::<f64>();
    (mean > 0.0).then(|| (squares / limits.len() as f64).sqrt() / mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many slices with so many operations of 4 KiB and 100 µs, one in `late_one_in` of 2 ms.
    fn slices(count: usize, operations: usize, late_one_in: usize) -> Recording {
        let latency = |index: usize| if index.is_multiple_of(late_one_in) { 20_000 } else { 1_000 };
        let slice = Slice {
            latencies: (0..operations).map(latency).collect(),
            bytes: operations as u64 * 4096,
            limit: 32,
            is_converged: true,
            in_flight: 30,
        };
        Recording { slices: vec![slice; count] }
    }

    #[test]
    fn rates_and_percentiles_follow_from_the_slices() {
        let recording = slices(200, 1_000, 200);
        assert_eq!(recording.rate(&recording.all()), 100_000.0);
        assert_eq!(recording.byte_rate(&seconds(0.5, 1.0)), 409_600_000.0);
        assert_eq!(recording.p99_ns(&recording.all()), 100_000);
        assert_eq!(recording.limit(&recording.all()), Some(32.0));
    }

    #[test]
    fn the_limit_varies_from_when_it_has_converged() {
        let limits = |limits: &[(u32, bool)]| -> Vec<Slice> {
            let slice = |&(limit, is_converged)| Slice { limit, is_converged, ..Slice::default() };
            limits.iter().map(slice).collect()
        };
        let trial = limits(&[(128, false), (30, true), (50, true), (30, false), (50, false)]);
        assert_eq!(limit_cv_once_converged(trial.iter()), Some(0.25));
        let search = limits(&[(128, false), (30, false)]);
        assert_eq!(limit_cv_once_converged(search.iter()), None);
    }

    #[test]
    fn a_second_violates_with_more_than_a_percent_late() {
        let mut recording = slices(100, 1_000, 200);
        recording.extend(slices(100, 1_000, 50));
        let target = Duration::from_millis(1);
        assert_eq!(recording.violations(&recording.all(), target), (1, 2));
        assert_eq!(recording.violations(&recording.all(), Duration::from_millis(3)), (0, 2));
    }

    #[test]
    fn time_to_95_percent_counts_from_the_span() {
        let mut recording = slices(100, 500, 200);
        recording.extend(slices(100, 1_000, 200));
        let full = recording.byte_rate(&seconds(1.0, 2.0));
        let t95_s = recording.t95_s(&seconds(0.5, 2.0), full).expect("reached");
        assert!((t95_s - 0.5).abs() < 0.02, "{t95_s}");
        assert_eq!(recording.t95_s(&seconds(0.0, 0.9), full), None);
    }
}
