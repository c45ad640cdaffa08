//! The closed loop that keeps an engine busy: as many reads as it takes, or as the caller wants.
//!
//! A completed read's callback checks the data and submits the next read. When the engine says
//! `EAGAIN`, the loop waits for completions and tries again. One thread submits and polls.
//!
//! The engine writes to buffers that this file keeps; that is why it is `unsafe`.
//!
//! # Synchronization
//!
//! Callbacks run within `wait` and submit, so the state's lock is never held while the engine is
//! called. Only one thread takes it: it is never contended.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aura::{BufferRef, Engine};
use aura_bench::content::RandomBlocks;
use aura_bench::interrupt::{self, Interrupted};
use aura_bench::subject::Subject;
use aura_bench::{BLOCK_BYTES, Error};
use serde::Serialize;

use crate::contestant::Contestant;
use crate::live::{self, Now};
use crate::state::{Measured, State};

/// Longest wait for a completion before the loop looks at the clock again.
const WAIT_MS: i32 = 20;
/// A disk that has not answered for so long will not.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a turn is.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Turn {
    pub(crate) measured: Duration,
    /// Not counted, so that engines may find their limit and queues fill.
    pub(crate) first_warm_up: Duration,
    pub(crate) warm_up: Duration,
}

impl Turn {
    pub(crate) fn of(seconds: Duration, rounds: u32) -> Self {
        let measured = seconds / rounds;
        Self {
            measured,
            first_warm_up: seconds.min(Duration::from_secs(1)),
            warm_up: measured.min(Duration::from_millis(100)),
        }
    }
}

/// An engine and its work.
pub(crate) struct Load {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    file: RawFd,
    /// Reads that the caller keeps in flight; `None`: as many as the engine takes.
    depth: Option<usize>,
    state: Mutex<State>,
}

impl Load {
    pub(crate) fn new(contestant: &Contestant, subject: &Subject) -> Result<Self, Error> {
        let engine = Engine::with_options(&contestant.options())?;
        let state = State::new(RandomBlocks::new(subject.bytes, 1), subject.verifier());
        let (file, depth) = (subject.file.as_raw_fd(), contestant.depth());
        Ok(Self { shared: Arc::new(Shared { engine, file, depth, state: Mutex::new(state) }) })
    }

    /// One turn: warm-up, measurement, and waiting until nothing is in flight.
    pub(crate) fn turn(
        &self,
        turn: Turn,
        is_first: bool,
        mut show: impl FnMut(Now),
    ) -> Result<(), Error> {
        let warm_up = if is_first { turn.first_warm_up } else { turn.warm_up };
        let shared = &self.shared;
        shared.state().begin();
        let begun = Instant::now();
        let mut shown = begun;
        let outcome = loop {
            if let Err(error) = self.fill().and_then(|()| self.wait()) {
                break Err(error);
            }
            let now = Instant::now();
            if interrupt::requested() {
                break Err(Interrupted.into());
            }
            if now >= shown + live::EVERY {
                show(self.now(now - shown));
                shown = now;
            }
            let mut state = shared.state();
            if let Some(error) = state.error.take() {
                break Err(error);
            }
            if now >= begun + warm_up + turn.measured {
                break Ok(());
            }
            if now >= begun + warm_up {
                state.measure(now);
            }
        };
        shared.state().end(Instant::now());
        self.drain()?;
        outcome?;
        shared.state().error.take().map_or(Ok(()), Err)
    }

    /// What all turns came to.
    pub(crate) fn finish(&self, subject: &Subject) -> Result<Finished, Error> {
        let stats = self.shared.engine.stats()?;
        let mut state = self.shared.state();
        subject.finish(&mut state.verifier)?;
        Ok(Finished {
            measured: state.measured.clone(),
            verified: state.verifier.checked(),
            limit: stats.optimal_in_flight(),
            phase: self.phase(),
        })
    }

    /// Submits until the engine or the caller's depth says stop.
    fn fill(&self) -> Result<(), Error> {
        while Shared::submit(&self.shared)? {}
        Ok(())
    }

    fn wait(&self) -> Result<(), Error> {
        match self.shared.engine.wait(WAIT_MS) {
            Err(aura::Error::Io(error)) if is_temporary(&error) => {}
            other => drop(other?),
        }
        let state = self.shared.state();
        if state.in_flight > 0 && state.last_completion.elapsed() > PATIENCE {
            let seconds = PATIENCE.as_secs();
            return Err(format!("no read was answered for {seconds} s; the disk hangs").into());
        }
        Ok(())
    }

    fn drain(&self) -> Result<(), Error> {
        while self.shared.state().in_flight > 0 {
            self.wait()?;
        }
        Ok(())
    }

    fn now(&self, interval: Duration) -> Now {
        let limit = match self.shared.depth {
            Some(_) => None,
            None => self.shared.engine.stats().ok().map(|stats| stats.optimal_in_flight()),
        };
        let phase = self.phase();
        self.shared.state().now(interval, limit, phase)
    }

    /// The controller's phase, which is the same on all rings; "-" without a controller.
    fn phase(&self) -> &'static str {
        match self.shared.depth {
            Some(_) => "-",
            None => self.shared.engine.ring_stats(0).map_or("?", |ring| ring.aimd_phase_name()),
        }
    }
}

/// Figures of all turns of a load.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    pub(crate) measured: Measured,
    pub(crate) verified: u64,
    pub(crate) limit: i32,
    pub(crate) phase: &'static str,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere is reported where it happens; figures cannot be left half written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Submits one read; false when there is no room for it.
    fn submit(self: &Arc<Self>) -> Result<bool, Error> {
        let (index, buffer, offset) = {
            let mut state = self.state();
            if state.is_ending || self.depth.is_some_and(|depth| state.in_flight >= depth) {
                return Ok(false);
            }
            let index = state.take_buffer(|| self.engine.allocate_buffer(BLOCK_BYTES))?;
            (index, BufferRef::from(&state.buffers[index]), state.random.draw())
        };
        let shared = Arc::clone(self);
        let begun = Instant::now();
        let completed = move |result| shared.completed(index, offset, begun, result);
        // SAFETY: the buffer is taken until the callback gives it back, and it lives in the state that
        // the callback holds on to.
        let submitted =
            unsafe { self.engine.read(self.file, buffer, BLOCK_BYTES, offset as i64, completed) };
        let error = match submitted {
            Ok(_) => return Ok(true),
            Err(error) => error,
        };
        self.state().give_back(index);
        match error {
            aura::Error::Submission(error) if is_again(&error) => Ok(false),
            error => Err(error.into()),
        }
    }

    /// A read is done: checks it and submits the next.
    fn completed(
        self: &Arc<Self>,
        index: usize,
        offset: u64,
        begun: Instant,
        result: aura::Result<usize>,
    ) {
        let now = Instant::now();
        self.state().complete(index, offset, now - begun, now, result);
        if let Err(error) = self.submit() {
            self.state().error = Some(error);
        }
    }
}

fn is_again(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAGAIN)
}

/// A wait that ended for another reason than a completion.
fn is_temporary(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ETIMEDOUT | libc::EINTR))
}
