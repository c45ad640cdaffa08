//! What is reported together: a worker, or the workers of a group.

use crate::job::{Direction, Job, UnifiedReporting};
use crate::run::{Failure, Outcome, WorkerResult};
use crate::stats::{DirectionStats, WorkerStats};

/// One entry of a report.
#[derive(Debug)]
pub(super) struct Entry<'o> {
    /// The job of its first worker, which gives the entry its name.
    pub(super) job: &'o Job,
    /// The job of its last worker, whose options are shown.
    pub(super) last_job: &'o Job,
    pub(super) group: u32,
    pub(super) members: Vec<&'o WorkerResult>,
    pub(super) stats: WorkerStats,
    pub(super) failure: Option<&'o Failure>,
}

/// What a report calls a direction, and its counts. Some directions are sums of others.
#[derive(Debug)]
pub(super) struct Shown<'e> {
    pub(super) name: &'static str,
    pub(super) stats: std::borrow::Cow<'e, DirectionStats>,
}

/// The entries of a run. Workers of a group whose jobs say `group_reporting` follow the entry before.
pub(super) fn of(outcome: &Outcome) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for worker in &outcome.workers {
        let job = &outcome.plan.jobs[worker.job];
        if !job.recording.stats {
            continue;
        }
        match entries.last_mut() {
            Some(entry) if job.group_reporting && entry.group == worker.group => {
                entry.add(worker, job);
            }
            _ => entries.push(Entry {
                job,
                last_job: job,
                group: worker.group,
                members: vec![worker],
                stats: worker.stats.clone(),
                failure: worker.failure.as_ref(),
            }),
        }
    }
    entries
}

impl<'o> Entry<'o> {
    fn add(&mut self, worker: &'o WorkerResult, job: &'o Job) {
        self.members.push(worker);
        self.stats.merge(&worker.stats);
        self.last_job = job;
        self.failure = self.failure.or(worker.failure.as_ref());
    }

    /// The directions that are reported, by fio's names.
    pub(super) fn directions(&self) -> Vec<Shown<'_>> {
        let separate = Direction::ALL.map(|direction| Shown {
            name: name(direction),
            stats: std::borrow::Cow::Borrowed(&self.stats.directions[direction]),
        });
        let mixed = || Shown { name: "mixed", stats: std::borrow::Cow::Owned(self.stats.mixed()) };
        match self.job.unified_reporting {
            UnifiedReporting::Separate => separate.into(),
            UnifiedReporting::Mixed => vec![mixed()],
            UnifiedReporting::Both => separate.into_iter().chain([mixed()]).collect(),
        }
    }

    /// CPU time in user mode and in the kernel, as percent of the run time.
    pub(super) fn cpu_percents(&self) -> (f64, f64) {
        let runtime_ms = self.stats.runtime_ms.max(1) as f64;
        let usage = &self.stats.usage;
        (usage.user_ms * 100.0 / runtime_ms, usage.system_ms * 100.0 / runtime_ms)
    }

    /// Whether errors are counted instead of ending the job.
    pub(super) fn counts_errors(&self) -> bool {
        let continues = self.job.continue_on_error;
        continues.read || continues.write || continues.verify
    }

    /// The `errno` of the entry: none where errors are counted instead.
    pub(super) fn errno(&self) -> i32 {
        self.failure.map_or(0, |failure| failure.errno)
    }

    /// What was found, or what was asked for: I/Os in flight per worker.
    pub(super) fn depth(&self) -> u32 {
        self.members[0].answer.map_or(self.job.depth, |answer| answer.depth)
    }
}

fn name(direction: Direction) -> &'static str {
    match direction {
        Direction::Read => "read",
        Direction::Write => "write",
    }
}

/// What a group's workers did in a direction, all together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GroupRates {
    pub(super) bytes: u64,
    pub(super) bytes_per_s: u64,
    pub(super) bytes_per_s_min: u64,
    pub(super) bytes_per_s_max: u64,
    pub(super) runtime_ms_min: u64,
    pub(super) runtime_ms_max: u64,
}

/// Sums up a direction over the entries of a group; `None` if nothing was done.
pub(super) fn group_rates(entries: &[Entry<'_>], group: u32, name: &str) -> Option<GroupRates> {
    let mut rates: Option<GroupRates> = None;
    for entry in entries.iter().filter(|entry| entry.group == group) {
        for shown in entry.directions().iter().filter(|shown| shown.name == name) {
            let stats = &shown.stats;
            if stats.runtime_ms == 0 {
                continue;
            }
            let rate = stats.bytes_per_s();
            let rates = rates.get_or_insert(GroupRates {
                bytes_per_s_min: u64::MAX,
                runtime_ms_min: u64::MAX,
                ..GroupRates::default()
            });
            rates.bytes += stats.bytes;
            rates.bytes_per_s_min = rates.bytes_per_s_min.min(rate);
            rates.bytes_per_s_max = rates.bytes_per_s_max.max(rate);
            rates.runtime_ms_min = rates.runtime_ms_min.min(stats.runtime_ms);
            rates.runtime_ms_max = rates.runtime_ms_max.max(stats.runtime_ms);
        }
    }
    let mut rates = rates?;
    let bytes = u128::from(rates.bytes) * 1000;
    rates.bytes_per_s = (bytes / u128::from(rates.runtime_ms_max.max(1))) as u64;
    Some(rates)
}

/// The share of a group's bandwidth that samples with this mean (in KiB/s) stand for, in percent.
pub(super) fn percent_of_group(mean_kib_per_s: f64, group: Option<GroupRates>) -> f64 {
    match group {
        Some(rates) if rates.bytes_per_s >= 1024 => {
            (mean_kib_per_s * 100.0 / (rates.bytes_per_s / 1024) as f64).min(100.0)
        }
        _ => 0.0,
    }
}
