//! What a job records, what it logs, and the search for a depth.

use std::path::PathBuf;
use std::time::Duration;

/// What writes are filled with.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Buffers {
    /// Random bytes.
    #[default]
    Random,
    /// `zero_buffers=`.
    Zeros,
    /// `buffer_pattern=`, repeated.
    Pattern(Vec<u8>),
}

/// Which latencies are recorded.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Submission latency; off with `disable_slat=` and `gtod_reduce=`.
    pub slat: bool,
    /// Completion latency; off with `disable_clat=` and `gtod_reduce=`.
    pub clat: bool,
    /// Latency from creation to completion; off with `disable_lat=` and `gtod_reduce=`.
    pub lat: bool,
    /// Bandwidth and IOPS samples; off with `disable_bw_measurement=` and `gtod_reduce=`.
    pub bandwidth: bool,
    /// `stats=`: whether this job is reported at all.
    pub stats: bool,
    /// Which of them are reported with percentiles, and which percentiles.
    pub percentiles: Percentiles,
    /// `bwavgtime=`: distance of bandwidth samples.
    pub bandwidth_window: Duration,
    /// `iopsavgtime=`: distance of IOPS samples.
    pub iops_window: Duration,
    /// `disk_util=`: report the utilisation of the devices below.
    pub disk_util: bool,
    /// `significant_figures=`: digits of the text report.
    pub significant_figures: u32,
}

/// Percentiles of latencies.
#[derive(Clone, Debug, PartialEq)]
pub struct Percentiles {
    /// `slat_percentiles=`.
    pub slat: bool,
    /// `clat_percentiles=`.
    pub clat: bool,
    /// `lat_percentiles=`.
    pub lat: bool,
    /// `percentile_list=`, ascending; fio's seventeen unless given.
    pub list: Vec<f64>,
}

/// Log files. Names are prefixes: `prefix_bw.1.log`.
#[derive(Clone, Debug)]
pub struct Logs {
    /// `write_bw_log=`.
    pub bandwidth: Option<PathBuf>,
    /// `write_iops_log=`.
    pub iops: Option<PathBuf>,
    /// `write_lat_log=`: writes `_slat`, `_clat` and `_lat`.
    pub latency: Option<PathBuf>,
    /// `write_hist_log=`: histograms of completion latencies.
    pub histogram: Option<PathBuf>,
    /// `log_avg_msec=`: one line for so much time; one per I/O if `None`.
    pub average: Option<Duration>,
    /// `log_max_value=`: the largest value of the time instead of the average.
    pub maximum: bool,
    /// `log_hist_msec=`: time between histograms.
    pub histogram_window: Option<Duration>,
    /// `log_hist_coarseness=`: 0 to 6; neighbouring bins are joined so many times.
    pub histogram_coarseness: u32,
    /// `log_offset=`: with the offset of each I/O.
    pub offset: bool,
    /// `log_prio=`: with the priority of each I/O.
    pub priority: bool,
    /// `log_unix_epoch=`: times since 1970 instead of the start.
    pub unix_epoch: bool,
    /// `per_job_logs=`: names with the worker's number.
    pub per_job: bool,
}

/// Search for the largest throughput under a latency target.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// `--target-p99=` or `latency_target=`: latency that [`Search::percentile`] of the I/Os must meet.
    pub latency: Duration,
    /// `latency_percentile=`: 99 for `--target-p99`, fio's 100 for `latency_target`.
    pub percentile: f64,
    /// `latency_window=`: time over which the target is judged; Aura's own window if `None`.
    pub window: Option<Duration>,
    /// `latency_run=`, and `--target-p99=` with a runtime: go on until the runtime is over, instead of
    /// ending with the answer.
    pub keep_running: bool,
    /// `latency_run=`: the controller goes on adjusting, instead of holding the answer.
    pub adjusts: bool,
    /// Highest depth to try: `iodepth=` where given, otherwise what the engine can hold.
    pub depth_max: Option<u32>,
}
