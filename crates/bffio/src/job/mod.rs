//! What is to be run, resolved and typed: one [`Job`] per job section, and the [`Settings`] of the whole
//! run.
//!
//! Everything that can be judged without looking at the storage has been judged when a [`Plan`] exists.
//! What depends on the files (percentages of their size) is left as [`Amount`].

mod measure;
mod pattern;
mod settings;
mod steady;
mod target;
mod timing;
mod verify;

pub use measure::{Buffers, Logs, Percentiles, Recording, Search};
pub use pattern::{
    BlockShare, BlockSizes, Direction, Distribution, Pattern, PerDirection, Sequence, Zone,
    ZoneSize,
};
pub use settings::{Eta, Format, Settings};
pub use steady::{SteadyRate, SteadyState, deviation_max, mean, slope};
pub use target::{Amount, FileChoice, Files, NextFile, SyncMode};
pub use timing::{RateProcess, Rates, Think, ThinkCount, Timing};
pub use verify::{Verify, VerifyMethod};

/// A whole run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The jobs in the order of their sections. `numjobs` is not unfolded.
    pub jobs: Vec<Job>,
    /// Options of `[global]` as given: canonical name and value (`""` for a valueless option), in the
    /// order of first appearance. fio's JSON shows them as `"global options"`.
    pub global_given: Vec<Given>,
    /// What concerns the run as a whole.
    pub settings: Settings,
    /// Things the user should know, one sentence each: depth capped, option accepted without effect.
    pub notes: Vec<String>,
}

/// An option as the user gave it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Given {
    /// Canonical name: `rw` for `readwrite`, `bs` for `blocksize`.
    pub name: &'static str,
    /// The value's text after variables were replaced; empty for a valueless option.
    pub value: String,
}

/// One job section.
#[derive(Clone, Debug)]
pub struct Job {
    /// The section's name, or `name=`.
    pub name: String,
    /// `description=`.
    pub description: Option<String>,
    /// Which I/O is done: direction, order, sizes, random distribution.
    pub pattern: Pattern,
    /// Which files, how large, how opened.
    pub files: Files,
    /// `ioengine=` as given. Whatever it says, Aura's engine does the I/O.
    pub engine: String,
    /// I/Os in flight per worker. 1 if `engine` is one of fio's synchronous engines.
    pub depth: u32,
    /// `numjobs=`: workers that run this job, each with files and seeds of its own.
    pub worker_count: u32,
    /// Start, length and end.
    pub timing: Timing,
    /// Throttling.
    pub rates: Rates,
    /// Pauses.
    pub think: Think,
    /// Checking what was written.
    pub verify: Verify,
    /// What writes are filled with.
    pub buffers: Buffers,
    /// Which latencies are recorded and which percentiles reported.
    pub recording: Recording,
    /// Log files.
    pub logs: Logs,
    /// Search for the depth that meets a latency target, if that is asked for.
    pub search: Option<Search>,
    /// End when the rate has become steady, if that is asked for.
    pub steady: Option<SteadyState>,
    /// `group_reporting=`: workers of a group are reported as one.
    pub group_reporting: bool,
    /// `unified_rw_reporting=`.
    pub unified_reporting: UnifiedReporting,
    /// `new_group=`, or `stonewall=` where that begins a group: reporting groups are numbered from here.
    pub new_group: bool,
    /// `stonewall=`: the jobs before this one end before it starts.
    pub stonewall: bool,
    /// `wait_for=`: the job of this name ends before this one starts.
    pub wait_for: Option<String>,
    /// `exitall=`: when this job ends, all end.
    pub exit_all: bool,
    /// `exitall_on_error=`: when this job fails, all end.
    pub exit_all_on_error: bool,
    /// `continue_on_error=`: which errors are counted instead of ending the job.
    pub continue_on_error: ContinueOnError,
    /// `max_latency=`: an I/O that takes longer ends the job with `ETIME`.
    pub max_latency: Option<std::time::Duration>,
    /// `exec_prerun=`: a shell command run before the job starts.
    pub exec_before: Option<String>,
    /// `exec_postrun=`: a shell command run after the job has ended.
    pub exec_after: Option<String>,
    /// `kb_base=`: 1024 or 1000; decides the units of the text report.
    pub kb_base: u32,
    /// `unit_base=`: 8 for bytes, 1 for bits; `None` leaves it to the report.
    pub unit_base: Option<u32>,
    /// Options of this job's own section as given. fio's JSON shows them as `"job options"`.
    pub given: Vec<Given>,
    /// Canonical names of options that were accepted without effect, of this section and of `[global]`.
    pub ignored: Vec<&'static str>,
}

/// `unified_rw_reporting=`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum UnifiedReporting {
    /// Each direction for itself.
    #[default]
    Separate,
    /// All directions as one, called `mixed`.
    Mixed,
    /// Both of these.
    Both,
}

/// `continue_on_error=`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ContinueOnError {
    /// Failed reads.
    pub read: bool,
    /// Failed writes.
    pub write: bool,
    /// Blocks that do not verify.
    pub verify: bool,
}
