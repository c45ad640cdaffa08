//! The jobs of a run at several depths, one after the other, and where more depth stops to pay.

use std::time::Duration;

use crate::job::{Job, Plan};
use crate::watch::SweepPoint;

/// How long each depth runs if the job does not say.
const RUNTIME: Duration = Duration::from_secs(2);

/// The same plan with each job at each of the depths, one after the other, on the same files.
pub(crate) fn unfold(plan: &Plan, depths: &[u32]) -> Plan {
    let at_depths = plan.jobs.iter().flat_map(|job| depths.iter().map(|&depth| at(job, depth)));
    Plan { jobs: at_depths.collect(), ..plan.clone() }
}

fn at(job: &Job, depth: u32) -> Job {
    let mut job = job.clone();
    // The file's name must not change with the job's.
    job.files.name_format = job.files.name_format.replace("$jobname", &job.name);
    job.name = format!("{}-d{depth}", job.name);
    job.depth = depth;
    job.search = None;
    job.stonewall = true;
    if job.timing.runtime.is_none() {
        job.timing.runtime = Some(RUNTIME);
        job.timing.time_based = true;
    }
    job
}

/// Marks the knee among points that are sorted by depth: where the curve of throughput over latency is
/// farthest above the straight line from its beginning to its end (Satopää et al. 2011). Latency is the
/// mean, which by Little's law is depth over throughput.
pub(crate) fn mark_knee(points: &mut [SweepPoint]) {
    let ios_per_s: Vec<f64> = points.iter().map(|point| point.ios_per_s.max(1e-9)).collect();
    let latency = points.iter().zip(&ios_per_s).map(|(point, rate)| f64::from(point.depth) / rate);
    let (gain, cost) = (normalised(&ios_per_s), normalised(&latency.collect::<Vec<_>>()));
    let height = |index: &usize| gain[*index] - cost[*index];
    if let Some(knee) = (0..points.len()).max_by(|a, b| height(a).total_cmp(&height(b))) {
        points[knee].knee = true;
    }
}

/// From 0 for the smallest to 1 for the largest.
fn normalised(values: &[f64]) -> Vec<f64> {
    let min = values.iter().copied().fold(f64::INFINITY, f64::min);
    let range = values.iter().copied().fold(0.0, f64::max) - min;
    // What differs by less than a thousandth does not differ.
    let is_flat = range <= min * 1e-3;
    values.iter().map(|value| if is_flat { 0.0 } else { (value - min) / range }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knee(points: &[(u32, f64)]) -> Vec<u32> {
        let point = |&(depth, ios_per_s)| SweepPoint { depth, ios_per_s, ..Default::default() };
        let mut points: Vec<SweepPoint> = points.iter().map(point).collect();
        mark_knee(&mut points);
        points.iter().filter(|point| point.knee).map(|point| point.depth).collect()
    }

    #[test]
    fn the_knee_is_where_more_depth_stops_to_pay() {
        assert_eq!(knee(&[(1, 10.0), (2, 20.0), (4, 39.0), (8, 40.0), (16, 40.5)]), [4]);
        assert_eq!(knee(&[(1, 15.5), (4, 40.0), (16, 61.0), (64, 80.0)]), [16]);
    }

    #[test]
    fn where_depth_pays_all_the_way_the_knee_is_at_the_end() {
        assert_eq!(knee(&[(1, 10.0), (2, 20.0), (4, 40.0)]), [4]);
        assert_eq!(knee(&[(1, 10.0)]), [1]);
        assert!(knee(&[]).is_empty());
    }
}
