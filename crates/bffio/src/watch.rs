//! What a run tells while it goes on, and what pictures are drawn from: snapshots, a trace of the
//! controller, points of a sweep.

use std::time::Duration;

use crate::job::PerDirection;

/// Is told how the run goes, on the main thread.
///
/// All methods have bodies that do nothing: an observer picks what it shows.
pub trait Observer {
    /// A few times a second (see [`Observer::interval`]).
    fn tick(&mut self, _now: &Snapshot) {}

    /// How often [`Observer::tick`] is wanted.
    fn interval(&self) -> Duration {
        Duration::from_millis(250)
    }

    /// A sentence for the user (`"job: laying out 2 files of 1 GiB"`).
    fn note(&mut self, _sentence: &str) {}

    /// Whether the user asked to stop; looked at after each tick. Ctrl-C comes another way.
    fn wants_stop(&self) -> bool {
        false
    }
}

/// Nobody looks.
impl Observer for () {}

/// The run at a moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Since the first job started; zero while files are laid out.
    pub elapsed: Duration,
    /// How long it will take yet, if that can be told.
    pub remaining: Option<Duration>,
    /// Share of the run that is done, 0 to 1, if that can be told.
    pub done: Option<f64>,
    /// The jobs in the order of the plan, each with all its workers.
    pub jobs: Vec<JobNow>,
}

/// A job at a moment.
#[derive(Clone, Debug, Default)]
pub struct JobNow {
    /// Its name.
    pub name: String,
    /// Its workload: [`Pattern::name`](crate::job::Pattern::name).
    pub workload: &'static str,
    /// What it is doing.
    pub stage: Stage,
    /// Workers that run now.
    pub workers_running: u32,
    /// Bytes per second since the last tick.
    pub bytes_per_s: PerDirection<f64>,
    /// I/Os per second since the last tick.
    pub ios_per_s: PerDirection<f64>,
    /// The rings of the job's engines.
    pub rings: Vec<RingNow>,
    /// The target, if the job searches.
    pub target: Option<Duration>,
}

/// What a job is doing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Stage {
    /// Waiting for its turn.
    #[default]
    Waiting,
    /// Its files are being written.
    LayingOut {
        /// Bytes written.
        done_bytes: u64,
        /// Bytes to write.
        total_bytes: u64,
    },
    /// Running, not yet measured.
    Ramp,
    /// Running.
    Running,
    /// Looking for the depth.
    Searching,
    /// Reading back what it wrote.
    Verifying,
    /// Over.
    Done,
    /// Over, because of an error.
    Failed,
}

/// A ring at a moment.
#[derive(Clone, Debug, Default)]
pub struct RingNow {
    /// In-flight limit.
    pub limit: u32,
    /// Operations in flight.
    pub in_flight: u32,
    /// 99 % of recent I/Os took no longer.
    pub p99: Duration,
    /// Phase of the controller: `"STEADY"`.
    pub phase: &'static str,
    /// I/Os completed so far.
    pub ios: u64,
}

/// What is left of a run to draw.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// One per job that was observed.
    pub jobs: Vec<JobTrace>,
    /// Points of a `--sweep`, by depth.
    pub sweep: Vec<SweepPoint>,
}

/// A job over time.
#[derive(Clone, Debug, Default)]
pub struct JobTrace {
    /// Its name.
    pub name: String,
    /// The target, if the job searched.
    pub target: Option<Duration>,
    /// In the order of time.
    pub points: Vec<TracePoint>,
    /// When the search had its answer, and what it was.
    pub answer: Option<SweepPoint>,
    /// When the answer was found.
    pub answered_after: Option<Duration>,
    /// Latency percentiles at the end: percent and latency, ascending, by direction.
    pub percentiles: PerDirection<Vec<(f64, Duration)>>,
}

/// A job at one moment of its trace, all workers and rings together.
#[derive(Clone, Copy, Debug, Default)]
pub struct TracePoint {
    /// Since the job started.
    pub elapsed: Duration,
    /// In-flight limit.
    pub limit: u32,
    /// Operations in flight.
    pub in_flight: u32,
    /// 99 % of the I/Os since the last point took no longer.
    pub p99: Duration,
    /// I/Os per second since the last point.
    pub ios_per_s: f64,
    /// Phase of the controller.
    pub phase: &'static str,
}

/// What a depth gives.
#[derive(Clone, Copy, Debug, Default)]
pub struct SweepPoint {
    /// I/Os in flight.
    pub depth: u32,
    /// I/Os per second.
    pub ios_per_s: f64,
    /// Bytes per second.
    pub bytes_per_s: f64,
    /// 99 % took no longer.
    pub p99: Duration,
    /// Whether this is where more depth stops to pay.
    pub knee: bool,
}
