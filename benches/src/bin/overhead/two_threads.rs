//! The same job on two threads: through one engine that both share, with two rings; and by two raw
//! loops that share nothing, which is the most that the machine gives.
//!
//! On the engine each thread submits its own reads, and checks them; whichever comes first processes
//! completions, its own and the other's. So callbacks only say which read is over.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use aura::{Buffer, BufferRef, Engine, Options};
use aura_bench::content::{RandomBlocks, Verifier};
use aura_bench::row::raw::RawLoop;
use aura_bench::row::{Row, Settings, Stopwatch, Turn};
use aura_bench::subject::Subject;
use aura_bench::{BLOCK_BYTES, Error};
use std::os::fd::{AsRawFd, RawFd};

const THREADS: usize = 2;

/// Two raw loops.
pub(crate) struct RawPair([RawLoop; THREADS]);

impl RawPair {
    pub(crate) fn new(subject: &Subject, settings: Settings) -> Result<Self, Error> {
        Ok(Self([RawLoop::plain(subject, settings)?, RawLoop::plain(subject, settings)?]))
    }
}

impl Row for RawPair {
    fn turn(&mut self, time: Duration) -> Result<Turn, Error> {
        together(&mut self.0, |row| row.turn(time))
    }

    fn finish(&mut self, subject: &Subject) -> Result<(), Error> {
        self.0.iter_mut().try_for_each(|row| row.finish(subject))
    }
}

/// Two threads on one engine.
pub(crate) struct TwoThreads {
    engine: Engine,
    workers: [Worker; THREADS],
}

/// What one of the threads does.
struct Worker {
    file: RawFd,
    buffers: Vec<Buffer>,
    /// Where each buffer's read began in the file.
    offsets: Vec<u64>,
    random: RandomBlocks,
    verifier: Verifier,
    finished: &'static Finished,
    /// How many of them were taken.
    taken: usize,
}

/// Reads that are over. Callbacks, one at a time, add to it; the thread that submitted takes. Leaked,
/// so that no callback can outlive it.
struct Finished {
    /// Buffer and result, packed, by order; as many places as reads in flight.
    places: Box<[AtomicI64]>,
    count: AtomicUsize,
}

impl TwoThreads {
    pub(crate) fn new(subject: &Subject, settings: Settings) -> Result<Self, Error> {
        let options = Options::new().disable_adaptive(true).ring_count(THREADS as i32);
        let engine = Engine::with_options(&options)?;
        let worker = |seed| -> Result<Worker, Error> {
            let depth = settings.depth as usize;
            let buffers = (0..depth).map(|_| engine.allocate_buffer(BLOCK_BYTES));
            Ok(Worker {
                file: subject.file.as_raw_fd(),
                buffers: buffers.collect::<Result<_, _>>()?,
                offsets: vec![0; depth],
                random: RandomBlocks::new(subject.bytes, seed),
                verifier: subject.verifier(),
                finished: Box::leak(Box::new(Finished::new(depth))),
                taken: 0,
            })
        };
        let workers = [worker(1)?, worker(2)?];
        Ok(Self { engine, workers })
    }
}

impl Row for TwoThreads {
    fn turn(&mut self, time: Duration) -> Result<Turn, Error> {
        let engine = &self.engine;
        // Who is ready goes on processing until the other is, too.
        let busy = AtomicUsize::new(THREADS);
        together(&mut self.workers, |worker| {
            let turn = worker.turn(engine, time);
            busy.fetch_sub(1, Ordering::Relaxed);
            while busy.load(Ordering::Relaxed) > 0 {
                engine.poll()?;
                breathe();
            }
            turn
        })
    }

    fn finish(&mut self, subject: &Subject) -> Result<(), Error> {
        self.workers.iter_mut().try_for_each(|worker| subject.finish(&mut worker.verifier))
    }
}

impl Worker {
    fn turn(&mut self, engine: &Engine, time: Duration) -> Result<Turn, Error> {
        let mut watch = Stopwatch::start(time);
        let (mut operations, mut in_flight, mut is_over) = (0, 0, false);
        let mut outcome = Ok(());
        for index in 0..self.buffers.len() {
            self.submit(engine, index)?;
            in_flight += 1;
        }
        while in_flight > 0 {
            match watch.is_over() {
                Ok(over) => is_over |= over,
                Err(interrupted) => outcome = Err(interrupted.into()),
            }
            while let Some((index, result)) = self.take() {
                operations += 1;
                in_flight -= 1;
                if let Err(error) = self.check(index, result) {
                    outcome = Err(error);
                } else if !is_over && outcome.is_ok() {
                    self.submit(engine, index)?;
                    in_flight += 1;
                }
            }
            if engine.poll()? == 0 && !self.has_finished() {
                breathe(); // The other thread is at it.
            }
        }
        outcome.map(|()| watch.turn(operations, None))
    }

    #[inline]
    fn submit(&mut self, engine: &Engine, index: usize) -> Result<(), Error> {
        let offset = self.random.draw();
        self.offsets[index] = offset;
        let buffer = BufferRef::from(&self.buffers[index]);
        let finished = self.finished;
        let completed = move |result: aura::Result<usize>| finished.add(index, result);
        // SAFETY: the buffer is left alone until its read is found among the finished ones. An error
        // ends the program with its engine, whose end waits for the kernel.
        unsafe { engine.read(self.file, buffer, BLOCK_BYTES, offset as i64, completed)? };
        Ok(())
    }

    fn has_finished(&self) -> bool {
        self.finished.count.load(Ordering::Acquire) != self.taken
    }

    #[inline]
    fn take(&mut self) -> Option<(usize, i32)> {
        if !self.has_finished() {
            return None;
        }
        let finished = self.finished;
        let packed = finished.places[self.taken % finished.places.len()].load(Ordering::Relaxed);
        self.taken += 1;
        Some(((packed >> 32) as usize, packed as i32))
    }

    #[inline]
    fn check(&mut self, index: usize, result: i32) -> Result<(), Error> {
        let offset = self.offsets[index];
        match self.buffers[index].as_slice().first_chunk() {
            Some(block) if result == BLOCK_BYTES as i32 => self.verifier.check(offset, block),
            _ => Err(format!("the read at {offset} ended with {result}").into()),
        }
    }
}

impl Finished {
    fn new(depth: usize) -> Self {
        Self { places: (0..depth).map(|_| AtomicI64::new(0)).collect(), count: AtomicUsize::new(0) }
    }

    #[inline]
    fn add(&self, index: usize, result: aura::Result<usize>) {
        let result = result.map_or_else(|error| -error.errno(), |bytes| bytes as i32);
        let count = self.count.load(Ordering::Relaxed);
        let packed = (index as i64) << 32 | i64::from(result as u32);
        self.places[count % self.places.len()].store(packed, Ordering::Relaxed);
        self.count.store(count + 1, Ordering::Release);
    }
}

/// Keeps away from what the other thread is using for a moment, a fraction of a read's time.
fn breathe() {
    (0..8).for_each(|_| std::hint::spin_loop());
}

/// Runs a function with each of them, on threads of their own, and adds up what they did.
fn together<T: Send>(
    each: &mut [T; THREADS],
    turn: impl Fn(&mut T) -> Result<Turn, Error> + Sync,
) -> Result<Turn, Error> {
    let ready = AtomicBool::new(false);
    let [first, second] = each;
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            ready.store(true, Ordering::Release);
            turn(second)
        });
        while !ready.load(Ordering::Acquire) {
            std::hint::spin_loop();
        }
        let first = turn(first);
        (first, other.join().expect("it does not panic"))
    });
    let (first, second) = (first?, second?);
    Ok(Turn {
        operations: first.operations + second.operations,
        seconds: first.seconds.max(second.seconds),
        ..first
    })
}
