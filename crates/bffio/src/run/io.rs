//! The loop of a worker: submit, wait, account; and a look at the clock and the supervisor now and then.

use std::time::Duration;

use super::clock::now_ns;
use super::control::{Board, Phase};
use super::failure::Failure;
use super::monitor::Monitor;
use super::open::OpenFile;
use super::pace::Pacer;
use super::queue::{Completion, Operation, Queue};
use super::verify::Verifier;
use super::workload::{Step, Workload};
use crate::job::{Buffers, Direction, Job, ThinkCount};
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
    /// I/Os that were done when it last did.
    raised_at_ios: u64,
    /// In flight after the last submissions.
    loaded: u32,
    /// Where the content of writes comes from.
    content: RandomBytes,
    contexts: Vec<Context>,
    idle: Vec<u32>,
    completions: Vec<Completion>,
    /// Slots of this round's submissions.
    fresh: Vec<u32>,
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
            depth: if monitor.finder.is_some() { depth.min(SEARCH_BEGINS_WITH) } else { depth },
            depth_max: depth,
            raised_at_ios: 0,
            loaded: 0,
            monitor,
            content,
            contexts: Vec::new(),
            idle: Vec::new(),
            completions: Vec::new(),
            fresh: Vec::new(),
            held: None,
            budget_bytes: 0,
            budget_ios: job.pattern.io_count_max.unwrap_or(u64::MAX),
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
        if self.depth < self.depth_max {
            self.raise_depth();
        }
        self.look_ns = self.monitor.next_look_ns(self.now_ns);
        if let Some(pacer) = &mut self.pacer {
            if let Some(direction) = pacer.missed(self.now_ns, self.monitor.totals()) {
                return Err(Failure::too_slow(direction));
            }
        }
        Ok(())
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

    /// Submits as much as depth, budget, limit and rates allow. If only the rates keep it, it is told
    /// when it is time.
    #[inline]
    fn fill(&mut self) -> Result<Option<u64>, Failure> {
        let start_ns = self.now_ns;
        let mut due_ns = None;
        self.fresh.clear();
        while self.queue.in_flight() < self.depth && !self.monitor.stopping {
            if self.sync_is_due() {
                if !self.submit_sync(start_ns)? {
                    break;
                }
                continue;
            }
            if self.think_is_due() {
                // What is in flight ends first.
                due_ns = Some(start_ns);
                break;
            }
            let Some(step) = self.draw() else { break };
            if let Some(pacer) = self.pacer.as_ref().filter(|_| !self.is_checking) {
                let due = pacer.due_ns(step.direction);
                if due > start_ns {
                    self.held = Some(step);
                    due_ns = Some(due);
                    break;
                }
            }
            if !self.submit_data(step, start_ns)? {
                self.held = Some(step);
                break;
            }
        }
        if !self.fresh.is_empty() {
            self.note_submitted(start_ns);
        }
        self.loaded = self.queue.in_flight();
        Ok(due_ns)
    }

    #[inline]
    fn draw(&mut self) -> Option<Step> {
        if let Some(held) = self.held.take() {
            return Some(held);
        }
        if self.is_checking {
            return self.verifier.as_mut()?.next_check();
        }
        if self.budget_bytes == 0 || self.budget_ios == 0 {
            return None;
        }
        let drawn = self.workload.direction();
        let direction = self.pacer.as_ref().map_or(drawn, |pacer| pacer.choose(drawn));
        self.workload.next(direction, self.budget_bytes)
    }

    #[inline]
    fn submit_data(&mut self, step: Step, start_ns: u64) -> Result<bool, Failure> {
        let slot = self.slot()?;
        let kind = if self.is_checking { Kind::Check } else { Kind::Data };
        if step.direction == Direction::Write {
            self.prepare_write(slot, &step);
        }
        let context = Context { step, kind, start_ns, issue_ns: start_ns, done_bytes: 0 };
        self.contexts[slot as usize] = context;
        if !self.submit(slot)? {
            self.idle.push(slot);
            return Ok(false);
        }
        self.monitor.stats.depth.at_depth(self.queue.in_flight());
        self.fresh.push(slot);
        if kind == Kind::Data {
            self.budget_bytes = self.budget_bytes.saturating_sub(step.length.into());
            self.budget_ios -= 1;
            if let Some(pacer) = &mut self.pacer {
                pacer.issued(step.direction, step.length.into());
            }
            if self.job.think.counts == ThinkCount::Issued {
                self.until_think = self.until_think.saturating_sub(1);
            }
            if step.direction == Direction::Write {
                self.writes_since_sync += 1;
            }
        }
        Ok(true)
    }

    /// Hands a slot's I/O, or what is left of it, to the engine.
    #[inline]
    fn submit(&mut self, slot: u32) -> Result<bool, Failure> {
        let context = &self.contexts[slot as usize];
        let Context { step, done_bytes: at, .. } = *context;
        let fd = self.files[step.file as usize].fd;
        let (length, offset) = (step.length - at, step.offset + u64::from(at));
        let operation = match (context.kind, step.direction) {
            (Kind::Sync, _) if self.job.files.fsync_every > 0 => Operation::Fsync { fd },
            (Kind::Sync, _) => Operation::Fdatasync { fd },
            (_, Direction::Read) => Operation::Read { fd, at, length, offset },
            (_, Direction::Write) => Operation::Write { fd, at, length, offset },
        };
        self.queue.submit(slot, operation).map_err(Failure::of_engine)
    }

    /// A slot without I/O.
    #[inline]
    fn slot(&mut self) -> Result<u32, Failure> {
        match self.idle.pop() {
            Some(slot) => Ok(slot),
            None => self.new_slot(),
        }
    }

    #[cold]
    fn new_slot(&mut self) -> Result<u32, Failure> {
        let slot = self.queue.add_slot().map_err(Failure::of_engine)?;
        let buffer = self.queue.buffer(slot);
        match &self.job.buffers {
            Buffers::Random => self.content.fill(buffer),
            Buffers::Zeros => buffer.fill(0),
            Buffers::Pattern(pattern) => super::verify::repeat(pattern, buffer),
        }
        let direction = Direction::Read;
        let step = Step { direction, file: 0, offset: 0, length: 0 };
        let context = Context { step, kind: Kind::Data, start_ns: 0, issue_ns: 0, done_bytes: 0 };
        self.contexts.push(context);
        Ok(slot)
    }

    #[inline]
    fn prepare_write(&mut self, slot: u32, step: &Step) {
        let buffer = &mut self.queue.buffer(slot)[..step.length as usize];
        if let Some(verifier) = &mut self.verifier {
            verifier.stamp(buffer, step.offset);
        } else if self.job.buffers == Buffers::Random {
            // Without this, storage that finds duplicates would store each buffer once.
            for sector in buffer.chunks_exact_mut(512) {
                sector[..8].copy_from_slice(&self.content.next_u64().to_le_bytes());
            }
        }
    }

    fn note_submitted(&mut self, start_ns: u64) {
        let recording = &self.job.recording;
        if recording.slat {
            let issue_ns = now_ns();
            for &slot in &self.fresh {
                let context = &mut self.contexts[slot as usize];
                context.issue_ns = issue_ns;
                let direction = context.step.direction;
                let slat = &mut self.monitor.stats.directions[direction].slat;
                slat.add(issue_ns - start_ns);
            }
        }
        self.monitor.stats.depth.submitted(self.fresh.len());
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

    /// Accounts for what has completed.
    #[inline]
    fn reap(&mut self) -> Result<(), Failure> {
        let mut completions = std::mem::take(&mut self.completions);
        self.queue.take_completions(&mut completions);
        self.now_ns = now_ns();
        let mut outcome = Ok(());
        if !completions.is_empty() {
            self.monitor.stats.depth.completed(completions.len());
            for &completion in &completions {
                let done = self.complete(completion);
                outcome = outcome.and(done);
            }
        }
        self.completions = completions;
        outcome
    }

    #[inline]
    fn complete(&mut self, Completion { slot, result }: Completion) -> Result<(), Failure> {
        let context = &mut self.contexts[slot as usize];
        let Context { step, kind, start_ns, issue_ns, .. } = *context;
        if kind == Kind::Sync {
            self.idle.push(slot);
            return self.complete_sync(step, result, start_ns);
        }
        if result < 0 {
            self.idle.push(slot);
            return self.failed(&step, -result);
        }
        context.done_bytes += result as u32;
        if context.done_bytes < step.length {
            return self.go_on(slot, result == 0);
        }
        self.idle.push(slot);
        self.monitor.record(&step, start_ns, issue_ns, self.now_ns);
        if kind == Kind::Data && self.job.think.counts == ThinkCount::Completed {
            self.until_think = self.until_think.saturating_sub(1);
        }
        if self.verifier.is_some() {
            self.verify(slot, &step, kind)?;
        }
        match self.job.max_latency {
            Some(most) if u128::from(self.now_ns - start_ns) > most.as_nanos() => {
                Err(Failure::too_late(&step, self.now_ns - start_ns))
            }
            _ => Ok(()),
        }
    }

    #[cold]
    fn verify(&mut self, slot: u32, step: &Step, kind: Kind) -> Result<(), Failure> {
        let Some(verifier) = &mut self.verifier else { return Ok(()) };
        match (kind, step.direction) {
            (_, Direction::Write) => verifier.written(step),
            (Kind::Data, _) if !verifier.checks_plain_reads() => {}
            _ => {
                let buffer = &self.queue.buffer(slot)[..step.length as usize];
                if let Err(mismatch) = verifier.check(buffer, step.offset) {
                    let failure =
                        Failure::mismatch(&self.files[step.file as usize].path, &mismatch);
                    return self.tolerate(failure, self.job.continue_on_error.verify);
                }
            }
        }
        Ok(())
    }

    /// A short transfer goes on where it ended; one that transferred nothing would go on for ever.
    #[cold]
    fn go_on(&mut self, slot: u32, is_stuck: bool) -> Result<(), Failure> {
        let step = self.contexts[slot as usize].step;
        self.monitor.stats.directions[step.direction].short_ios += 1;
        if is_stuck {
            self.idle.push(slot);
            return self.failed(&step, libc::EIO);
        }
        while !self.submit(slot)? {
            self.queue.wait(LOOK_AROUND_MS).map_err(Failure::of_engine)?;
        }
        Ok(())
    }

    #[cold]
    fn failed(&mut self, step: &Step, errno: i32) -> Result<(), Failure> {
        if errno == libc::ENOSPC && self.job.files.fill_device {
            self.monitor.stopping = true;
            return Ok(());
        }
        let continues = match step.direction {
            Direction::Read => self.job.continue_on_error.read,
            Direction::Write => self.job.continue_on_error.write,
        };
        let path = &self.files[step.file as usize].path;
        self.tolerate(Failure::of_io(path, step, errno), continues)
    }

    fn tolerate(&mut self, failure: Failure, continues: bool) -> Result<(), Failure> {
        if !continues {
            self.monitor.stopping = true;
            return Err(failure);
        }
        self.monitor.stats.error_count += 1;
        if self.monitor.stats.first_error == 0 {
            self.monitor.stats.first_error = failure.errno;
        }
        Ok(())
    }

    fn sync_is_due(&self) -> bool {
        let files = &self.job.files;
        let every = if files.fsync_every > 0 { files.fsync_every } else { files.fdatasync_every };
        every > 0 && self.writes_since_sync >= every
    }

    fn submit_sync(&mut self, start_ns: u64) -> Result<bool, Failure> {
        let slot = self.slot()?;
        let step = Step { direction: Direction::Write, file: 0, offset: 0, length: 0 };
        let kind = Kind::Sync;
        self.contexts[slot as usize] =
            Context { step, kind, start_ns, issue_ns: start_ns, done_bytes: 0 };
        let taken = self.submit(slot)?;
        if taken {
            self.writes_since_sync = 0;
        } else {
            self.idle.push(slot);
        }
        Ok(taken)
    }

    fn complete_sync(&mut self, step: Step, result: i32, start_ns: u64) -> Result<(), Failure> {
        if result < 0 {
            return self.failed(&step, -result);
        }
        self.monitor.stats.sync.add(self.now_ns - start_ns);
        Ok(())
    }

    #[inline]
    fn think_is_due(&self) -> bool {
        let think = &self.job.think;
        !think.time.is_zero()
            && !self.is_checking
            && (self.until_think == 0
                || !think.io_time.is_zero() && self.now_ns >= self.next_think_ns)
    }

    #[cold]
    fn pause(&mut self) {
        let think = &self.job.think;
        let begun_ns = now_ns();
        let spin_ns = think.spin.min(think.time).as_nanos() as u64;
        while now_ns() < begun_ns + spin_ns {
            std::hint::spin_loop();
        }
        let mut left = think.time.saturating_sub(think.spin);
        while !left.is_zero() && !self.monitor.stopping {
            let part = left.min(Duration::from_nanos(LOOK_AROUND_NS));
            std::thread::sleep(part);
            left -= part;
            self.monitor.look(now_ns(), self.queue.engine(), 0);
        }
        self.now_ns = now_ns();
        self.until_think = think.ios.max(1);
        self.next_think_ns = self.now_ns + think.io_time.as_nanos() as u64;
        if let Some(pacer) = &mut self.pacer {
            pacer.paused(Duration::from_nanos(self.now_ns - begun_ns));
        }
    }
}
