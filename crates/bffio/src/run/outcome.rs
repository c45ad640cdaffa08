//! What is left of a run.

use std::time::{Duration, SystemTime};

use super::failure::Failure;
use super::steady::Steadiness;
use crate::job::Plan;
use crate::layout::WorkerFiles;
use crate::search::Answer;
use crate::stats::WorkerStats;
use crate::stats::disk::DiskUse;
use crate::watch::{Trace, TracePoint};

/// The results of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The plan as it was carried out: a sweep is unfolded into jobs.
    pub plan: Plan,
    /// One per worker that was started, in the order of the plan.
    pub workers: Vec<WorkerResult>,
    /// What happened to the disks.
    pub disks: Vec<DiskUse>,
    /// What pictures are drawn from.
    pub trace: Trace,
    /// When the run was over, or this partial outcome was made.
    pub ended: SystemTime,
    /// Since the first job started.
    pub elapsed: Duration,
    /// A worker failed.
    pub failed: bool,
    /// The user ended it.
    pub interrupted: bool,
}

/// What a worker did.
#[derive(Clone, Debug)]
pub struct WorkerResult {
    /// Index of its job in the plan.
    pub job: usize,
    /// Its number within the job.
    pub number: u32,
    /// Its reporting group.
    pub group: u32,
    /// What it counted.
    pub stats: WorkerStats,
    /// Why it ended early.
    pub failure: Option<Failure>,
    /// What its search came to.
    pub answer: Option<Answer>,
    /// Whether its rate became steady, or that of the workers it leads, if that was asked for.
    pub steady: Option<Steadiness>,
    /// The most I/Os that were in flight.
    pub peak_in_flight: u32,
    /// How it went, over time.
    pub trace: Vec<TracePoint>,
}

impl WorkerResult {
    pub(super) fn new(files: &WorkerFiles, group: u32) -> Self {
        Self {
            job: files.job,
            number: files.number,
            group,
            stats: WorkerStats::default(),
            failure: None,
            answer: None,
            steady: None,
            peak_in_flight: 0,
            trace: Vec::new(),
        }
    }
}
