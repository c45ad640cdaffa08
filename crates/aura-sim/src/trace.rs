//! What a run recorded, and the figures taken from it.

use crate::run::Setup;
use crate::{MS, SEC};
use aura_aimd::{Decision, Phase, Reason, Window};

/// Width of a throughput bucket.
const BUCKET_NS: u64 = 10 * MS;

/// One window as the policy saw it, and what it said.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// When the window was closed, in nanoseconds of virtual time.
    pub at_ns: u64,
    /// What the policy was told.
    pub window: Window,
    /// What it answered.
    pub decision: Decision,
}

/// Everything a run leaves behind.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Length of the run in nanoseconds.
    pub duration_ns: u64,
    /// Operations completed.
    pub operations: u64,
    /// Sum of their latencies in nanoseconds.
    pub latency_sum_ns: u64,
    /// In-flight operations integrated over time, in operations times nanoseconds.
    pub in_flight_area: f64,
    /// Every window and decision.
    pub steps: Vec<Step>,
    /// Latencies, if they were to be kept.
    pub latencies_ns: Vec<u64>,
    late_ns: u64,
    keep_from_ns: u64,
    buckets: Vec<[u64; 3]>,
}

impl Trace {
    pub(crate) fn new(setup: &Setup) -> Self {
        let buckets = vec![[0; 3]; (setup.duration_ns / BUCKET_NS + 1) as usize];
        Self {
            late_ns: setup.late_ns,
            keep_from_ns: setup.keep_from_ns,
            buckets,
            ..Self::default()
        }
    }

    pub(crate) fn complete(&mut self, now_ns: u64, latency_ns: u64, bytes: u32) {
        self.operations += 1;
        self.latency_sum_ns += latency_ns;
        if self.keep_from_ns > 0 && now_ns >= self.keep_from_ns {
            self.latencies_ns.push(latency_ns);
        }
        if let Some(bucket) = self.buckets.get_mut((now_ns / BUCKET_NS) as usize) {
            bucket[0] += 1;
            bucket[1] += u64::from(self.late_ns > 0 && latency_ns > self.late_ns);
            bucket[2] += u64::from(bytes);
        }
    }

    pub(crate) fn decide(&mut self, at_ns: u64, window: &Window, decision: &Decision) {
        self.steps.push(Step { at_ns, window: *window, decision: *decision });
    }

    pub(crate) fn finish(&mut self, duration_ns: u64) {
        self.duration_ns = duration_ns;
    }

    /// Two runs on one device as one: the operations of both, the decisions of the first.
    pub(crate) fn joined(mut self, other: Self) -> Self {
        self.operations += other.operations;
        self.latency_sum_ns += other.latency_sum_ns;
        self.in_flight_area += other.in_flight_area;
        self.latencies_ns.extend(other.latencies_ns);
        for (mine, others) in self.buckets.iter_mut().zip(other.buckets) {
            mine.iter_mut().zip(others).for_each(|(sum, more)| *sum += more);
        }
        self
    }

    fn sum(&self, from_ns: u64, to_ns: u64, column: usize) -> u64 {
        let last = self.buckets.len();
        let range = (from_ns / BUCKET_NS) as usize..((to_ns / BUCKET_NS) as usize).min(last);
        self.buckets[range].iter().map(|b| b[column]).sum()
    }

    /// Operations per second between two times.
    #[must_use]
    pub fn rate(&self, from_ns: u64, to_ns: u64) -> f64 {
        self.sum(from_ns, to_ns, 0) as f64 * SEC as f64 / (to_ns - from_ns) as f64
    }

    /// Bytes per second between two times.
    #[must_use]
    pub fn byte_rate(&self, from_ns: u64, to_ns: u64) -> f64 {
        self.sum(from_ns, to_ns, 2) as f64 * SEC as f64 / (to_ns - from_ns) as f64
    }

    /// Share of late operations between two times.
    #[must_use]
    pub fn late_share(&self, from_ns: u64, to_ns: u64) -> f64 {
        self.sum(from_ns, to_ns, 1) as f64 / self.sum(from_ns, to_ns, 0).max(1) as f64
    }

    /// (windows with more than 1 % late operations, windows) of one second each from `from_ns` on.
    #[must_use]
    pub fn violations(&self, from_ns: u64) -> (u32, u32) {
        let mut counts = (0, 0);
        let mut at_ns = from_ns;
        while at_ns + SEC <= self.duration_ns {
            counts.0 += u32::from(self.late_share(at_ns, at_ns + SEC) > 0.01);
            counts.1 += 1;
            at_ns += SEC;
        }
        counts
    }

    /// Nanoseconds after `from_ns` until a stretch of `over_ns` reaches 95 % of `rate`; the whole
    /// rest of the run if never.
    #[must_use]
    pub fn t95_ns(&self, from_ns: u64, over_ns: u64, rate: f64) -> u64 {
        let mut at_ns = from_ns;
        while at_ns + over_ns <= self.duration_ns {
            if self.rate(at_ns, at_ns + over_ns) >= 0.95 * rate {
                return at_ns - from_ns;
            }
            at_ns += BUCKET_NS;
        }
        self.duration_ns - from_ns
    }

    /// Limit in force at a time; the policy's first if nothing was decided yet.
    #[must_use]
    pub fn limit_at(&self, at_ns: u64) -> u32 {
        let before = self.steps.iter().take_while(|s| s.at_ns <= at_ns).last();
        before.or(self.steps.first()).map_or(0, |s| s.decision.limit)
    }

    /// Nanoseconds after `from_ns` until a step satisfies `wanted`; the rest of the run if none does.
    #[must_use]
    pub fn first_after(&self, from_ns: u64, wanted: impl Fn(&Step) -> bool) -> u64 {
        let found = self.steps.iter().find(|s| s.at_ns >= from_ns && wanted(s));
        found.map_or(self.duration_ns, |s| s.at_ns) - from_ns
    }

    /// Mean limit over time, and its coefficient of variation.
    #[must_use]
    pub fn limit_stats(&self, from_ns: u64, to_ns: u64) -> (f64, f64) {
        let (mut weight, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for pair in self.steps.windows(2) {
            let begin_ns = pair[0].at_ns.max(from_ns);
            let end_ns = pair[1].at_ns.min(to_ns);
            if end_ns > begin_ns {
                let w = (end_ns - begin_ns) as f64;
                let limit = f64::from(pair[0].decision.limit);
                weight += w;
                sum += w * limit;
                squares += w * limit * limit;
            }
        }
        let mean = sum / weight.max(1.0);
        (mean, (squares / weight.max(1.0) - mean * mean).max(0.0).sqrt() / mean.max(1e-9))
    }

    /// Whether a decision between two times had this phase.
    #[must_use]
    pub fn entered(&self, phase: Phase, from_ns: u64, to_ns: u64) -> bool {
        self.steps.iter().any(|s| s.decision.phase == phase && (from_ns..to_ns).contains(&s.at_ns))
    }

    /// Whether a decision between two times gave this reason.
    #[must_use]
    pub fn gave(&self, reason: Reason, from_ns: u64, to_ns: u64) -> bool {
        self.steps
            .iter()
            .any(|s| s.decision.reason == reason && (from_ns..to_ns).contains(&s.at_ns))
    }

    /// The decisions that changed something, one line each.
    #[must_use]
    pub fn story(&self) -> String {
        use std::fmt::Write;
        let mut text = String::new();
        let mut last = None;
        for step in &self.steps {
            let d = step.decision;
            let key = (d.limit, d.phase, d.reason);
            if last != Some(key) {
                last = Some(key);
                let w = &step.window;
                let _ = writeln!(
                    text,
                    "{:9.1} ms  limit {:5}  {:11} {:18} X {:9.0}  n {:6} over {:4}  L {:6.1} p50 {:5} p99 {:6} us",
                    step.at_ns as f64 / 1e6,
                    d.limit,
                    d.phase.name(),
                    d.reason.as_str(),
                    w.operations_per_second(),
                    w.latency.samples,
                    w.latency.over_target,
                    w.in_flight_avg,
                    w.latency.p50_ns / 1000,
                    w.latency.p99_ns / 1000,
                );
            }
        }
        text
    }
}
