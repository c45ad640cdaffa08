//! The same job as `raw`, through Aura's callbacks.
//!
//! A completed read's callback checks it and submits the next one; the loop only waits. This file is
//! `unsafe` because callbacks reach the state that the loop shares with them through a raw pointer:
//! a reference count or a lock per operation would be measured along, and a user in the same place
//! would not pay for them.

use std::cell::UnsafeCell;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use aura::{Buffer, BufferRef, Engine, Options};

use crate::content::{RandomBlocks, Verifier};
use crate::latency::Sampler;
use crate::row::{Row, Settings, Stopwatch, Turn};
use crate::subject::Subject;
use crate::{BLOCK_BYTES, EXIT_FAILURE, Error};

/// Longest wait for a completion before the loop looks at its watch again.
const WAIT_MS: i32 = 100;

/// What an operation is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Nothing: what the engine itself costs.
    Nop,
    /// A read from this file.
    Read(RawFd),
    /// A read from the registered file into registered memory.
    Fixed,
}

/// What the engine is made for.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// One thread and one ring: no locks.
    Single,
    /// As it comes, ready for many threads.
    Default,
    /// As `Single`, with a controller that watches and does not limit.
    Watched,
    /// As `Single`, with a controller at work whose lowest limit is this depth, so that it costs what it
    /// costs and changes nothing.
    Controlled(u32),
}

/// The loop.
#[derive(Debug)]
pub struct Callbacks {
    depth: usize,
    load: Box<Load>,
}

/// What the loop shares with the callbacks.
struct Load {
    engine: Engine,
    kind: Kind,
    /// Touched only on the thread that polls, by one function at a time: see [`Load::state`].
    state: UnsafeCell<State>,
}

struct State {
    buffers: Vec<Buffer>,
    /// Buffers without a read, because the engine had no room for it.
    idle: Vec<usize>,
    random: RandomBlocks,
    verifier: Verifier,
    in_flight: usize,
    operations: u64,
    is_over: bool,
    outcome: Result<(), Error>,
    sampler: Option<Sampler>,
    /// When each buffer's read began, if it is one that is timed.
    begun: Vec<Option<Instant>>,
}

/// The load, for a callback.
#[derive(Clone, Copy)]
struct Shared(*const Load);

// SAFETY: the callbacks of this program run on the thread that submits and polls; there is only one.
unsafe impl Send for Shared {}

impl Callbacks {
    /// Operations that do nothing.
    ///
    /// # Errors
    ///
    /// No engine, or no buffers.
    pub fn nop(mode: Mode, subject: &Subject, settings: Settings) -> Result<Self, Error> {
        Self::new(Kind::Nop, mode, subject, settings)
    }

    /// Reads.
    ///
    /// # Errors
    ///
    /// No engine, or no buffers.
    pub fn read(mode: Mode, subject: &Subject, settings: Settings) -> Result<Self, Error> {
        Self::new(Kind::Read(subject.file.as_raw_fd()), mode, subject, settings)
    }

    /// Reads from a registered file into registered memory, on an engine for one thread.
    ///
    /// # Errors
    ///
    /// No engine, no buffers, or the kernel takes no registrations.
    pub fn fixed(subject: &Subject, settings: Settings) -> Result<Self, Error> {
        let row = Self::new(Kind::Fixed, Mode::Single, subject, settings)?;
        row.load.engine.register_files(&[subject.file.as_raw_fd()])?;
        // Registering calls nobody back, so the state may be open meanwhile.
        row.load.state(|state| {
            let memory = state.buffers.iter_mut().map(Buffer::as_mut_slice).collect::<Vec<_>>();
            // SAFETY: the buffers are fields of the load, as is the engine: it is dropped first.
            unsafe { row.load.engine.register_buffers(&memory) }
        })?;
        Ok(row)
    }

    fn new(kind: Kind, mode: Mode, subject: &Subject, settings: Settings) -> Result<Self, Error> {
        let depth = settings.depth as usize;
        let engine = Engine::with_options(&mode.options())?;
        let buffers = (0..depth).map(|_| engine.allocate_buffer(BLOCK_BYTES));
        let state = State {
            buffers: buffers.collect::<Result<_, _>>()?,
            idle: Vec::with_capacity(depth),
            random: RandomBlocks::new(subject.bytes, 1),
            verifier: subject.verifier(),
            in_flight: 0,
            operations: 0,
            is_over: false,
            outcome: Ok(()),
            sampler: None,
            begun: vec![None; depth],
        };
        let load = Box::new(Load { engine, kind, state: UnsafeCell::new(state) });
        Ok(Self { depth, load })
    }

    /// The same, with latencies sampled.
    #[must_use]
    pub fn sampling(self) -> Self {
        self.load.state(|state| state.sampler = Some(Sampler::new(0)));
        self
    }
}

impl Mode {
    /// Options of an engine that does not limit: rows are compared at the same depth, and a limit below it
    /// would measure the limit.
    pub fn options(self) -> Options {
        let options = Options::new().disable_adaptive(true);
        match self {
            Self::Single => options.single_thread(true).ring_count(1),
            Self::Default => options,
            Self::Watched => Self::Single.options().disable_adaptive(false),
            Self::Controlled(depth) => {
                let depth = depth as i32;
                Self::Watched.options().queue_depth(depth).min_in_flight(depth)
            }
        }
    }
}

impl std::fmt::Debug for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Load").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Load {
    /// Gives access to the state for the time of one closure, which must not call the engine:
    /// callbacks take the state themselves.
    #[inline]
    fn state<T>(&self, access: impl FnOnce(&mut State) -> T) -> T {
        // SAFETY: the load never leaves its thread, so nothing runs at the same time; and no access
        // is open, because closures do not call the engine, and only `wait` runs callbacks.
        access(unsafe { &mut *self.state.get() })
    }

    /// Submits a read into a buffer, or puts the buffer aside if there is no room.
    #[inline]
    fn submit(&self, index: usize) {
        let (buffer, offset) = self.state(|state| {
            state.in_flight += 1;
            state.begun[index] = state.sampler.as_mut().and_then(Sampler::begin);
            (BufferRef::from(&state.buffers[index]), state.random.draw())
        });
        let shared = Shared(self);
        let completed = move |result| {
            // The whole of `shared`, not its field: that is what is `Send`.
            let shared = shared;
            // SAFETY: the load is boxed, and `turn` keeps it until nothing is in flight.
            unsafe { &*shared.0 }.completed(index, offset, result);
        };
        let submitted = match self.kind {
            Kind::Nop => self.engine.nop(completed),
            // SAFETY: the buffer is left alone until its callback, and outlives the read, since
            // `turn` waits for all of them.
            Kind::Read(file) => unsafe {
                self.engine.read(file, buffer, BLOCK_BYTES, offset as i64, completed)
            },
            // SAFETY: as above.
            Kind::Fixed => unsafe {
                let buffer = BufferRef::fixed_index(index as i32);
                let file = self.engine.fixed_file(0);
                file.and_then(|file| file.read(buffer, BLOCK_BYTES, offset as i64, completed))
            },
        };
        if let Err(error) = submitted {
            self.refused(index, error);
        }
    }

    fn completed(&self, index: usize, offset: u64, result: aura::Result<usize>) {
        let kind = self.kind;
        let goes_on = self.state(|state| {
            state.in_flight -= 1;
            state.operations += 1;
            let checked = match result {
                Ok(0) if kind == Kind::Nop => Ok(()),
                Ok(BLOCK_BYTES) => state.check(index, offset),
                Ok(bytes) => Err(format!("the read at {offset} brought {bytes} bytes").into()),
                Err(error) => Err(format!("the read at {offset}: {error}").into()),
            };
            if checked.is_err() {
                state.outcome = checked;
            }
            if let (Some(sampler), Some(begun)) =
                (state.sampler.as_mut(), state.begun[index].take())
            {
                sampler.end(begun);
            }
            !state.is_over && state.outcome.is_ok()
        });
        if goes_on {
            self.submit(index);
        }
    }

    #[cold]
    fn refused(&self, index: usize, error: aura::Error) {
        self.state(|state| {
            state.in_flight -= 1;
            match error {
                aura::Error::Submission(error) if is_again(&error) => state.idle.push(index),
                error => state.outcome = Err(error.into()),
            }
        });
    }
}

impl State {
    #[inline]
    fn check(&mut self, index: usize, offset: u64) -> Result<(), Error> {
        let block = self.buffers[index].as_slice().first_chunk();
        self.verifier.check(offset, block.ok_or("the pool's buffer is smaller than asked for")?)
    }
}

impl Row for Callbacks {
    fn turn(&mut self, time: Duration) -> Result<Turn, Error> {
        let load = &*self.load;
        load.state(|state| {
            (state.operations, state.is_over) = (0, false);
            state.idle.clear();
        });
        let mut watch = Stopwatch::start(time);
        (0..self.depth).for_each(|index| load.submit(index));
        while load.state(|state| state.in_flight > 0) {
            match load.engine.wait(WAIT_MS) {
                Ok(_) => {}
                Err(aura::Error::Io(error)) if is_temporary(&error) => {}
                Err(error) => give_up(&error),
            }
            let is_over = watch.is_over();
            let idle = load.state(|state| {
                match is_over {
                    Ok(over) => state.is_over |= over,
                    Err(interrupted) => state.outcome = Err(interrupted.into()),
                }
                let goes_on = !state.is_over && state.outcome.is_ok();
                if goes_on { std::mem::take(&mut state.idle) } else { Vec::new() }
            });
            idle.into_iter().for_each(|index| load.submit(index));
        }
        load.state(|state| std::mem::replace(&mut state.outcome, Ok(())))?;
        let mut turn = watch.turn(load.state(|state| state.operations), None);
        turn.latency = load.state(|state| Sampler::take(&mut state.sampler));
        Ok(turn)
    }

    fn finish(&mut self, subject: &Subject) -> Result<(), Error> {
        self.load.state(|state| subject.finish(&mut state.verifier))
    }
}

fn is_again(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAGAIN)
}

/// A wait that ended for another reason than a completion.
fn is_temporary(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ETIMEDOUT | libc::EINTR))
}

/// Ends the program, because callbacks of operations in flight would find their load gone.
#[cold]
fn give_up(why: impl std::fmt::Display) -> ! {
    eprintln!("error: the engine cannot go on with operations in flight: {why}");
    std::process::exit(EXIT_FAILURE.into());
}
