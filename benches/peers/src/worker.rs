//! What is the same for every peer: which block to read next, checking it, and when to stop.
//!
//! A [`Crew`] has one [`Worker`] per operation in flight, each with what a peer needs to read (a buffer,
//! for most). A peer turns every worker into a task or thread that reads until the worker says stop:
//!
//! ```text
//! while let Some(offset) = worker.next() {
//!     let (result, buffer) = file.read_at(buffer, offset).await;
//!     worker.completed(offset, result, &buffer);
//! }
//! ```
//!
//! Nothing is shared between workers but the [`Shift`], which they only look at. So the bookkeeping
//! costs every peer the same few nanoseconds, on one thread or on many.
//!
//! # Synchronization
//!
//! `Shift::is_over` goes from false to true once; it publishes nothing else, so relaxed suffices.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aura_bench::content::{RandomBlocks, Verifier};
use aura_bench::interrupt::{self, Interrupted};
use aura_bench::latency::Sampler;
use aura_bench::row::{Settings, Turn};
use aura_bench::subject::Subject;
use aura_bench::{BLOCK_BYTES, Error};

/// One turn of all workers.
#[derive(Debug)]
pub(crate) struct Shift {
    begun: Instant,
    end: Instant,
    is_over: AtomicBool,
}

impl Shift {
    /// Begins now.
    pub(crate) fn begin(time: Duration) -> Arc<Self> {
        let begun = Instant::now();
        Arc::new(Self { begun, end: begun + time, is_over: AtomicBool::new(false) })
    }

    fn stop(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// One read after the other.
#[derive(Debug)]
pub(crate) struct Worker {
    random: RandomBlocks,
    verifier: Verifier,
    sampler: Sampler,
    /// When the read in flight began, if it is one that is timed.
    begun: Option<Instant>,
    shift: Arc<Shift>,
    operations: u64,
    ended: Option<Instant>,
    outcome: Result<(), Error>,
}

impl Worker {
    fn new(subject: &Subject, index: usize) -> Self {
        Self {
            random: RandomBlocks::new(subject.bytes, index as u64 + 1),
            verifier: subject.verifier(),
            sampler: Sampler::new(index as u32),
            begun: None,
            shift: Shift::begin(Duration::ZERO),
            operations: 0,
            ended: None,
            outcome: Ok(()),
        }
    }

    /// Joins a turn.
    pub(crate) fn begin(&mut self, shift: Arc<Shift>) {
        self.shift = shift;
        self.operations = 0;
        self.ended = None;
    }

    /// Where to read next, or that the turn is over.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<u64> {
        if self.shift.is_over.load(Ordering::Relaxed) {
            self.ended = Some(Instant::now());
            return None;
        }
        self.begun = self.sampler.begin();
        Some(self.random.draw())
    }

    /// Checks a read. The first that fails ends the turn of all.
    #[inline]
    pub(crate) fn completed(&mut self, offset: u64, result: io::Result<usize>, memory: &[u8]) {
        self.operations += 1;
        let checked = match result {
            Ok(BLOCK_BYTES) => match memory.first_chunk() {
                Some(block) => self.verifier.check(offset, block),
                None => Err(wrong_length(offset, memory.len())),
            },
            Ok(bytes) => Err(wrong_length(offset, bytes)),
            Err(error) => Err(format!("the read at {offset}: {error}").into()),
        };
        if let Some(begun) = self.begun.take() {
            let now = self.sampler.end(begun); // The clock was read anyway: look whether it is late.
            if now >= self.shift.end || interrupt::requested() {
                self.shift.stop();
            }
        }
        if checked.is_err() {
            self.give_up(checked);
        }
    }

    #[cold]
    fn give_up(&mut self, outcome: Result<(), Error>) {
        self.outcome = outcome;
        self.shift.stop();
    }
}

/// The only one, if there is only one, who needs no task: a program that reads one block after the other
/// just does so.
pub(crate) fn only<B>(members: &mut Vec<(Worker, B)>) -> Option<(Worker, B)> {
    if members.len() == 1 { members.pop() } else { None }
}

#[cold]
fn wrong_length(offset: u64, bytes: usize) -> Error {
    format!("the read at {offset} brought {bytes} bytes of {BLOCK_BYTES}").into()
}

/// All workers of a row, each with its buffer `B`.
#[derive(Debug)]
pub(crate) struct Crew<B> {
    members: Vec<(Worker, B)>,
}

impl<B> Crew<B> {
    /// As many as there are operations in flight.
    pub(crate) fn new(
        subject: &Subject,
        settings: Settings,
        mut buffer: impl FnMut() -> Result<B, Error>,
    ) -> Result<Self, Error> {
        let member = |index| Ok((Worker::new(subject, index), buffer()?));
        let members = (0..settings.depth as usize).map(member).collect::<Result<_, Error>>()?;
        Ok(Self { members })
    }

    /// The workers, to be returned to [`end`](Self::end). Each has yet to join a shift.
    pub(crate) fn take(&mut self) -> Vec<(Worker, B)> {
        std::mem::take(&mut self.members)
    }

    /// The workers of a turn that begins now.
    pub(crate) fn begin(&mut self, time: Duration) -> Vec<(Worker, B)> {
        let mut members = self.take();
        let shift = Shift::begin(time);
        members.iter_mut().for_each(|(worker, _)| worker.begin(Arc::clone(&shift)));
        members
    }

    /// Sums a turn up, which lasts until the last worker's last read.
    pub(crate) fn end(&mut self, members: Vec<(Worker, B)>) -> Result<Turn, Error> {
        self.members = members;
        let mut outcome = Ok(());
        for (worker, _) in &mut self.members {
            outcome = outcome.and(std::mem::replace(&mut worker.outcome, Ok(())));
        }
        outcome?;
        if interrupt::requested() {
            return Err(Interrupted.into());
        }
        let workers = || self.members.iter().map(|(worker, _)| worker);
        let lengths = workers().map(|worker| Some(worker.ended? - worker.shift.begun));
        let length = lengths.max().flatten().ok_or("a turn of nobody")?;
        Ok(Turn {
            operations: workers().map(|worker| worker.operations).sum(),
            seconds: length.as_secs_f64(),
            cpu_seconds: None,
            latency: Sampler::take(self.members.iter_mut().map(|(worker, _)| &mut worker.sampler)),
        })
    }

    /// Compares what was kept for the end.
    pub(crate) fn finish(&mut self, subject: &Subject) -> Result<(), Error> {
        self.members.iter_mut().try_for_each(|(worker, _)| subject.finish(&mut worker.verifier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aura_bench::content;
    use aura_bench::subject::{Direct, default_folder};

    fn crew() -> Crew<()> {
        let subject = Subject::make(&default_folder(), 64 << 10, Direct::No).expect("disk space");
        Crew::new(&subject, Settings { depth: 2, batch: 1 }, || Ok(())).expect("no buffers to fail")
    }

    fn block_at(offset: u64) -> Vec<u8> {
        let mut block = vec![0; BLOCK_BYTES];
        content::fill(offset, &mut block);
        block
    }

    #[test]
    fn a_turn_ends_in_time_and_counts_every_read() {
        let mut crew = crew();
        let mut members = crew.begin(Duration::from_millis(20));
        let mut reads = 0;
        for (worker, ()) in &mut members {
            while let Some(offset) = worker.next() {
                worker.completed(offset, Ok(BLOCK_BYTES), &block_at(offset));
                reads += 1;
            }
        }
        let turn = crew.end(members).expect("right content");
        assert_eq!(turn.operations, reads);
        assert!(turn.seconds >= 0.02, "{turn:?}");
        assert!(turn.latency.is_some());
    }

    #[test]
    fn a_wrong_read_ends_the_turn_of_all() {
        let failed = || Err(io::Error::from_raw_os_error(5));
        let whole = Ok(BLOCK_BYTES);
        // From elsewhere in the file, too short, and not read at all.
        for (result, shift) in [(whole, 8), (Ok(512), 0), (failed(), 0)] {
            let mut crew = crew();
            let mut members = crew.begin(Duration::from_secs(3600));
            let offset = members[0].0.next().expect("just begun");
            members[0].0.completed(offset, result, &block_at(offset + shift));
            assert_eq!(members[0].0.next(), None);
            assert_eq!(members[1].0.next(), None);
            crew.end(members).expect_err("a wrong read");
        }
    }
}
