//! Completing: accounting, what was short or failed, checking what was read.

use super::{Context, Io, Kind, LOOK_AROUND_MS};
use crate::job::{Direction, ThinkCount};
use crate::run::clock::now_ns;
use crate::run::failure::Failure;
use crate::run::queue::Completion;
use crate::run::workload::Step;

impl Io<'_> {
    /// Accounts for what has completed.
    #[inline]
    pub(super) fn reap(&mut self) -> Result<(), Failure> {
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

    fn complete_sync(&mut self, step: Step, result: i32, start_ns: u64) -> Result<(), Failure> {
        if result < 0 {
            return self.failed(&step, -result);
        }
        self.monitor.stats.sync.add(self.now_ns - start_ns);
        Ok(())
    }
}
