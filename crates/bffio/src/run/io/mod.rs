//! The loop of a worker: submit, wait, account; and a look at the clock and the supervisor now and then.

mod complete;
mod hold;
mod submit;
mod think;

use std::time::Duration;

pub(super) use submit::fill;

use super::clock::now_ns;
use super::control::{Board, Phase};
use super::failure::Failure;
use super::monitor::Monitor;
use super::open::OpenFile;
use super::pace::Pacer;
use super::queue::{Completion, Queue};
use super::verify::Verifier;
use super::workload::{Step, Workload};
use crate::job::Job;
use crate::layout::RandomBytes;

/// The longest wait before the loop looks around.
const LOOK_AROUND_MS: i32 = 100;
/// Without an end: a timer for each wait would cost more than all of the bookkeeping, and I/Os complete.
const FOREVER: i32 = -1;
/// How often it looks around under load.
pub(super) const LOOK_AROUND_NS: u64 = 10_000_000;
/// I/Os in flight when a search begins. The engine first watches without a limit; everything at once
/// would be far over the target before it has seen anything.
const SEARCH_BEGINS_WITH: u32 = 16;
/// The phase in which the engine watches, by number: PASSTHROUGH.
const WATCHING: i32 = 6;

/// What is in flight in a slot.
#[derive(Clone, Copy, Debug)]
struct Context {
    step: Step,
    kind: Kind,
    start_ns: u64,
    issue_ns: u64,
    /// Bytes that earlier attempts transferred.
    done_bytes: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// A read or write of the job.
    Data,
    /// A read that checks what was written.
    Check,
    Sync,
}

/// A worker at its work.
pub(super) struct Io<'w> {
    pub(super) job: &'w Job,
    pub(super) files: &'w [OpenFile],
    pub(super) queue: Queue,
    pub(super) workload: Workload,
    pub(super) monitor: Monitor<'w>,
    pub(super) board: &'w Board,
    pub(super) verifier: Option<Verifier>,
    pub(super) pacer: Option<Pacer>,
    /// Most I/Os in flight.
    depth: u32,
    /// How far a search may raise that while it begins.
    depth_max: u32,
    /// The search is over: the depth is the worker's own.
    is_held: bool,
    /// Slots of the engine that searched.
    slots_before: u32,
    /// I/Os that were done when it last did.
    raised_at_ios: u64,
    /// In flight after the last submissions.
    loaded: u32,
    /// Where the content of writes comes from.
    content: RandomBytes,
    contexts: Vec<Context>,
    idle: Vec<u32>,
    completions: Vec<Completion>,
    /// An I/O that was drawn and could not be submitted yet.
    held: Option<Step>,
    /// Bytes and I/Os that may still be issued in this pass.
    budget_bytes: u64,
    pub(super) budget_ios: u64,
    /// The latest look at the clock.
    now_ns: u64,
    look_ns: u64,
    writes_since_sync: u32,
    /// I/Os until the next pause.
    until_think: u32,
    next_think_ns: u64,
    is_checking: bool,
}

/// What a worker brings to its loop.
pub(super) struct Tools<'w> {
    pub(super) queue: Queue,
    pub(super) workload: Workload,
    pub(super) monitor: Monitor<'w>,
    pub(super) verifier: Option<Verifier>,
    pub(super) pacer: Option<Pacer>,
    pub(super) depth: u32,
    pub(super) content: RandomBytes,
}

impl<'w> Io<'w> {
    pub(super) fn new(
        job: &'w Job,
        files: &'w [OpenFile],
        board: &'w Board,
        tools: Tools<'w>,
    ) -> Self {
        let Tools { queue, workload, monitor, verifier, pacer, depth, content } = tools;
        let now = now_ns();
        Self {
            job,
            files,
            queue,
            workload,
            board,
            verifier,
            pacer,
            depth: if monitor.seeker.is_some() { depth.min(SEARCH_BEGINS_WITH) } else { depth },
            depth_max: depth,
            is_held: false,
            slots_before: 0,
            raised_at_ios: 0,
            loaded: 0,
            monitor,
            content,
            contexts: Vec::new(),
            idle: Vec::new(),
            completions: Vec::new(),
            held: None,
            budget_bytes: 0,
            budget_ios: 0,
            now_ns: now,
            look_ns: 0,
            writes_since_sync: 0,
            until_think: job.think.ios.max(1),
            next_think_ns: now + job.think.io_time.as_nanos() as u64,
            is_checking: false,
        }
    }

    /// Does I/O until so many bytes are issued and completed, or it is time to end.
    pub(super) fn pass(&mut self, budget_bytes: u64) -> Result<(), Failure> {
        self.budget_bytes = budget_bytes;
        self.run()
    }

    /// Reads back and checks everything that was written since the last time.
    pub(super) fn check_written(&mut self) -> Result<(), Failure> {
        let Some(verifier) = &mut self.verifier else { return Ok(()) };
        verifier.begin_check();
        self.is_checking = true;
        self.held = None;
        self.board.enter(Phase::Verifying);
        let outcome = self.run();
        self.is_checking = false;
        self.board.enter(Phase::Running);
        outcome
    }

    fn run(&mut self) -> Result<(), Failure> {
        self.now_ns = now_ns();
        loop {
            if self.now_ns >= self.look_ns {
                self.look_around()?;
            }
            if self.think_is_due() && self.queue.in_flight() == 0 {
                self.pause();
            }
            let due_ns = self.fill()?;
            if self.queue.in_flight() == 0 && due_ns.is_none() {
                return Ok(());
            }
            self.wait(due_ns)?;
            self.reap()?;
        }
    }

    /// Waits for what is in flight, without starting anything new. Errors are those of the engine.
    pub(super) fn drain(&mut self) -> Result<(), Failure> {
        self.monitor.stopping = true;
        while self.queue.in_flight() > 0 {
            self.queue.wait(LOOK_AROUND_MS).map_err(Failure::of_engine)?;
            self.reap()?;
        }
        Ok(())
    }

    fn look_around(&mut self) -> Result<(), Failure> {
        self.monitor.look(self.now_ns, self.queue.engine(), self.loaded);
        if let Some(depth) = self.monitor.hold.take() {
            self.hold(depth)?;
        } else if self.depth < self.depth_max && !self.is_held {
            self.raise_depth();
        }
        self.look_ns = self.monitor.next_look_ns(self.now_ns);
        let totals = self.monitor.totals();
        match self.pacer.as_mut().and_then(|pacer| pacer.missed(self.now_ns, totals)) {
            Some(direction) => Err(Failure::too_slow(direction)),
            None => Ok(()),
        }
    }

    /// Doubles the load of a search that begins, until the engine has seen enough to limit it.
    fn raise_depth(&mut self) {
        let phase = self.queue.engine().ring_stats(0).map_or(WATCHING, |ring| ring.aimd_phase());
        let totals = self.monitor.totals();
        let ios = totals.read.1 + totals.write.1;
        if phase != WATCHING {
            self.depth = self.depth_max;
        } else if ios >= self.raised_at_ios + 4 * u64::from(self.depth) {
            self.depth = (self.depth * 2).min(self.depth_max);
            self.raised_at_ios = ios;
        }
    }

    #[inline]
    fn wait(&mut self, due_ns: Option<u64>) -> Result<(), Failure> {
        let waited = match due_ns {
            Some(due_ns) if due_ns > self.now_ns => self.wait_until(due_ns),
            _ => self.queue.wait(FOREVER),
        };
        waited.map_err(Failure::of_engine)
    }

    /// Waits for a completion or a moment, whichever comes first. The engine's own wait counts in
    /// milliseconds, which is too coarse for thousands of I/Os a second.
    #[cold]
    fn wait_until(&mut self, due_ns: u64) -> aura::Result<()> {
        let left_ns = due_ns.saturating_sub(self.now_ns);
        let left = Duration::from_nanos(left_ns).min(Duration::from_millis(LOOK_AROUND_MS as u64));
        if self.queue.in_flight() == 0 {
            std::thread::sleep(left);
            self.now_ns = now_ns();
            return Ok(());
        }
        super::sleep::until_readable(self.queue.poll_fd()?, left);
        self.queue.wait(0)
    }
}
