//! The closed loop that keeps an engine busy, and notes what it sees in slices of 10 ms.
//!
//! A completed operation's callback checks the data and submits the next one. When the engine says
//! `EAGAIN`, the loop waits for completions and tries again. One thread submits and polls.
//!
//! The engine writes to buffers that this file keeps; that is why it is `unsafe`.
//!
//! # Synchronization
//!
//! Callbacks run within `wait` and submit, so the state's lock is never held while the engine is
//! called. Only one thread takes it: it is never contended.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aura::{Buffer, BufferRef, Engine, Options};
use aura_bench::content::{self, RandomBlocks, Verifier};
use aura_bench::interrupt::{self, Interrupted};
use aura_bench::subject::Subject;
use aura_bench::{BLOCK_BYTES, Error};
use serde::Serialize;

use crate::recording::{Recording, SLICE, Slice};

/// A disk that has not answered for so long will not.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a large read.
const LARGE_BYTES: usize = 256 << 10;

/// What the load does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    RandomReads,
    SequentialReads,
    RandomWrites,
}

impl Work {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RandomReads => "4 KiB random reads",
            Self::SequentialReads => "256 KiB sequential reads",
            Self::RandomWrites => "4 KiB random writes",
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::SequentialReads => LARGE_BYTES,
            Self::RandomReads | Self::RandomWrites => BLOCK_BYTES,
        }
    }
}

/// Who decides how much is in flight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    /// The engine, told nothing.
    Free,
    /// The engine, told the p99 to stay under.
    Target(Duration),
    /// The caller; the engine's controller is off.
    Fixed(usize),
}

impl Limit {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Free => "no target".into(),
            Self::Target(p99) => format!("target {} ms", p99.as_secs_f64() * 1e3),
            Self::Fixed(depth) => format!("fixed {depth}"),
        }
    }

    pub(crate) fn target(self) -> Option<Duration> {
        match self {
            Self::Target(p99) => Some(p99),
            Self::Free | Self::Fixed(_) => None,
        }
    }
}

/// What the engine decided, for the report.
#[derive(Debug, Serialize)]
pub(crate) struct Decided {
    /// Seconds since the engine was made.
    at_s: f64,
    limit_before: u32,
    limit: u32,
    phase: &'static str,
    reason: &'static str,
    in_flight: f64,
    p99_ns: u64,
}

/// An engine and its work.
pub(crate) struct Load {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    file: RawFd,
    file_bytes: u64,
    depth: Option<usize>,
    state: Mutex<State>,
}

struct State {
    work: Work,
    /// All buffers and the free ones, by size.
    buffers: HashMap<usize, (Vec<Buffer>, Vec<usize>)>,
    random: RandomBlocks,
    next_large: u64,
    verifier: Verifier,
    in_flight: usize,
    is_ending: bool,
    last_completion: Instant,
    slice: Slice,
    error: Option<Error>,
}

/// One operation on its way.
#[derive(Clone, Copy)]
struct Job {
    work: Work,
    buffer: usize,
    offset: u64,
    begun: Instant,
}

impl Load {
    pub(crate) fn new(limit: Limit, subject: &Subject) -> Result<Self, Error> {
        let (options, depth) = match limit {
            Limit::Free => (Options::new(), None),
            Limit::Target(p99) => {
                (Options::new().max_p99_latency_ms(p99.as_secs_f64() * 1e3), None)
            }
            Limit::Fixed(depth) => (Options::new().disable_adaptive(true), Some(depth)),
        };
        let now = Instant::now();
        let state = State {
            work: Work::RandomReads,
            buffers: HashMap::new(),
            random: RandomBlocks::new(subject.bytes, next_seed()),
            next_large: 0,
            verifier: subject.verifier(),
            in_flight: 0,
            is_ending: false,
            last_completion: now,
            slice: Slice::default(),
            error: None,
        };
        let shared = Shared {
            engine: Engine::with_options(&options)?,
            file: subject.file.as_raw_fd(),
            file_bytes: subject.bytes,
            depth,
            state: Mutex::new(state),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Works for so long and tells what it saw. What is in flight at the end stays in flight, so that
    /// another kind of work can follow without a pause.
    pub(crate) fn run(&self, work: Work, time: Duration) -> Result<Recording, Error> {
        let shared = &self.shared;
        let mut recording = Recording::default();
        {
            let mut state = shared.state();
            (state.work, state.is_ending) = (work, false);
            (state.last_completion, state.slice) = (Instant::now(), Slice::default());
        }
        let begun = Instant::now();
        let mut slice_ends = begun + SLICE;
        loop {
            while Shared::submit(shared)? {}
            self.wait(slice_ends)?;
            if interrupt::requested() {
                return Err(Interrupted.into());
            }
            let now = Instant::now();
            while now >= slice_ends {
                recording.slices.push(self.end_slice()?);
                slice_ends += SLICE;
                if slice_ends > begun + time {
                    return Ok(recording);
                }
            }
        }
    }

    /// Waits until nothing is in flight.
    pub(crate) fn drain(&self) -> Result<(), Error> {
        self.shared.state().is_ending = true;
        while self.shared.state().in_flight > 0 {
            self.wait(Instant::now() + SLICE)?;
        }
        self.shared.state().error.take().map_or(Ok(()), Err)
    }

    /// [`run`](Self::run) and [`drain`](Self::drain).
    pub(crate) fn turn(&self, work: Work, time: Duration) -> Result<Recording, Error> {
        let recording = self.run(work, time);
        self.drain()?;
        recording
    }

    /// Compares what was kept for the end; how many operations were checked.
    pub(crate) fn finish(&self, subject: &Subject) -> Result<u64, Error> {
        let mut state = self.shared.state();
        subject.finish(&mut state.verifier)?;
        Ok(state.verifier.checked())
    }

    /// The engine's last decisions, oldest first.
    pub(crate) fn decisions(&self) -> Vec<Decided> {
        let decided = |decision: aura::Decision| Decided {
            at_s: decision.at().as_secs_f64(),
            limit_before: decision.limit_before(),
            limit: decision.limit(),
            phase: decision.phase(),
            reason: decision.reason(),
            in_flight: decision.in_flight(),
            p99_ns: decision.p99().as_nanos() as u64,
        };
        self.shared.engine.decisions().into_iter().map(decided).collect()
    }

    fn end_slice(&self) -> Result<Slice, Error> {
        let (limit, is_converged) = match self.shared.depth {
            Some(_) => (0, false),
            None => {
                let engine = &self.shared.engine;
                let phase = engine.ring_stats(0)?.aimd_phase_name();
                (engine.stats()?.optimal_in_flight().unsigned_abs(), phase == "CONVERGED")
            }
        };
        let mut state = self.shared.state();
        let in_flight = state.in_flight as u32;
        let slice = std::mem::take(&mut state.slice);
        Ok(Slice { limit, is_converged, in_flight, ..slice })
    }

    fn wait(&self, until: Instant) -> Result<(), Error> {
        let left = until.saturating_duration_since(Instant::now());
        match self.shared.engine.wait(left.as_millis() as i32 + 1) {
            Err(aura::Error::Io(error)) if is_temporary(&error) => {}
            other => drop(other?),
        }
        let mut state = self.shared.state();
        if state.in_flight > 0 && state.last_completion.elapsed() > PATIENCE {
            let seconds = PATIENCE.as_secs();
            return Err(format!("nothing was answered for {seconds} s; the disk hangs").into());
        }
        state.error.take().map_or(Ok(()), Err)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere is reported where it happens; figures cannot be left half written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Submits one operation; false when there is no room for it.
    fn submit(self: &Arc<Self>) -> Result<bool, Error> {
        let (job, buffer) = {
            let mut state = self.state();
            if state.is_ending || self.depth.is_some_and(|depth| state.in_flight >= depth) {
                return Ok(false);
            }
            state.next_job(&self.engine, self.file_bytes)?
        };
        let shared = Arc::clone(self);
        let completed = move |result| shared.completed(job, result);
        let (bytes, offset) = (job.work.bytes(), job.offset as i64);
        // SAFETY: the buffer is taken until the callback gives it back, and it lives in the state that
        // the callback holds on to.
        let submitted = unsafe {
            match job.work {
                Work::RandomWrites => {
                    self.engine.write(self.file, buffer, bytes, offset, completed)
                }
                _ => self.engine.read(self.file, buffer, bytes, offset, completed),
            }
        };
        let error = match submitted {
            Ok(_) => return Ok(true),
            Err(error) => error,
        };
        self.state().give_back(job);
        match error {
            aura::Error::Submission(error) if is_again(&error) => Ok(false),
            error => Err(error.into()),
        }
    }

    fn completed(self: &Arc<Self>, job: Job, result: aura::Result<usize>) {
        self.state().complete(job, result);
        if let Err(error) = self.submit() {
            self.state().error = Some(error);
        }
    }
}

impl State {
    fn next_job(&mut self, engine: &Engine, file_bytes: u64) -> Result<(Job, BufferRef), Error> {
        let work = self.work;
        let bytes = work.bytes();
        let offset = if work == Work::SequentialReads {
            let offset = self.next_large;
            let next = offset + 2 * bytes as u64;
            self.next_large = if next > file_bytes { 0 } else { offset + bytes as u64 };
            offset
        } else {
            self.random.draw()
        };
        let (all, free) = self.buffers.entry(bytes).or_default();
        let index = match free.pop() {
            Some(index) => index,
            None => {
                all.push(engine.allocate_buffer(bytes)?);
                all.len() - 1
            }
        };
        if work == Work::RandomWrites {
            // What is there already: the file can be checked before, during and after.
            content::fill(offset, all[index].as_mut_slice());
        }
        let buffer = BufferRef::from(&all[index]);
        self.in_flight += 1;
        Ok((Job { work, buffer: index, offset, begun: Instant::now() }, buffer))
    }

    fn give_back(&mut self, job: Job) {
        self.in_flight -= 1;
        if let Some((_, free)) = self.buffers.get_mut(&job.work.bytes()) {
            free.push(job.buffer);
        }
    }

    fn complete(&mut self, job: Job, result: aura::Result<usize>) {
        let now = Instant::now();
        self.give_back(job);
        self.last_completion = now;
        let tenths = (now - job.begun).as_nanos() / 100;
        self.slice.latencies.push(u32::try_from(tenths).unwrap_or(u32::MAX));
        self.slice.bytes += job.work.bytes() as u64;
        if let Err(error) = self.check(job, result) {
            self.is_ending = true;
            self.error.get_or_insert(error);
        }
    }

    fn check(&mut self, job: Job, result: aura::Result<usize>) -> Result<(), Error> {
        let (name, bytes) = (job.work.name(), job.work.bytes());
        match result {
            Ok(moved) if moved == bytes => {}
            Ok(moved) => {
                return Err(format!("{name} at {}: {moved} bytes of {bytes}", job.offset).into());
            }
            Err(error) => return Err(format!("{name} at {}: {error}", job.offset).into()),
        }
        if job.work == Work::RandomWrites {
            return Ok(());
        }
        let buffer = self.buffers.get(&bytes).map(|(all, _)| all[job.buffer].as_slice());
        let block = buffer.and_then(|bytes| bytes.first_chunk());
        self.verifier.check(job.offset, block.ok_or("the pool's buffer is too small")?)
    }
}

/// A seed of each load's own, in whatever process: what another has just read the host may still have.
fn next_seed() -> u64 {
    static LOADS: AtomicU64 = AtomicU64::new(0);
    let load = LOADS.fetch_add(1, Ordering::Relaxed);
    u64::from(std::process::id()) << 32 | load
}

fn is_again(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAGAIN)
}

/// A wait that ended for another reason than a completion.
fn is_temporary(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ETIMEDOUT | libc::EINTR))
}
