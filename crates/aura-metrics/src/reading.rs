//! The plain numbers of one moment.

use crate::buckets::{BOUNDS_NS, BUCKETS};

/// Everything that is exported, as it was at one moment. Counters never fall from one reading of an
/// engine to the next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Version of the library.
    pub version: &'static str,
    /// When the counters began, in nanoseconds since 1970.
    pub started_unix_ns: u64,
    /// When they were read, likewise.
    pub taken_unix_ns: u64,
    /// One for each kind of operation there is.
    pub operations: Vec<Operations>,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// One for each ring, in order.
    pub rings: Vec<Ring>,
    /// What the controller compares latencies with, if it does.
    pub latency_target_ns: Option<u64>,
    /// The names of all phases of the controller.
    pub phases: &'static [&'static str],
    /// Which of them it is in.
    pub phase: &'static str,
    /// How often the controller has moved the limit, by direction and reason.
    pub adjustments: Vec<Adjustment>,
    /// Submissions that went to another ring than the CPU's own.
    pub spills: u64,
    /// Bytes of the pool's buffers that are handed out.
    pub pool_bytes: u64,
    /// The `errno` that made the engine unusable, 0 while it works.
    pub fatal_errno: i32,
}

/// Operations of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operations {
    /// The kind, in lower case.
    pub kind: &'static str,
    /// How many failed, those cancelled included.
    pub errors: u64,
    /// How long they took from being given to the kernel to being reaped; all of them, failed ones
    /// included.
    pub durations: Durations,
}

impl Operations {
    /// None so far.
    #[must_use]
    pub fn new(kind: &'static str) -> Self {
        Self { kind, errors: 0, durations: Durations::default() }
    }
}

/// A histogram over the fixed [buckets](crate::buckets).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// How many are in each bucket: not cumulative.
    pub counts: [u64; BUCKETS],
    /// Of all of them together; wraps around after 584 years' worth.
    pub sum_ns: u64,
}

impl Durations {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many took no longer than each bound: bounds in nanoseconds and counts, without the last
    /// bucket, which has no bound.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut so_far = 0;
        BOUNDS_NS.into_iter().zip(&self.counts).map(move |(bound_ns, count)| {
            so_far += count;
            (bound_ns, so_far)
        })
    }
}

/// One ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ring {
    /// Operations that the kernel has.
    pub in_flight: u64,
    /// How many it may have.
    pub limit: u32,
}

/// Changes of the limit for one reason in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// `"up"` or `"down"`.
    pub direction: &'static str,
    /// The controller's words.
    pub reason: &'static str,
    /// How many there were.
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cumulative_counts_end_below_the_count_by_what_exceeds_every_bound() {
        let mut durations = Durations::default();
        durations.counts[0] = 3;
        durations.counts[1] = 4;
        durations.counts[BUCKETS - 1] = 5;
        let cumulative: Vec<_> = durations.cumulative().collect();
        assert_eq!(cumulative[..2], [(1_000, 3), (2_000, 7)]);
        assert_eq!(cumulative.last(), Some(&(10_000_000_000, 7)));
        assert_eq!(durations.count(), 12);
    }
}
