//! What an experiment came to: a row for each engine and stretch of time, against the oracle.

use std::time::Duration;

use aura_bench::summary::median;
use aura_bench::units;
use comfy_table::Table;
use serde::Serialize;

use crate::load::Limit;
use crate::recording::{Recording, Span, limit_cv_once_converged};
use crate::sweep::Mark;

/// One engine in one stretch of constant conditions.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) experiment: &'static str,
    pub(crate) engine: String,
    pub(crate) stretch: String,
    pub(crate) iops: f64,
    pub(crate) bytes_per_second: f64,
    pub(crate) p99_ns: u64,
    /// The oracle's depth; `None` if no depth keeps the target, or the mark is no fixed depth.
    pub(crate) oracle_depth: Option<usize>,
    pub(crate) oracle_iops: Option<f64>,
    pub(crate) oracle_p99_ns: Option<u64>,
    /// Bytes per second as a share of the oracle's, median over the rounds.
    pub(crate) share: Option<f64>,
    /// Whole seconds with more than 1 % of operations over the target, and whole seconds.
    pub(crate) violations: Option<(u32, u32)>,
    /// The same of the oracle's depth, whose turns may be shorter than a second: what the machine makes
    /// impossible shows in both.
    pub(crate) oracle_missed: Option<(u32, u32)>,
    /// Seconds from the beginning of the stretch to 95 % of the oracle's throughput; `None` if never.
    pub(crate) t95_s: Option<f64>,
    pub(crate) limit: Option<f64>,
    /// The limit's coefficient of variation once the engine had converged, over all rounds; `None` if it
    /// never had.
    pub(crate) limit_cv: Option<f64>,
}

/// What a row is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Against {
    pub(crate) depth: Option<usize>,
    pub(crate) iops: f64,
    pub(crate) bytes_per_second: f64,
    pub(crate) p99_ns: Option<u64>,
    pub(crate) mark: Option<Mark>,
}

impl From<Mark> for Against {
    fn from(mark: Mark) -> Self {
        let Mark { depth, iops, bytes_per_second, p99_ns, .. } = mark;
        let (depth, p99_ns) = (Some(depth), Some(p99_ns));
        Self { depth, iops, bytes_per_second, p99_ns, mark: Some(mark) }
    }
}

/// A recording, the stretch it is about, and from where on it is judged.
#[derive(Clone, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) recording: &'a Recording,
    pub(crate) stretch: Span,
    pub(crate) judged: Span,
}

impl Row {
    /// A row of several rounds: medians, except that violations add up. Each round has an oracle of its
    /// own, measured beside it.
    pub(crate) fn new(
        experiment: &'static str,
        limit: Limit,
        stretch: impl Into<String>,
        rounds: &[(Seen<'_>, Option<Against>)],
    ) -> Self {
        let each = |figure: &dyn Fn(&Seen<'_>) -> f64| {
            median(&rounds.iter().map(|(seen, _)| figure(seen)).collect::<Vec<_>>())
        };
        let known: Vec<_> =
            rounds.iter().filter_map(|(seen, against)| Some((seen, (*against)?))).collect();
        let of_known = |figure: &dyn Fn(&Seen<'_>, &Against) -> f64| {
            let values: Vec<f64> =
                known.iter().map(|(seen, against)| figure(seen, against)).collect();
            (!values.is_empty()).then(|| median(&values))
        };
        let limits = rounds.iter().filter_map(|(seen, _)| seen.recording.limit(&seen.judged));
        let limits: Vec<f64> = limits.collect();
        let judged = rounds.iter().flat_map(|(seen, _)| seen.recording.within(&seen.judged));
        let violations = |target: Duration| {
            let counts =
                rounds.iter().map(|(seen, _)| seen.recording.violations(&seen.judged, target));
            counts.fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
        };
        // The worst of the rounds: a time that is missed once is missed.
        let times = known.iter().map(|(seen, against)| {
            seen.recording.t95_s(&seen.stretch, against.bytes_per_second).unwrap_or(f64::INFINITY)
        });
        let t95_s = times.fold(f64::NEG_INFINITY, f64::max);
        Self {
            experiment,
            engine: limit.name(),
            stretch: stretch.into(),
            iops: each(&|seen| seen.recording.rate(&seen.judged)),
            bytes_per_second: each(&|seen| seen.recording.byte_rate(&seen.judged)),
            p99_ns: each(&|seen| seen.recording.p99_ns(&seen.judged) as f64) as u64,
            oracle_depth: known.first().and_then(|(_, against)| against.depth),
            oracle_iops: of_known(&|_, against| against.iops),
            oracle_p99_ns: known.first().and_then(|(_, against)| against.p99_ns),
            share: of_known(&|seen, against| {
                seen.recording.byte_rate(&seen.judged) / against.bytes_per_second
            }),
            violations: limit.target().map(violations),
            oracle_missed: limit.target().and_then(|target| {
                known.iter().filter_map(|(_, against)| against.mark).next_back()?.missed(target)
            }),
            t95_s: Some(t95_s).filter(|t95_s| t95_s.is_finite()),
            limit: (!limits.is_empty()).then(|| median(&limits)),
            limit_cv: limit_cv_once_converged(judged),
        }
    }
}

pub(crate) fn table(rows: &[Row]) -> Table {
    let mut table = aura_bench::table::new(
        [
            "experiment",
            "engine",
            "stretch",
            "IOPS",
            "MB/s",
            "of oracle",
            "p99",
            "oracle's p99",
            "oracle's depth",
            "s over target",
            "oracle's turns",
            "s to 95 %",
            "limit",
            "its cv",
        ],
        &[0, 1, 2],
    );
    for row in rows {
        table.add_row([
            row.experiment.to_owned(),
            row.engine.clone(),
            row.stretch.clone(),
            units::rate(row.iops),
            format!("{:.0}", row.bytes_per_second / 1e6),
            row.share.map_or("none".into(), |share| format!("{:.1} %", share * 100.0)),
            units::latency(row.p99_ns),
            row.oracle_p99_ns.map_or("-".into(), units::latency),
            row.oracle_depth.map_or("-".into(), |depth| depth.to_string()),
            share_of(row.violations),
            share_of(row.oracle_missed),
            match (row.t95_s, row.share) {
                (Some(seconds), _) => format!("{seconds:.2}"),
                (None, Some(_)) => "never".into(),
                (None, None) => "-".into(),
            },
            row.limit.map_or("-".into(), |limit| format!("{limit:.0}")),
            row.limit_cv.map_or("-".into(), |cv| format!("{cv:.2}")),
        ]);
    }
    table
}

fn share_of(counts: Option<(u32, u32)>) -> String {
    counts.map_or("-".into(), |(late, all)| format!("{late}/{all}"))
}
