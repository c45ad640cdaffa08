//! What only bffio says: what was in flight, what the search came to, which options had no effect.

use std::time::Duration;

use serde::Serialize;

use super::entry::Entry;
use crate::run::{Outcome, p99};
use crate::watch::{SweepPoint, TracePoint};

/// The section `AuraIO` of an entry.
#[derive(Debug, Serialize)]
pub(super) struct AuraSection {
    /// I/Os in flight per worker: found by the search, or as the job says.
    final_depth: u32,
    /// The controller's phase at the end.
    phase: &'static str,
    /// 99 % of the I/Os took no longer.
    p99_ms: f64,
    /// Whether the depth was searched for.
    adaptive: bool,
    /// The most I/Os that were in flight, per worker.
    peak_in_flight: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<SearchSection>,
    ignored_options: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct SearchSection {
    target_ms: f64,
    percentile: f64,
    /// Whether the limit was held for a while before it was taken for the answer.
    converged: bool,
    time_to_converge_ms: u64,
    /// Whether what was measured kept the target.
    target_met: bool,
    trace: Vec<TraceSection>,
}

#[derive(Debug, Serialize)]
struct TraceSection {
    time_ms: u64,
    limit: u32,
    in_flight: u32,
    p99_ms: f64,
    iops: f64,
    phase: &'static str,
}

/// The section `AuraIO` of a whole sweep.
#[derive(Debug, Serialize)]
pub(super) struct SweepSection {
    sweep: Vec<PointSection>,
}

#[derive(Debug, Serialize)]
struct PointSection {
    depth: u32,
    iops: f64,
    bw_bytes: f64,
    p99_ms: f64,
    knee: bool,
}

impl SweepSection {
    /// `None` if nothing was swept.
    pub(super) fn of(outcome: &Outcome) -> Option<Self> {
        let section = |point: &SweepPoint| PointSection {
            depth: point.depth,
            iops: point.ios_per_s,
            bw_bytes: point.bytes_per_s,
            p99_ms: ms(point.p99),
            knee: point.knee,
        };
        let sweep: Vec<_> = outcome.trace.sweep.iter().map(section).collect();
        (!sweep.is_empty()).then_some(Self { sweep })
    }
}

impl AuraSection {
    pub(super) fn new(entry: &Entry<'_>) -> Self {
        let first = entry.members[0];
        let search = entry.job.search.as_ref().map(|search| SearchSection {
            target_ms: ms(search.latency),
            percentile: search.percentile,
            converged: first.answer.is_some_and(|answer| answer.converged),
            time_to_converge_ms: first.answer.map_or(0, |answer| answer.after.as_millis() as u64),
            target_met: met(entry, search.percentile, search.latency),
            trace: first.trace.iter().map(TraceSection::new).collect(),
        });
        Self {
            final_depth: entry.depth(),
            phase: phase(entry),
            p99_ms: ms(p99(&entry.stats)),
            adaptive: search.is_some(),
            peak_in_flight: entry.members.iter().map(|one| one.peak_in_flight).max().unwrap_or(0),
            search,
            ignored_options: entry.job.ignored.clone(),
        }
    }
}

impl TraceSection {
    fn new(point: &TracePoint) -> Self {
        Self {
            time_ms: point.elapsed.as_millis() as u64,
            limit: point.limit,
            in_flight: point.in_flight,
            p99_ms: ms(point.p99),
            iops: point.ios_per_s,
            phase: point.phase,
        }
    }
}

/// The line of the text report for an entry that searched.
pub(super) fn line(entry: &Entry<'_>) -> Option<String> {
    let search = entry.job.search.as_ref()?;
    let found = match entry.members[0].answer {
        Some(answer) if answer.converged => {
            format!("found after {:.2}s", answer.after.as_secs_f64())
        }
        Some(answer) => format!("not settled after {:.2}s", answer.after.as_secs_f64()),
        None => "ended before it was found".into(),
    };
    let met = if met(entry, search.percentile, search.latency) { "" } else { ", target missed" };
    Some(format!(
        "  aura         : max concurrency={} at p99={:.2}ms (target: {:.2}ms), phase={}, {found}{met}\n",
        entry.depth(),
        ms(p99(&entry.stats)),
        ms(search.latency),
        phase(entry),
    ))
}

/// Whether the percentile of the latencies is within the target.
fn met(entry: &Entry<'_>, percentile: f64, target: Duration) -> bool {
    let directions = [&entry.stats.directions.read, &entry.stats.directions.write];
    directions.iter().all(|counted| {
        let bins = [&counted.lat, &counted.clat].into_iter().find_map(|kind| kind.bins.as_ref());
        bins.is_none_or(|bins| u128::from(bins.percentile(percentile)) <= target.as_nanos())
    })
}

fn phase(entry: &Entry<'_>) -> &'static str {
    entry.members[0].trace.last().map_or("PASSTHROUGH", |point| point.phase)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
