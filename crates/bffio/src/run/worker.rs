//! One worker from its start to its result.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use aura::Options;

use super::clock::now_ns;
use super::control::{Board, Phase};
use super::failure::Failure;
use super::io::{Io, Tools, fill};
use super::monitor::Monitor;
use super::open::OpenFile;
use super::outcome::WorkerResult;
use super::pace::Pacer;
use super::queue::Queue;
use super::verify::Verifier;
use super::workload::{Workload, unit};
use crate::job::{Direction, Job, PerDirection};
use crate::layout::{RandomBytes, WorkerFiles, seed};
use crate::log::Recorder;
use crate::search::{Seeker, Team};
use crate::stats::WorkerStats;

/// Where repeatable sequences begin unless `randseed=` says otherwise.
const REPEATABLE_SEED: u64 = 0x000f_10b5_eed5;
/// Depth of a search that is not told its highest.
const SEARCH_DEPTH: u32 = 1024;
/// Memory for the buffers of such a search; large blocks get less depth.
const SEARCH_MEMORY_BYTES: u64 = 512 << 20;
/// The largest queue of an engine.
const QUEUE_DEPTH_MAX: u32 = 32_768;

/// A worker's part of the plan.
#[derive(Debug)]
pub(super) struct Assignment<'p> {
    pub(super) job: &'p Job,
    pub(super) files: &'p WorkerFiles,
    pub(super) board: &'p Board,
    /// With whom it searches, and whether it leads.
    pub(super) team: Option<(&'p Team, bool)>,
    /// Its number among all workers of the run, from 0.
    pub(super) index: usize,
    pub(super) group: u32,
    /// Where logs go.
    pub(super) log_folder: Option<PathBuf>,
}

/// Does a worker's job.
pub(super) fn work(assignment: &Assignment<'_>) -> WorkerResult {
    let job = if assignment.job.verify.only { &reading(assignment.job) } else { assignment.job };
    let mut result = WorkerResult::new(assignment.files, assignment.group);
    let board = assignment.board;
    // With `create_only=` everything was done when the files were laid out.
    if wait_for_start(job, board, assignment.index) && !job.files.create_only {
        match run(job, assignment, &mut result) {
            Ok(()) => {}
            Err(failure) => result.failure = Some(failure),
        }
    } else {
        result.stats = WorkerStats::new(&job.recording);
    }
    board.enter(if result.failure.is_some() { Phase::Failed } else { Phase::Done });
    result
}

/// The same job as one that reads what another has written.
fn reading(job: &Job) -> Job {
    let mut job = job.clone();
    job.pattern.does = PerDirection { read: true, write: false };
    if !job.pattern.does.read {
        job.pattern.block_sizes.read = job.pattern.block_sizes.write.clone();
    }
    job.pattern.random_percent.read = job.pattern.random_percent.write;
    job
}

fn run(job: &Job, assignment: &Assignment<'_>, result: &mut WorkerResult) -> Result<(), Failure> {
    let seeker = assignment.team.map(|(team, leads)| Seeker::new(team, leads));
    let ranges = &assignment.files.files;
    let mut files = Vec::with_capacity(ranges.len());
    for range in ranges {
        let mut file = OpenFile::open(job, range)?;
        file.prepare(job, range)?;
        files.push(file);
    }
    let seed = seed_of(job, assignment.index);
    let depth = depth(job);
    let budget = budget_bytes(job, assignment.files.io_bytes);
    let mut content = RandomBytes::new(seed ^ now_ns());
    let mut queue =
        Queue::new(options(job, depth), buffer_bytes(job)).map_err(Failure::of_engine)?;
    // Before the clock starts, as fio does: 16 MiB take as long as hundreds of I/Os.
    let reserved = queue.reserve(slots(job, depth, budget), |buffer| {
        fill(buffer, &job.buffers, &mut content);
    });
    reserved.map_err(Failure::of_engine)?;
    let begun_ns = now_ns();
    let expected_bytes = match budget {
        u64::MAX => 0,
        pass_bytes => pass_bytes.saturating_mul(loops(job).into()),
    };
    let logs = Recorder::new(&job.logs, begun_ns);
    let mut random = RandomBytes::new(seed);
    let tools = Tools {
        queue,
        workload: Workload::new(job, ranges, random.next_u64()),
        monitor: Monitor::new(job, assignment.board, logs, begun_ns, expected_bytes, depth, seeker),
        verifier: Verifier::new(&job.verify, job.pattern.does.write, random.next_u64()),
        pacer: Pacer::new(job, begun_ns, random.next_u64()),
        depth,
        content,
    };
    let mut io = Io::new(job, &files, assignment.board, tools);
    let mut outcome = passes(&mut io, budget);
    // Whatever happened, what is in flight ends before its memory goes.
    outcome = outcome.and(io.drain());
    let ended_ns = now_ns();
    let peak_in_flight = io.peak_in_flight();
    let monitor = io.monitor;
    drop(io.queue);
    let (stats, trace, answer, logs) = monitor.finish(ended_ns);
    (result.stats, result.trace) = (stats, trace);
    result.answer = answer;
    result.peak_in_flight = peak_in_flight;
    for file in &files {
        outcome = outcome.and(file.finish(job));
        if job.files.unlink {
            file.unlink();
        }
    }
    if let Some(logs) = logs {
        let number = assignment.index as u32 + 1;
        let written = logs.write(ended_ns, number, assignment.log_folder.as_deref());
        let failed = |error: std::io::Error| {
            Failure::new(error.raw_os_error().unwrap_or(libc::EIO), error.to_string())
        };
        outcome = outcome.and(written.map_err(failed));
    }
    outcome
}

/// Passes over the files: once, as often as `loops=` says, or until the time is over.
fn passes(io: &mut Io<'_>, budget_bytes: u64) -> Result<(), Failure> {
    let job = io.job;
    let checks = io.verifier.is_some() && job.verify.after_write && job.pattern.does.write;
    let slice_bytes = match job.verify.backlog {
        Some(blocks) if checks => {
            u64::from(blocks.max(1)) * job.pattern.block_sizes.write.max_bytes
        }
        _ => u64::MAX,
    };
    let mut passes_left = loops(job);
    loop {
        io.budget_ios = job.pattern.io_count_max.unwrap_or(u64::MAX);
        let mut left = budget_bytes;
        while left > 0 && !io.monitor.stopping {
            let slice = left.min(slice_bytes);
            let begun_ns = now_ns();
            let outcome = io.pass(slice);
            io.monitor.spent(begun_ns, now_ns(), job.pattern.does);
            outcome?;
            left = if io.budget_ios == 0 { 0 } else { left - slice };
            if checks && !io.monitor.stopping {
                check(io)?;
            }
        }
        passes_left = passes_left.saturating_sub(1);
        let goes_on = job.timing.time_based || passes_left > 0;
        if !goes_on || io.monitor.stopping {
            return Ok(());
        }
    }
}

fn check(io: &mut Io<'_>) -> Result<(), Failure> {
    let waiting = io.verifier.as_ref().map_or(0, Verifier::waiting);
    if waiting == 0 {
        return Ok(());
    }
    let begun_ns = now_ns();
    let outcome = io.check_written();
    let reads = PerDirection { read: true, write: false };
    io.monitor.spent(begun_ns, now_ns(), reads);
    outcome
}

/// Passes. With `io_size=`, what is transferred in all has been said; so it is in fio.
fn loops(job: &Job) -> u32 {
    if job.files.io_size.is_some() { 1 } else { job.timing.loops.max(1) }
}

/// Bytes of a pass. Where only time ends the job and nothing happens between passes, a pass has no end.
fn budget_bytes(job: &Job, io_bytes: u64) -> u64 {
    let endless = job.search.is_some() || job.timing.time_based;
    if endless && job.verify.method.is_none() { u64::MAX } else { io_bytes }
}

/// Slots that are going to be used; nobody knows for a search.
fn slots(job: &Job, depth: u32, budget_bytes: u64) -> u32 {
    let used = Direction::ALL.into_iter().filter(|&direction| job.pattern.does[direction]);
    let smallest = used.map(|direction| job.pattern.block_sizes[direction].min_bytes).min();
    let ios = budget_bytes.div_ceil(smallest.unwrap_or(1).max(1));
    let ios = ios.min(job.pattern.io_count_max.unwrap_or(u64::MAX));
    if job.search.is_some() { 0 } else { ios.min(depth.into()) as u32 }
}

fn depth(job: &Job) -> u32 {
    let Some(search) = &job.search else { return job.depth.min(QUEUE_DEPTH_MAX) };
    let affordable = (SEARCH_MEMORY_BYTES / buffer_bytes(job) as u64) as u32;
    search.depth_max.unwrap_or(SEARCH_DEPTH.min(affordable).max(16)).clamp(1, QUEUE_DEPTH_MAX)
}

fn options(job: &Job, depth: u32) -> Options {
    match &job.search {
        None => fixed_options(depth),
        Some(search) => queue_options(depth)
            .max_p99_latency_ms(search.latency.as_secs_f64() * 1e3)
            .min_in_flight(1)
            .initial_in_flight((depth / 4).clamp(1, 16) as i32),
    }
}

/// Of an engine that leaves the depth to the worker.
pub(super) fn fixed_options(depth: u32) -> Options {
    queue_options(depth).disable_adaptive(true)
}

fn queue_options(depth: u32) -> Options {
    Options::new().queue_depth(depth.max(4).next_power_of_two() as i32)
}

fn buffer_bytes(job: &Job) -> usize {
    let used = Direction::ALL.into_iter().filter(|&direction| job.pattern.does[direction]);
    let largest = used.map(|direction| job.pattern.block_sizes[direction].max_bytes).max();
    largest.unwrap_or(4096) as usize
}

fn seed_of(job: &Job, index: usize) -> u64 {
    let base =
        if job.pattern.repeatable { job.pattern.seed.unwrap_or(REPEATABLE_SEED) } else { seed() };
    RandomBytes::new(base ^ (index as u64) << 40).next_u64()
}

/// Waits for the job's `startdelay`; false if it is to end before that.
fn wait_for_start(job: &Job, board: &Board, index: usize) -> bool {
    let delay = &job.timing.start_delay;
    let spread = delay.end().saturating_sub(*delay.start());
    let share = unit(&mut RandomBytes::new(seed_of(job, index)));
    let starts = Instant::now() + *delay.start() + spread.mul_f64(share);
    while Instant::now() < starts {
        if board.must_stop() {
            return false;
        }
        std::thread::sleep(
            starts.saturating_duration_since(Instant::now()).min(Duration::from_millis(20)),
        );
    }
    !board.must_stop()
}
