//! The jobs of a run at several depths, one after the other, and where more depth stops to pay.

use std::time::Duration;

use crate::job::{Job, Plan};
use crate::watch::SweepPoint;

/// How long each depth runs if the job does not say.
const RUNTIME: Duration = Duration::from_secs(2);
/// The knee is the smallest depth with this share of the best throughput.
const KNEE_SHARE: f64 = 0.95;

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

/// Marks the knee among points that are sorted by depth.
pub(crate) fn mark_knee(points: &mut [SweepPoint]) {
    let best = points.iter().map(|point| point.ios_per_s).fold(0.0, f64::max);
    if best <= 0.0 {
        return;
    }
    if let Some(knee) = points.iter_mut().find(|point| point.ios_per_s >= best * KNEE_SHARE) {
        knee.knee = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_knee_is_where_more_depth_stops_to_pay() {
        let point = |depth, ios_per_s| SweepPoint { depth, ios_per_s, ..SweepPoint::default() };
        let mut points =
            [point(1, 10.0), point(2, 20.0), point(4, 39.0), point(8, 40.0), point(16, 40.5)];
        mark_knee(&mut points);
        let knees: Vec<u32> =
            points.iter().filter(|point| point.knee).map(|point| point.depth).collect();
        assert_eq!(knees, [4]);
    }
}
