//! When a job starts, how fast it may go, when it ends.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::PerDirection;

/// Start, length and end.
#[derive(Clone, Debug)]
pub struct Timing {
    /// `runtime=`: ends the job even if it has not done everything.
    pub runtime: Option<Duration>,
    /// `time_based=`: start again when everything is done, until the runtime is over. Only with a runtime.
    pub time_based: bool,
    /// `ramp_time=`: what happens before is not reported. Not part of the runtime.
    pub ramp: Duration,
    /// `startdelay=`: wait so long before the start; a random time of the range.
    pub start_delay: RangeInclusive<Duration>,
    /// `loops=`: how often the job is run.
    pub loops: u32,
}

/// Limits on throughput, per worker.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// `rate=`: bytes per second.
    pub bytes_per_s: PerDirection<Option<u64>>,
    /// `rate_iops=`: I/Os per second.
    pub ios_per_s: PerDirection<Option<u32>>,
    /// `rate_min=`: a worker below so many bytes per second ends with an error.
    pub bytes_per_s_min: PerDirection<Option<u64>>,
    /// `rate_iops_min=`: a worker below so many I/Os per second ends with an error.
    pub ios_per_s_min: PerDirection<Option<u32>>,
    /// `rate_cycle=`: over what time the minimum is judged.
    pub cycle: Duration,
    /// `rate_process=`.
    pub process: RateProcess,
    /// `rate_ignore_thinktime=`: catch up on what was missed while thinking.
    pub ignore_think: bool,
}

/// How the I/Os of a limited rate are spread.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RateProcess {
    /// Evenly.
    #[default]
    Linear,
    /// As arrivals from many independent sources.
    Poisson,
}

/// Pauses between I/Os.
#[derive(Clone, Debug)]
pub struct Think {
    /// `thinktime=`: length of a pause; zero for none.
    pub time: Duration,
    /// `thinktime_spin=`: so much of it is spent computing instead of sleeping.
    pub spin: Duration,
    /// `thinktime_blocks=`: I/Os between pauses.
    pub ios: u32,
    /// `thinktime_blocks_type=`: which I/Os count.
    pub counts: ThinkCount,
    /// `thinktime_iotime=`: time between pauses, in addition to [`Think::ios`].
    pub io_time: Duration,
}

/// Which I/Os [`Think::ios`] counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ThinkCount {
    /// Completed ones, after all in flight have ended.
    #[default]
    Completed,
    /// Issued ones.
    Issued,
}
