//! Submitting: what goes out, in which slot, with which content.

use super::{Context, Io, Kind};
use crate::job::{Buffers, Direction, ThinkCount};
use crate::layout::RandomBytes;
use crate::run::clock::now_ns;
use crate::run::failure::Failure;
use crate::run::queue::Operation;
use crate::run::verify;
use crate::run::workload::Step;

impl Io<'_> {
    /// Submits as much as depth, budget, limit and rates allow. If only the rates keep it, it is told
    /// when it is time.
    #[inline]
    pub(super) fn fill(&mut self) -> Result<Option<u64>, Failure> {
        let mut start_ns = self.now_ns;
        let mut due_ns = None;
        let mut submitted_count = 0;
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
            let Some(slot) = self.submit_data(step, start_ns)? else {
                self.held = Some(step);
                break;
            };
            submitted_count += 1;
            start_ns = self.note_issued(slot, start_ns);
        }
        if submitted_count > 0 {
            self.monitor.stats.depth.submitted(submitted_count);
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
    fn submit_data(&mut self, step: Step, start_ns: u64) -> Result<Option<u32>, Failure> {
        let slot = self.slot()?;
        let kind = if self.is_checking { Kind::Check } else { Kind::Data };
        if step.direction == Direction::Write {
            self.prepare_write(slot, &step);
        }
        let context = Context { step, kind, start_ns, issue_ns: start_ns, done_bytes: 0 };
        self.contexts[slot as usize] = context;
        if !self.submit(slot)? {
            self.idle.push(slot);
            return Ok(None);
        }
        self.monitor.stats.depth.at_depth(self.queue.in_flight());
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
        Ok(Some(slot))
    }

    /// Hands a slot's I/O, or what is left of it, to the engine.
    #[inline]
    pub(super) fn submit(&mut self, slot: u32) -> Result<bool, Failure> {
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
    pub(super) fn slot(&mut self) -> Result<u32, Failure> {
        match self.idle.pop() {
            Some(slot) => Ok(slot),
            None => self.new_slot(),
        }
    }

    #[cold]
    fn new_slot(&mut self) -> Result<u32, Failure> {
        let slot = self.queue.add_slot(|buffer| fill(buffer, &self.job.buffers, &mut self.content));
        let slot = slot.map_err(Failure::of_engine)?;
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

    /// Notes when the I/O in a slot was issued, and returns that time: those before it may have been handed
    /// over long ago, so one time does not do for all of a round.
    #[inline]
    fn note_issued(&mut self, slot: u32, start_ns: u64) -> u64 {
        let recording = &self.job.recording;
        if !(recording.slat || recording.clat || recording.lat) {
            return start_ns;
        }
        let issue_ns = now_ns();
        let context = &mut self.contexts[slot as usize];
        context.issue_ns = issue_ns;
        if recording.slat {
            let slat = &mut self.monitor.stats.directions[context.step.direction].slat;
            slat.add(issue_ns - start_ns);
        }
        issue_ns
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
}

/// Gives a buffer its first content.
pub(in crate::run) fn fill(buffer: &mut [u8], buffers: &Buffers, content: &mut RandomBytes) {
    match buffers {
        Buffers::Random => content.fill(buffer),
        Buffers::Zeros => buffer.fill(0),
        Buffers::Pattern(pattern) => verify::repeat(pattern, buffer),
    }
}
