//! Waiting: sleeping in the kernel without leaving anything behind, the event loop, draining.
//!
//! With one ring the poller sleeps in `io_uring_enter`, which also hands over what is queued; with
//! several it sleeps on an epoll descriptor over their descriptors. An eventfd wakes it in both
//! cases; it is not registered with the rings, because that costs every completion.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use aura_ring::{Sqe, Wake};
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use crate::backend::Backend;
use crate::clock;
use crate::drive::Flag;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::handle::Label;
use crate::log::say;
use crate::poll::Poller;
use crate::ring::{HandedOver, is_temporary};

/// How long [`Engine::run`] goes on delivering after it was stopped.
const DRAIN_AFTER_STOP: Duration = Duration::from_secs(10);
/// How long a wait without a timeout sleeps when nothing is in flight: another thread may be about
/// to submit, but there may be no other thread.
const IDLE_GRACE: Duration = Duration::from_millis(10);
/// How long to leave a kernel alone that has no memory for requests.
const BACK_OFF: Duration = Duration::from_millis(1);

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
        let Some(inside) = self.gate.enter(deadline) else { return Ok(0) };
        let mut visit = self.visit(inside);
        let poller = visit.poller();
        if self.wake_pending.load(Ordering::Relaxed) {
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

    /// With several rings: hands over what is queued, and says whether something has completed by
    /// that. It is a system call of its own anyway; with one ring it is the one that sleeps.
    pub(crate) fn completed_inline(&self, poller: &mut Poller) -> bool {
        if self.rings.len() == 1 {
            return false;
        }
        self.hand_over_queued();
        let any = self.active.iter().any(|ring| self.rings[ring].backend.has_completions());
        poller.completes_inline |= any;
        any
    }

    fn hand_over_queued(&self) {
        for index in self.active.iter() {
            if self.rings[index].backend.queued() > 0 {
                self.flush_ring(index);
            }
        }
    }

    /// Sleeps until something completes or somebody calls [`wake`](Self::wake); not at all if the
    /// flag is set, see `drive`.
    pub(crate) fn park_unless(&self, poller: &mut Poller, flag: &Flag) -> Result<()> {
        let timeout = (!poller.put_off.is_empty()).then_some(BACK_OFF);
        self.sleep(poller, timeout, || flag.is_set())
    }

    /// Sleeps until something completes, somebody calls [`wake`](Self::wake), or time runs out.
    fn park(&self, poller: &mut Poller, timeout: Option<Duration>) -> Result<()> {
        self.sleep(poller, timeout, || false)
    }

    fn sleep(
        &self,
        poller: &mut Poller,
        timeout: Option<Duration>,
        not_now: impl FnOnce() -> bool,
    ) -> Result<()> {
        let can_be_woken = self.rings.len() > 1 || self.arm_wake(poller);
        let timeout = if can_be_woken { timeout } else { at_most(BACK_OFF, timeout) };
        poller.parked_at_ns = clock::now_ns();
        poller.tuner.at_work(poller.parked_at_ns, false);
        poller.slept = true;
        // From here on submitters hand over themselves; what they queued before is handed over
        // below. See `attention`.
        self.attention.park();
        if not_now() {
            self.attention.unpark();
            return Ok(());
        }
        let slept = match &*self.rings {
            [_] => self.sleep_in_ring(timeout),
            _ => self.sleep_on_epoll(poller, timeout),
        };
        self.attention.unpark();
        slept
    }

    /// One system call hands over and sleeps.
    fn sleep_in_ring(&self, timeout: Option<Duration>) -> Result<()> {
        let ring = &self.rings[0];
        // There is always the wake-up to be taken off the queue, or this would not sleep again.
        self.active.mark(0);
        ring.lock().batched.set(0);
        match ring.backend.wait(timeout) {
            Ok(Wake::Ready | Wake::TimedOut) => {}
            // A signal may have come before everything was handed over.
            Ok(Wake::Interrupted) => drop(ring.count_queued()),
            Err(error) if is_temporary(&error) => {
                drop(ring.count_queued());
                std::thread::sleep(BACK_OFF);
            }
            Err(error) => self.latch_fatal(&error),
        }
        Ok(())
    }

    fn sleep_on_epoll(&self, poller: &mut Poller, timeout: Option<Duration>) -> Result<()> {
        let mut timeout = timeout;
        for index in self.active.iter() {
            match self.rings[index].flush() {
                Ok(HandedOver::All) => {}
                Ok(HandedOver::Later) => timeout = at_most(BACK_OFF, timeout),
                Err(error) => self.latch_fatal(&error),
            }
        }
        let epoll = self.epoll()?;
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut events = [const { std::mem::MaybeUninit::uninit() }; 8];
        match epoll::wait(epoll, &mut events, timeout.as_ref()) {
            Ok((ready, _)) => {
                for event in ready.iter() {
                    match event.data.u64() {
                        WAKE_EVENT => poller.woken |= self.take_wake(),
                        ring => self.active.mark(ring as usize),
                    }
                }
                Ok(())
            }
            // Work that the kernel does on behalf of this thread interrupts it like a signal.
            Err(Errno::INTR) => Ok(()),
            Err(error) => Err(Error::os("waiting on the rings' descriptors")(error)),
        }
    }

    /// Makes the single ring watch the wake-up descriptor. `false` if there is no room for that.
    fn arm_wake(&self, poller: &mut Poller) -> bool {
        let ring = &self.rings[0];
        let sqe = Sqe::poll_readable(self.wake_fd.as_raw_fd()).user_data(Label::Wake.encode());
        for _ in 0..2 {
            if !poller.wake_armed {
                let mut end = ring.lock();
                // SAFETY: a poll names no memory.
                poller.wake_armed = unsafe { ring.push_own(&mut end, &sqe) };
            }
            if poller.wake_armed {
                break;
            }
            self.flush_ring(0); // A full queue has room when it was handed over.
        }
        poller.wake_armed
    }

    /// Makes a poller that sleeps look around, or the next one that would sleep.
    pub(crate) fn wake(&self) {
        // A full counter is as good as an increment.
        let _ = rustix::io::write(&self.wake_fd, &1u64.to_ne_bytes());
        // After the write: whoever sees this finds something to read.
        self.wake_pending.store(true, Ordering::Release);
    }

    /// Empties the wake-up descriptor; whether the wait is to end.
    pub(crate) fn take_wake(&self) -> bool {
        self.wake_pending.store(false, Ordering::Release);
        let _ = rustix::io::read(&self.wake_fd, &mut [0u8; 8]);
        self.end_wait.swap(false, Ordering::AcqRel)
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
        self.end_wait.store(true, Ordering::Release);
        self.wake();
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

    /// A descriptor that is readable as long as there is something for [`poll`](Self::poll) to do,
    /// for an event loop of the caller's (level-triggered). It belongs to the engine.
    ///
    /// Once it has been asked for, operations submitted outside callbacks are handed over at once:
    /// nobody can be expected to call before sleeping in a loop of their own.
    ///
    /// # Errors
    ///
    /// [`Error::Os`] when the descriptor cannot be created (`EMFILE`).
    pub fn poll_fd(&self) -> Result<RawFd> {
        let epoll = self.epoll()?.as_raw_fd();
        if !self.attention.is_poll_fd_in_use() {
            self.attention.use_poll_fd();
            // What was queued before that has no later call to wait for either.
            if self.door.check().is_ok() && !self.gate.is_mine() {
                self.flush()?;
            }
        }
        Ok(epoll)
    }

    /// The epoll descriptor over all rings and the wake-up descriptor. With several rings it is
    /// made with the engine, with one when an application asks for it.
    pub(crate) fn epoll(&self) -> Result<BorrowedFd<'_>> {
        if let Some(epoll) = self.epoll.get() {
            return Ok(epoll.as_fd());
        }
        let made = make_epoll(&self.wake_fd, self.rings.iter().map(|ring| ring.backend.pollable()))
            .map_err(Error::os("creating the epoll descriptor over the rings"))?;
        Ok(self.epoll.get_or_init(|| made).as_fd())
    }
}

/// A timeout (`None`: none) cut to a limit.
fn at_most(limit: Duration, timeout: Option<Duration>) -> Option<Duration> {
    Some(timeout.map_or(limit, |timeout| timeout.min(limit)))
}

/// The epoll event of the wake-up descriptor; the rings have their index.
const WAKE_EVENT: u64 = u64::MAX;

fn make_epoll<'a>(
    wake_fd: &OwnedFd,
    rings: impl Iterator<Item = BorrowedFd<'a>>,
) -> Result<OwnedFd, Errno> {
    use epoll::{CreateFlags, EventData, EventFlags};
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, wake_fd, EventData::new_u64(WAKE_EVENT), EventFlags::IN)?;
    for (index, ring) in rings.enumerate() {
        epoll::add(&epoll, ring, EventData::new_u64(index as u64), EventFlags::IN)?;
    }
    Ok(epoll)
}
