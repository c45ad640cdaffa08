//! The log of the controller's decisions: a bounded one that the engine keeps, from which logs,
//! plots and views are made; and counts of them, which are never reset.

use std::fmt;

use aura_aimd::{Decision, Phase, Window};

use crate::log::{Level, emit_untraced};
use crate::ring::add;
use crate::tuner::{Published, lock};

/// Decisions kept for whoever wants to look back.
const KEPT: usize = 1024;

/// One decision of the controller, as kept in the log of decisions.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct DecisionRecord {
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
    /// The in-flight limit until then.
    pub limit_before: u32,
    /// The in-flight limit from then on.
    pub limit: u32,
    /// The batch threshold from then on.
    pub batch: u32,
    /// The phase from then on, by its number (0–6).
    pub phase: i32,
    /// Why.
    pub reason: &'static str,
    /// Time-averaged in-flight of the window that led to it.
    pub in_flight: f64,
    /// p99 of that window in nanoseconds, 0 if it had no samples.
    pub p99_ns: u64,
    /// Operations per second of that window.
    pub operations_per_second: f64,
}

impl fmt::Display for DecisionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit_before, limit, reason, in_flight, p99_ns, .. } = self;
        let phase = Phase::from_i32(self.phase).map_or("UNKNOWN", Phase::name);
        let p99_ms = *p99_ns as f64 / 1e6;
        write!(f, "limit {limit_before} -> {limit}, {phase}: {reason}")?;
        write!(f, " ({in_flight:.1} in flight, p99 {p99_ms:.3} ms)")
    }
}

impl Published {
    /// The last decisions, oldest first.
    pub(crate) fn decisions(&self) -> Vec<DecisionRecord> {
        lock(&self.decisions).iter().copied().collect()
    }

    /// Takes a decision down that changed limit or phase.
    pub(crate) fn record(&self, window: &Window, before: &Decision, decision: &Decision) {
        let record = DecisionRecord {
            at_ns: window.now_ns,
            limit_before: before.limit,
            limit: decision.limit,
            batch: decision.batch,
            phase: decision.phase as i32,
            reason: decision.reason.as_str(),
            in_flight: window.in_flight_avg,
            p99_ns: window.latency.p99_ns,
            operations_per_second: window.operations_per_second(),
        };
        if record.limit != record.limit_before {
            let is_down = record.limit < record.limit_before;
            let by_reason = &self.adjustments[usize::from(is_down)];
            add(&by_reason[decision.reason as usize], 1);
        }
        let mut decisions = lock(&self.decisions);
        if decisions.len() == KEPT {
            decisions.pop_front();
        }
        decisions.push_back(record);
        drop(decisions); // What listens to the log may ask for them.
        #[cfg(feature = "tracing")]
        crate::traced::decision(&record);
        emit_untraced(Level::Debug, format_args!("controller: {record}"));
    }
}
