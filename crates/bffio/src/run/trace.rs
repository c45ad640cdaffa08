//! From workers' results to what pictures are drawn from.

use std::time::Duration;

use super::outcome::WorkerResult;
use crate::job::{Direction, PerDirection, Plan};
use crate::search::sweep::mark_knee;
use crate::stats::WorkerStats;
use crate::watch::{JobTrace, SweepPoint, Trace, TracePoint};

/// Percentiles of the picture of latencies.
const PERCENTS: [f64; 14] =
    [1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 100.0];

/// The trace of a run.
pub(super) fn of(plan: &Plan, workers: &[WorkerResult]) -> Trace {
    let jobs = plan.jobs.iter().enumerate().filter_map(|(index, job)| {
        let of_job: Vec<_> = workers.iter().filter(|worker| worker.job == index).collect();
        let first = of_job.first()?;
        let stats = merged(&of_job);
        let answer = first.answer.map(|answer| {
            let depth = of_job.iter().filter_map(|worker| worker.answer).map(|one| one.depth).sum();
            (answer.after, point(depth, &stats))
        });
        Some(JobTrace {
            name: job.name.clone(),
            target: job.search.as_ref().map(|search| search.latency),
            points: summed(&of_job),
            answer: answer.map(|(_, point)| point),
            answered_after: answer.map(|(after, _)| after),
            percentiles: PerDirection::from_fn(|direction| percentiles(&stats, direction)),
        })
    });
    Trace { jobs: jobs.collect(), sweep: sweep(plan, workers) }
}

fn merged(workers: &[&WorkerResult]) -> WorkerStats {
    let mut stats = WorkerStats::default();
    workers.iter().for_each(|worker| stats.merge(&worker.stats));
    stats
}

fn percentiles(stats: &WorkerStats, direction: Direction) -> Vec<(f64, Duration)> {
    let counted = &stats.directions[direction];
    let bins = [&counted.clat, &counted.lat].into_iter().find_map(|latency| latency.bins.as_ref());
    let values = bins.map(|bins| bins.percentiles(&PERCENTS)).unwrap_or_default();
    PERCENTS.into_iter().zip(values.into_iter().map(Duration::from_nanos)).collect()
}

/// The points of several workers as those of one: they are taken at the same steps.
fn summed(workers: &[&WorkerResult]) -> Vec<TracePoint> {
    let length = workers.iter().map(|worker| worker.trace.len()).max().unwrap_or(0);
    let points = (0..length).map(|index| {
        let mut sum = TracePoint::default();
        for point in workers.iter().filter_map(|worker| worker.trace.get(index)) {
            sum.elapsed = sum.elapsed.max(point.elapsed);
            sum.limit += point.limit;
            sum.in_flight += point.in_flight;
            sum.p99 = sum.p99.max(point.p99);
            sum.ios_per_s += point.ios_per_s;
            sum.phase = point.phase;
        }
        sum
    });
    points.collect()
}

fn sweep(plan: &Plan, workers: &[WorkerResult]) -> Vec<SweepPoint> {
    if plan.settings.sweep.is_none() {
        return Vec::new();
    }
    let mut points: Vec<SweepPoint> = Vec::new();
    for (index, job) in plan.jobs.iter().enumerate() {
        let of_job: Vec<_> = workers.iter().filter(|worker| worker.job == index).collect();
        if !of_job.is_empty() {
            points.push(point(job.depth, &merged(&of_job)));
        }
    }
    points.sort_by_key(|point| point.depth);
    mark_knee(&mut points);
    points
}

fn point(depth: u32, stats: &WorkerStats) -> SweepPoint {
    let directions = Direction::ALL.map(|direction| &stats.directions[direction]);
    SweepPoint {
        depth,
        ios_per_s: directions.iter().map(|counted| counted.ios_per_s()).sum(),
        bytes_per_s: directions.iter().map(|counted| counted.bytes_per_s() as f64).sum(),
        p99: p99(stats),
        knee: false,
    }
}

/// The p99 over both directions; zero if nobody counted.
pub(crate) fn p99(stats: &WorkerStats) -> Duration {
    let mut all = crate::stats::bins::Bins::default();
    for direction in Direction::ALL {
        let counted = &stats.directions[direction];
        let bins = [&counted.lat, &counted.clat].into_iter().find_map(|kind| kind.bins.as_ref());
        if let Some(bins) = bins {
            all.merge(bins);
        }
    }
    Duration::from_nanos(all.percentile(99.0))
}
