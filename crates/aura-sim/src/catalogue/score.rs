//! What a run was worth.

use super::{Outcome, Prepared};
use crate::SEC;
use crate::trace::Trace;

/// The figures of one run. With several spans the worst counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Throughput as a share of the oracle's; `None` if no depth meets the target.
    pub eta: Option<f64>,
    /// Windows of a second with more than 1 % of operations over the target, and windows; `None`
    /// without a target.
    pub violations: Option<(u32, u32)>,
    /// Seconds until 95 % of the oracle's throughput, the rest of the span if never. At the start it
    /// counts from 0.1 s on: before, nothing is limited yet and throughput means nothing.
    pub t95_s: f64,
    /// Mean limit of the last span.
    pub limit: f64,
    /// Coefficient of variation of the limit.
    pub limit_cv: f64,
    /// p99 of the last span as a multiple of that at the oracle's knee; `None` for an open load.
    pub p99_of_knee: Option<f64>,
    /// Whether the policy says that its target cannot be met.
    pub infeasible: bool,
    /// Where several limiters share the device, the smallest of their throughputs over the largest.
    pub evenness: Option<f64>,
}

impl Score {
    pub(super) fn of(prepared: &Prepared, trace: &mut Trace, outcome: Outcome) -> Self {
        let spans = &prepared.scenario.spans;
        let mut score = Self {
            eta: Some(f64::INFINITY),
            violations: None,
            t95_s: 0.0,
            limit: 0.0,
            limit_cv: 0.0,
            p99_of_knee: None,
            infeasible: outcome.infeasible,
            evenness: outcome.evenness,
        };
        for (span, best) in spans.iter().zip(&prepared.best) {
            let (mean, cv) = trace.limit_stats(span.judged_ns, span.to_ns);
            score.limit = mean;
            score.limit_cv = score.limit_cv.max(cv);
            let Some(best) = *best else {
                score.eta = None;
                continue;
            };
            let eta = trace.rate(span.judged_ns, span.to_ns) / best;
            score.eta = score.eta.map(|worst| worst.min(eta));
            let t95_ns = trace.t95_ns(span.from_ns, span.over_ns, best);
            let t95_ns = t95_ns.min(span.to_ns - span.from_ns);
            score.t95_s = score.t95_s.max(t95_ns as f64 / SEC as f64);
        }
        if prepared.target_ns.is_some() {
            let judged_ns = spans.first().map_or(0, |span| span.judged_ns);
            score.violations = Some(trace.violations(judged_ns));
        }
        let kept = &mut trace.latencies_ns;
        if let Some((_, knee_p99_ns)) = prepared.knee.filter(|_| !kept.is_empty()) {
            let index = kept.len() * 99 / 100;
            let p99_ns = *kept.select_nth_unstable(index).1;
            score.p99_of_knee = Some(p99_ns as f64 / knee_p99_ns as f64);
        }
        score
    }
}
