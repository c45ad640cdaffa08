//! Which worker runs when, and what the observer sees of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant, SystemTime};

use super::aggregate::BandwidthLog;
use super::control::{Board, Phase};
use super::outcome::{Outcome, WorkerResult};
use super::steady::{self, Watch};
use super::worker::{Assignment, work};
use super::{Error, trace};
use crate::job::{Job, PerDirection, Plan};
use crate::layout::WorkerFiles;
use crate::search::Team;
use crate::stats::disk::Disks;
use crate::watch::{JobNow, Observer, RingNow, Snapshot, Stage};

/// How long a partial report waits for the workers' counts.
const REPORT_PATIENCE: Duration = Duration::from_millis(500);
/// How often the supervisor looks whether workers have ended.
const TICK: Duration = Duration::from_millis(20);

/// A run that is going on.
pub(super) struct Supervisor<'p> {
    plan: &'p Plan,
    workers: &'p [WorkerFiles],
    boards: &'p [Board],
    /// One per worker, of which searches that belong together use the first.
    teams: &'p [Team],
    groups: Vec<u32>,
    begun: Instant,
    interrupted: &'p AtomicBool,
    /// Bytes and I/Os at the last tick, by job.
    last: Vec<(PerDirection<u64>, PerDirection<u64>)>,
    last_tick: Instant,
    last_status: Instant,
    /// A partial report, whenever one is due.
    report: &'p mut dyn FnMut(&Outcome),
    disks: &'p Disks,
    bandwidth_log: Option<BandwidthLog>,
    steady: Vec<Watch>,
}

impl<'p> Supervisor<'p> {
    pub(super) fn new(
        plan: &'p Plan,
        workers: &'p [WorkerFiles],
        boards: &'p [Board],
        teams: &'p [Team],
        interrupted: &'p AtomicBool,
        disks: &'p Disks,
        report: &'p mut dyn FnMut(&Outcome),
    ) -> Self {
        let now = Instant::now();
        let groups = groups(&plan.jobs);
        Self {
            plan,
            workers,
            boards,
            teams,
            steady: steady::watches(plan, workers, &groups),
            groups,
            begun: now,
            interrupted,
            last: vec![Default::default(); plan.jobs.len()],
            last_tick: now,
            last_status: now,
            report,
            disks,
            bandwidth_log: BandwidthLog::new(&plan.settings),
        }
    }

    /// Runs all workers: those between two stone walls together, others one wall after the other.
    pub(super) fn run(mut self, observer: &mut dyn Observer) -> Result<Outcome, Error> {
        let mut results = Vec::with_capacity(self.workers.len());
        std::thread::scope(|scope| {
            let mut jobs = 0..0;
            while jobs.end < self.plan.jobs.len() && !self.is_interrupted() {
                jobs = self.until_wall(jobs.end);
                let mut waiting: Vec<usize> = (0..self.workers.len())
                    .filter(|&worker| jobs.contains(&self.workers[worker].job))
                    .collect();
                let mut running: Vec<ScopedJoinHandle<'_, WorkerResult>> = Vec::new();
                loop {
                    let ready = |worker: &usize| self.may_start(self.workers[*worker].job);
                    let starting: Vec<usize> = waiting.iter().copied().filter(ready).collect();
                    waiting.retain(|worker| !starting.contains(worker));
                    for worker in starting {
                        let assignment = self.assignment(worker);
                        self.before(assignment.job, assignment.files)?;
                        let thread = std::thread::Builder::new().name("bffio worker".into());
                        let started = thread.spawn_scoped(scope, move || work(&assignment));
                        running.push(started.map_err(|error| {
                            self.stop_all();
                            Error::new(format!("a worker's thread cannot be started: {error}"))
                        })?);
                    }
                    if waiting.is_empty() && running.iter().all(ScopedJoinHandle::is_finished) {
                        break;
                    }
                    std::thread::sleep(TICK);
                    self.tick(observer);
                    if self.is_interrupted() {
                        waiting.clear();
                    }
                }
                for worker in running {
                    let result = worker.join();
                    results.push(result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
                }
                self.after(jobs.clone());
            }
            Ok::<(), Error>(())
        })?;
        observer.tick(&self.snapshot());
        if let Some(log) = &self.bandwidth_log {
            log.write(self.plan.settings.aux_path.as_deref())?;
        }
        for (worker, steadiness) in self.steady.iter().map(Watch::result) {
            let WorkerFiles { job, number, .. } = self.workers[worker];
            let result = results.iter_mut().find(|one| (one.job, one.number) == (job, number));
            if let Some(result) = result {
                result.steady = Some(steadiness.clone());
            }
        }
        results.sort_by_key(|result| (result.job, result.number));
        Ok(self.outcome(results))
    }

    /// The jobs from here to the next stone wall.
    fn until_wall(&self, first: usize) -> std::ops::Range<usize> {
        let rest = self.plan.jobs.iter().enumerate().skip(first + 1);
        let wall = rest.filter(|(_, job)| job.stonewall).map(|(index, _)| index).next();
        first..wall.unwrap_or(self.plan.jobs.len())
    }

    /// Whether what the job waits for is over. A job that is not there is not waited for.
    fn may_start(&self, job: usize) -> bool {
        let Some(name) = &self.plan.jobs[job].wait_for else { return true };
        let mut others = self.workers.iter().zip(self.boards);
        others.all(|(worker, board)| {
            worker.job == job || self.plan.jobs[worker.job].name != *name || board.is_over()
        })
    }

    fn assignment(&self, worker: usize) -> Assignment<'p> {
        let files = &self.workers[worker];
        Assignment {
            job: &self.plan.jobs[files.job],
            files,
            board: &self.boards[worker],
            team: self.team(worker),
            index: worker,
            group: self.groups[files.job],
            log_folder: self.plan.settings.aux_path.clone(),
        }
    }

    /// The workers of a job search together, unless each is to follow its own latencies for good.
    fn team(&self, worker: usize) -> Option<(&'p Team, bool)> {
        let job = self.workers[worker].job;
        let search = self.plan.jobs[job].search.as_ref()?;
        let first = self.workers.iter().position(|one| one.job == job)?;
        let leader = if search.adjusts { worker } else { first };
        Some((&self.teams[leader], leader == worker))
    }

    fn before(&self, job: &Job, files: &WorkerFiles) -> Result<(), Error> {
        match &job.exec_before {
            Some(command) if files.number == 0 => {
                shell(command, &job.name).inspect_err(|_| self.stop_all())
            }
            _ => Ok(()),
        }
    }

    fn after(&self, jobs: std::ops::Range<usize>) {
        for job in &self.plan.jobs[jobs] {
            if let Some(command) = &job.exec_after {
                // The results are worth more than what was to follow them.
                if let Err(error) = shell(command, &job.name) {
                    eprintln!("bffio: {error}");
                }
            }
        }
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    fn stop_all(&self) {
        self.boards.iter().for_each(Board::stop);
    }

    fn tick(&mut self, observer: &mut dyn Observer) {
        if observer.wants_stop() {
            self.interrupted.store(true, Ordering::Relaxed);
        }
        if self.is_interrupted() || self.somebody_ends_all() {
            self.stop_all();
        }
        self.steady.iter_mut().for_each(|watch| watch.look(self.boards));
        if self.last_tick.elapsed() >= observer.interval() {
            let snapshot = self.snapshot();
            observer.tick(&snapshot);
        }
        if let Some(log) = &mut self.bandwidth_log {
            let shown = self.boards.iter().map(|board| board.shown().bytes);
            log.look(shown.fold(PerDirection::default(), |sum: PerDirection<u64>, bytes| {
                PerDirection::from_fn(|direction| sum[direction] + bytes[direction])
            }));
        }
        let interval = self.plan.settings.status_interval;
        if interval.is_some_and(|interval| self.last_status.elapsed() >= interval) {
            self.last_status = Instant::now();
            let partial = self.partial();
            (self.report)(&partial);
        }
    }

    fn somebody_ends_all(&self) -> bool {
        self.workers.iter().zip(self.boards).any(|(worker, board)| {
            let job = &self.plan.jobs[worker.job];
            match board.phase() {
                Phase::Done => job.exit_all,
                Phase::Failed => job.exit_all || job.exit_all_on_error,
                _ => false,
            }
        })
    }

    fn snapshot(&mut self) -> Snapshot {
        let since_s = self.last_tick.elapsed().as_secs_f64().max(1e-3);
        self.last_tick = Instant::now();
        let jobs: Vec<JobNow> =
            (0..self.plan.jobs.len()).map(|job| self.job_now(job, since_s)).collect();
        let done =
            self.boards.iter().map(|board| if board.is_over() { 1.0 } else { board.shown().done });
        let done = done.sum::<f64>() / self.boards.len().max(1) as f64;
        let elapsed = self.begun.elapsed();
        // Two percent tell enough to guess the rest from.
        let remaining = (done > 0.02).then(|| elapsed.mul_f64((1.0 - done) / done));
        Snapshot { elapsed, remaining, done: Some(done), jobs }
    }

    fn job_now(&mut self, job: usize, since_s: f64) -> JobNow {
        let of_job = self.workers.iter().zip(self.boards).filter(|(worker, _)| worker.job == job);
        let boards: Vec<&Board> = of_job.map(|(_, board)| board).collect();
        let (mut bytes, mut ios) = <(PerDirection<u64>, PerDirection<u64>)>::default();
        let mut rings: Vec<RingNow> = Vec::with_capacity(boards.len());
        for shown in boards.iter().map(|board| board.shown()) {
            bytes = PerDirection::from_fn(|direction| bytes[direction] + shown.bytes[direction]);
            ios = PerDirection::from_fn(|direction| ios[direction] + shown.ios[direction]);
            rings.push(shown.ring());
        }
        let (last_bytes, last_ios) = std::mem::replace(&mut self.last[job], (bytes, ios));
        let is_running = |board: &&&Board| !board.is_over() && board.phase() != Phase::Waiting;
        let running = boards.iter().find(is_running).or(boards.first());
        let running_count = boards.iter().filter(is_running).count() as u32;
        // After the end there is no rate, only a rest that arrived since the last tick.
        let per_s = |now: u64, before: u64| match running_count {
            0 => 0.0,
            _ => now.saturating_sub(before) as f64 / since_s,
        };
        JobNow {
            name: self.plan.jobs[job].name.clone(),
            workload: self.plan.jobs[job].pattern.name(),
            stage: running.map_or(Stage::Waiting, |board| board.stage()),
            workers_running: running_count,
            bytes_per_s: PerDirection::from_fn(|d| per_s(bytes[d], last_bytes[d])),
            ios_per_s: PerDirection::from_fn(|d| per_s(ios[d], last_ios[d])),
            rings,
            target: self.plan.jobs[job].search.as_ref().map(|search| search.latency),
        }
    }

    /// The outcome so far: counts of workers that are running.
    fn partial(&self) -> Outcome {
        self.boards.iter().for_each(Board::want_report);
        let deadline = Instant::now() + REPORT_PATIENCE;
        let answers = |board: &Board| {
            !board.report_is_wanted() || board.is_over() || board.phase() == Phase::Waiting
        };
        while Instant::now() < deadline && !self.boards.iter().all(answers) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let counted = self.workers.iter().zip(self.boards).filter_map(|(worker, board)| {
            let mut result = WorkerResult::new(worker, self.groups[worker.job]);
            result.stats = board.take_report()?;
            Some(result)
        });
        self.outcome(counted.collect())
    }

    fn outcome(&self, workers: Vec<WorkerResult>) -> Outcome {
        Outcome {
            trace: trace::of(self.plan, &workers),
            failed: workers.iter().any(|worker| worker.failure.is_some()),
            plan: self.plan.clone(),
            workers,
            disks: self.disks.used(),
            ended: SystemTime::now(),
            elapsed: self.begun.elapsed(),
            interrupted: self.is_interrupted(),
        }
    }
}

/// The reporting group of each job: a wall or `new_group` begins another.
fn groups(jobs: &[Job]) -> Vec<u32> {
    let mut group = 0;
    let numbers = jobs.iter().enumerate().map(|(index, job)| {
        if index > 0 && (job.stonewall || job.new_group) {
            group += 1;
        }
        group
    });
    numbers.collect()
}

fn shell(command: &str, job: &str) -> Result<(), Error> {
    let status = std::process::Command::new("sh").args(["-c", command]).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Error::new(format!("{job}: the command {command:?} failed: {status}"))),
        Err(error) => Err(Error::new(format!("{job}: the command {command:?}: {error}"))),
    }
}
