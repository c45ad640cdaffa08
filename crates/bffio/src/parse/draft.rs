//! A job while its options are being read: what is settled already is in a [`Job`], what depends on
//! other options waits beside it for [`resolve`](super::resolve).

use std::path::PathBuf;
use std::time::Duration;

use crate::job::{
    Amount, BlockShare, BlockSizes, Buffers, ContinueOnError, Distribution, FileChoice, Files, Job,
    Logs, NextFile, Pattern, PerDirection, Percentiles, Rates, Recording, SteadyRate, SteadyState,
    SyncMode, Think, ThinkCount, Timing, UnifiedReporting, Verify,
};

/// A job with fio's defaults, changed option by option. `[global]` is one too: jobs begin as its copy.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) job: Job,
    /// `rw=`.
    pub(super) workload: Workload,
    /// `rw_sequencer=identical`.
    pub(super) repeats_offsets: bool,
    /// `bs=`, `bsrange=`, `bssplit=`: the later ones of this list win, wherever they stand.
    pub(super) block_bytes: PerDirection<u64>,
    pub(super) block_ranges: PerDirection<Option<(u64, u64)>>,
    pub(super) block_split: PerDirection<Vec<BlockShare>>,
    pub(super) align_bytes: PerDirection<Option<u64>>,
    pub(super) percentage_random: PerDirection<u32>,
    pub(super) rand_repeat: bool,
    pub(super) all_rand_repeat: bool,
    pub(super) depth: Option<u32>,
    pub(super) disabled: Disabled,
    pub(super) logs: PerLog<Option<LogName>>,
    pub(super) target_p99: Option<Duration>,
    pub(super) latency_target: Option<Duration>,
    pub(super) latency_percentile: Option<f64>,
    pub(super) latency_window: Option<Duration>,
    pub(super) latency_run: bool,
    /// What is steady; without a duration nobody asks.
    pub(super) steady: SteadyState,
}

/// `rw=`, its part after the colon still a text: what it means depends on other options.
#[derive(Clone, Debug)]
pub(super) struct Workload {
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) random: bool,
    pub(super) modifier: Option<String>,
}

/// Measurements that are switched off one by one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Disabled {
    pub(super) slat: bool,
    pub(super) clat: bool,
    pub(super) lat: bool,
    pub(super) bandwidth: bool,
    /// `gtod_reduce=`: all of them.
    pub(super) all: bool,
}

/// A value for each log.
#[derive(Clone, Debug, Default)]
pub(super) struct PerLog<T> {
    pub(super) bandwidth: T,
    pub(super) iops: T,
    pub(super) latency: T,
    pub(super) histogram: T,
}

/// Prefix of a log's name.
#[derive(Clone, Debug)]
pub(super) enum LogName {
    /// The job's name, because none was given.
    Job,
    Given(PathBuf),
}

impl LogName {
    pub(super) fn prefix(&self, job: &str) -> PathBuf {
        match self {
            Self::Job => PathBuf::from(job),
            Self::Given(path) => path.clone(),
        }
    }
}

impl Draft {
    /// A job of this name before any option.
    pub(super) fn new(name: &str) -> Self {
        Self {
            job: default_job(name),
            workload: Workload { read: true, write: false, random: false, modifier: None },
            repeats_offsets: false,
            block_bytes: PerDirection::both(4096),
            block_ranges: PerDirection::default(),
            block_split: PerDirection::default(),
            align_bytes: PerDirection::default(),
            percentage_random: PerDirection::both(100),
            rand_repeat: true,
            all_rand_repeat: false,
            depth: None,
            disabled: Disabled::default(),
            logs: PerLog::default(),
            target_p99: None,
            latency_target: None,
            latency_percentile: None,
            latency_window: None,
            latency_run: false,
            steady: SteadyState {
                rate: SteadyRate::Ios,
                slope: true,
                limit: 0.01,
                percent: true,
                seconds: 0,
                ramp: Duration::ZERO,
            },
        }
    }

    /// A job that begins with what this draft (of `[global]`) says. What was given here is not the job's own.
    pub(super) fn child(&self, name: &str) -> Self {
        let mut child = self.clone();
        name.clone_into(&mut child.job.name);
        child.job.given.clear();
        child
    }
}

/// fio's defaults, except that the engine is always Aura's.
fn default_job(name: &str) -> Job {
    Job {
        name: name.to_owned(),
        description: None,
        pattern: default_pattern(),
        files: default_files(),
        engine: "io_uring".to_owned(),
        depth: 1,
        worker_count: 1,
        timing: Timing {
            runtime: None,
            time_based: false,
            ramp: Duration::ZERO,
            start_delay: Duration::ZERO..=Duration::ZERO,
            loops: 1,
        },
        rates: Rates { cycle: Duration::from_secs(1), ..Rates::default() },
        think: Think {
            time: Duration::ZERO,
            spin: Duration::ZERO,
            ios: 1,
            counts: ThinkCount::Completed,
            io_time: Duration::ZERO,
        },
        verify: Verify {
            method: None,
            after_write: true,
            only: false,
            interval_bytes: None,
            pattern: Vec::new(),
            fatal: false,
            backlog: None,
            backlog_batch: None,
        },
        buffers: Buffers::Random,
        recording: default_recording(),
        logs: default_logs(),
        search: None,
        steady: None,
        group_reporting: false,
        unified_reporting: UnifiedReporting::Separate,
        new_group: false,
        stonewall: false,
        wait_for: None,
        exit_all: false,
        exit_all_on_error: false,
        continue_on_error: ContinueOnError::default(),
        max_latency: None,
        exec_before: None,
        exec_after: None,
        kb_base: 1024,
        unit_base: None,
        given: Vec::new(),
        ignored: Vec::new(),
    }
}

fn default_pattern() -> Pattern {
    let sizes = BlockSizes { min_bytes: 4096, max_bytes: 4096, split: Vec::new() };
    Pattern {
        does: PerDirection { read: true, write: false },
        read_percent: 50,
        random_percent: PerDirection::default(),
        sequence: None,
        block_sizes: PerDirection::both(sizes),
        align_bytes: PerDirection::both(4096),
        unaligned_sizes: false,
        distribution: PerDirection::both(Distribution::Uniform),
        random_map: true,
        repeatable: true,
        seed: None,
        io_count_max: None,
    }
}

fn default_files() -> Files {
    Files {
        names: Vec::new(),
        directories: Vec::new(),
        name_format: "$jobname.$jobnum.$filenum".to_owned(),
        count: 1,
        size: None,
        io_size: None,
        file_bytes: None,
        offset: Amount::Bytes(0),
        offset_increment: Amount::Bytes(0),
        offset_align_bytes: None,
        next: NextFile { choice: FileChoice::RoundRobin, ios: 1 },
        direct: false,
        sync: SyncMode::None,
        invalidate: true,
        pre_read: false,
        fsync_every: 0,
        fdatasync_every: 0,
        end_fsync: false,
        fsync_on_close: false,
        create_fsync: true,
        create_only: false,
        may_create: true,
        overwrite: false,
        fill_device: false,
        append: false,
        unlink: false,
        unlink_each_loop: false,
        may_overwrite: false,
    }
}

fn default_recording() -> Recording {
    Recording {
        slat: true,
        clat: true,
        lat: true,
        bandwidth: true,
        stats: true,
        percentiles: Percentiles {
            slat: false,
            clat: true,
            lat: false,
            list: DEFAULT_PERCENTILES.to_vec(),
        },
        bandwidth_window: Duration::from_millis(500),
        iops_window: Duration::from_millis(500),
        disk_util: true,
        significant_figures: 4,
    }
}

/// What fio reports unless told otherwise.
const DEFAULT_PERCENTILES: [f64; 17] = [
    1.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95,
    99.99,
];

fn default_logs() -> Logs {
    Logs {
        bandwidth: None,
        iops: None,
        latency: None,
        histogram: None,
        average: None,
        maximum: false,
        histogram_window: None,
        histogram_coarseness: 0,
        offset: false,
        priority: false,
        unix_epoch: false,
        per_job: true,
    }
}
