//! Waiting for completions, the event loop, draining. How the poller sleeps is in `sleep`.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::log::say;
use crate::poll::Poller;
use crate::sleep::{BACK_OFF, at_most};

/// How long [`Engine::run`] goes on delivering after it was stopped.
const DRAIN_AFTER_STOP: Duration = Duration::from_secs(10);
/// How long a wait without a timeout sleeps when nothing is in flight: another thread may be about
/// to submit, but there may be no other thread.
const IDLE_GRACE: Duration = Duration::from_millis(10);

/// When a wait ends without a completion.
#[derive(Clone, Copy)]
enum Patience {
    Until(Instant),
    /// As long as something is in flight, and a moment longer.
    WhileInFlight,
    /// Until somebody wakes it.
    Forever,
}

impl<B: Backend> Engine<B> {
    /// Processes what has completed; if nothing has, sleeps until something does or the timeout
    /// (`None`: none; zero: as [`poll`](Self::poll)) expires. Returns how many operations were
    /// processed.
    ///
    /// Operations that other threads submit while this sleeps are seen. Without a timeout, and
    /// with nothing in flight, there is nothing to wait for: it returns 0 after a short grace. It
    /// also returns 0 when [`stop`](Self::stop) is called. Signals do not end it.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] when the timeout expires with operations in flight;
    /// [`Error::InCallback`] from a callback of this engine; the fatal error, once everything
    /// that completed before it was delivered.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<usize> {
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return self.poll();
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let patience = deadline.map_or(Patience::WhileInFlight, Patience::Until);
        let processed = self.wait_with(patience)?;
        let in_flight = self.in_flight();
        if processed == 0 && in_flight > 0 && deadline.is_some_and(|at| at <= Instant::now()) {
            return Err(Error::TimedOut { in_flight });
        }
        Ok(processed)
    }

    fn wait_with(&self, patience: Patience) -> Result<usize> {
        self.door.check()?;
        if self.gate.is_mine() {
            return Err(Error::InCallback("wait"));
        }
        let deadline = match patience {
            Patience::Until(deadline) => Some(deadline),
            _ => None,
        };
        let Some(inside) = self.gate.try_enter().or_else(|| {
            self.hand_over_queued(); // The kernel can work at it while another thread calls back.
            self.gate.enter(deadline)
        }) else {
            return Ok(0);
        };
        let mut visit = self.visit(inside);
        let poller = visit.poller();
        if self.is_wake_pending() {
            self.take_wake(); // Meant for a wait that is over.
        }
        poller.woken = false;
        self.wait_inside(poller, patience)
    }

    fn wait_inside(&self, poller: &mut Poller, patience: Patience) -> Result<usize> {
        let mut grace_ends = None;
        loop {
            let processed = self.process_inline(poller);
            if processed > 0 {
                return Ok(processed);
            }
            self.check_fatal()?;
            // The wake-up that came with the stop may have reached another thread's wait.
            let stopped = matches!(patience, Patience::Forever) && self.is_stopping();
            if poller.woken || stopped {
                return Ok(0);
            }
            let ends = match patience {
                Patience::Until(deadline) => Some(deadline),
                Patience::Forever => None,
                Patience::WhileInFlight if self.in_flight() > 0 => None,
                Patience::WhileInFlight => {
                    Some(*grace_ends.get_or_insert_with(|| Instant::now() + IDLE_GRACE))
                }
            };
            let left = ends.map(|ends| ends.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                // Time is up, but what is queued must not wait for the next call.
                self.flush()?;
                return Ok(self.process(poller));
            }
            if self.completed_inline(poller) {
                continue;
            }
            let left = if poller.put_off.is_empty() { left } else { at_most(BACK_OFF, left) };
            self.park(poller, left)?;
        }
    }

    /// Processes completions; but first, where operations complete as they are handed over, hands
    /// over what is queued.
    #[inline]
    pub(crate) fn process_inline(&self, poller: &mut Poller) -> usize {
        if poller.completes_inline {
            self.hand_over_queued();
        }
        let processed = self.process(poller);
        poller.completes_inline &= processed > 0;
        processed
    }

    /// With several rings at work: hands over what is queued, and says whether something has
    /// completed by that. It is a system call of its own anyway; with one ring it is the one that
    /// sleeps.
    pub(crate) fn completed_inline(&self, poller: &mut Poller) -> bool {
        if self.ring_to_sleep_in().is_some() {
            return false;
        }
        self.hand_over_queued();
        let any = self.active.iter().any(|ring| self.rings[ring].backend.has_completions());
        poller.completes_inline |= any;
        any
    }

    /// Hands over what is queued on any ring.
    pub(crate) fn hand_over_queued(&self) {
        self.active.for_each(|index| {
            if self.rings[index].backend.queued() > 0 {
                self.flush_ring(index);
            }
        });
    }

    /// Runs the event loop on this thread until [`stop`](Self::stop) is called, then delivers what
    /// is still in flight, for ten seconds at most. A stop that came before counts.
    ///
    /// Ends early when the engine has a fatal error or is shut down; see
    /// [`fatal_error`](Self::fatal_error). Does nothing in a callback of this engine.
    pub fn run(&self) {
        if self.gate.is_mine() {
            return; // And leave a stop to the one that runs.
        }
        while !self.is_stopping() {
            if let Err(error) = self.wait_with(Patience::Forever) {
                say!(Error, "the event loop ends: {error}");
                break;
            }
        }
        if let Err(error) = self.drain(Some(DRAIN_AFTER_STOP)) {
            say!(Warning, "after the event loop: {error}");
        }
        self.stopping.store(false, Ordering::SeqCst);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Ends [`run`](Self::run), and a [`wait`](Self::wait) that sleeps. From any thread, from
    /// callbacks, from signal handlers.
    pub fn stop(&self) {
        if !self.door.is_home() {
            return; // The event loop is another process's.
        }
        self.stopping.store(true, Ordering::SeqCst);
        self.wake_to_end_wait();
    }

    /// Processes completions until nothing is in flight any more and all callbacks have returned,
    /// or the timeout (`None`: none) expires; returns how many operations this call processed. Submitting goes on meanwhile, and
    /// what is submitted is waited for.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn drain(&self, timeout: Option<Duration>) -> Result<usize> {
        /// Another thread may be processing; look again soon.
        const SLICE: Duration = Duration::from_millis(10);
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut processed = self.poll()?;
        loop {
            let in_flight = self.outstanding();
            if in_flight == 0 {
                return Ok(processed);
            }
            let now = Instant::now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                return Err(Error::TimedOut { in_flight });
            }
            let slice = now + SLICE;
            let slice = deadline.map_or(slice, |deadline| deadline.min(slice));
            processed += self.wait_with(Patience::Until(slice))?;
        }
    }

    /// Processes completions for a while, whoever else does.
    pub(crate) fn process_for(&self, time: Duration) -> Result<usize> {
        self.wait_with(Patience::Until(Instant::now() + time))
    }
}
