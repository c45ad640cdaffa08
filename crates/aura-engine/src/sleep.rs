//! Sleeping in the kernel until something completes, and waking who sleeps.
//!
//! While one ring only has work the poller sleeps in that ring's `io_uring_enter`, which also hands
//! over what is queued. With several it sleeps on an epoll descriptor that watches them all. A
//! watched ring pays for it: each time completions are posted the kernel goes through the ring's
//! wait queue (90 ns on a no-op at depth 1). So rings are watched no longer than several are at
//! work, or for good once the application has asked for the descriptor; then an engine of several
//! rings sleeps there always, which helps under valgrind: it takes `io_uring_enter` for a call that
//! does not block, and lets no other thread run meanwhile.
//!
//! An eventfd wakes the poller in both cases; it is not registered with the rings, because that
//! costs every completion.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aura_ring::{Sqe, Wake};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;

use crate::attention::Ears;
use crate::backend::Backend;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::flag::Flag;
use crate::handle::Label;
use crate::poll::Poller;
use crate::ring::{HandedOver, is_temporary};

/// How long to leave a kernel alone that has no memory for requests.
pub(crate) const BACK_OFF: Duration = Duration::from_millis(1);

/// The epoll event of the wake-up descriptor; the rings have their index.
const WAKE_EVENT: u64 = u64::MAX;

/// What a poller sleeps on, and what wakes it, beside the rings themselves.
#[derive(Debug)]
pub(crate) struct Bed {
    wake_fd: OwnedFd,
    /// Something was written to `wake_fd` that nobody has read.
    wake_pending: AtomicBool,
    /// The next wake-up is meant to end the wait, not only to interrupt the sleep.
    end_wait: AtomicBool,
    /// Watches `wake_fd`, and the rings while `watching`.
    epoll: OwnedFd,
    watching: Mutex<bool>,
}

impl Bed {
    /// All descriptors are made now, and not when the poller first sleeps: by then there may be none
    /// left, and it may be the poller's callbacks that would close some.
    pub(crate) fn new() -> Result<Self> {
        let wake_fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(Error::os("creating the wake-up descriptor"))?;
        let watched = || -> Result<OwnedFd, Errno> {
            let epoll = epoll::create(CreateFlags::CLOEXEC)?;
            epoll::add(&epoll, &wake_fd, EventData::new_u64(WAKE_EVENT), EventFlags::IN)?;
            Ok(epoll)
        };
        let epoll = watched().map_err(Error::os("creating the epoll descriptor"))?;
        Ok(Self {
            epoll,
            wake_fd,
            wake_pending: AtomicBool::new(false),
            end_wait: AtomicBool::new(false),
            watching: Mutex::new(false),
        })
    }
}

impl<B: Backend> Engine<B> {
    /// Sleeps until something completes or somebody calls [`wake`](Self::wake); not at all if the
    /// flag is set, see `drive`.
    pub(crate) fn park_unless(&self, poller: &mut Poller, flag: &Flag) -> Result<()> {
        let timeout = (!poller.put_off.is_empty()).then_some(BACK_OFF);
        self.sleep(poller, timeout, || flag.is_set())
    }

    /// Sleeps until something completes, somebody calls [`wake`](Self::wake), or time runs out.
    pub(crate) fn park(&self, poller: &mut Poller, timeout: Option<Duration>) -> Result<()> {
        self.sleep(poller, timeout, || false)
    }

    /// The only ring that has work, if no more than one has. None if the rings are watched anyway, for
    /// the application.
    pub(crate) fn ring_to_sleep_in(&self) -> Option<usize> {
        if self.rings.len() > 1 && self.attention.is_poll_fd_in_use() {
            return None;
        }
        let mut active = self.active.iter();
        let ring = active.next().unwrap_or(0);
        active.next().is_none().then_some(ring)
    }

    fn sleep(
        &self,
        poller: &mut Poller,
        timeout: Option<Duration>,
        not_now: impl FnOnce() -> bool,
    ) -> Result<()> {
        let ring = self.ring_to_sleep_in();
        let mut now_ns = B::now_ns();
        if let Some(ring) = ring {
            match self.linger(poller, ring, now_ns) {
                Some(later_ns) => now_ns = later_ns,
                None => return Ok(()),
            }
        }
        let can_be_woken = ring.is_none_or(|ring| self.arm_wake(poller, ring));
        // There was no room to cancel them all: soon again.
        let had_abandoned = self.any_abandoned();
        let is_short = !can_be_woken || had_abandoned;
        let timeout = if is_short { at_most(BACK_OFF, timeout) } else { timeout };
        poller.parked_at_ns = now_ns;
        poller.tuner.at_work(poller.parked_at_ns, false);
        poller.slept = true;
        poller.queued_at_sleep =
            self.active.iter().map(|ring| self.rings[ring].backend.queued()).sum();
        // From here on submitters hand over themselves, and wake who does not hear of their ring;
        // what they queued before is handed over below. See `attention`.
        self.attention.park(ring.map_or(Ears::AllRings, Ears::Ring));
        let slept = match ring {
            // Whoever abandons an operation says so first, and then looks whether to wake this.
            _ if not_now() || (!had_abandoned && self.any_abandoned()) => Ok(()),
            None => self.sleep_on_epoll(poller, timeout),
            Some(ring) if self.ring_to_sleep_in() == Some(ring) => {
                self.sleep_in_ring(ring, timeout);
                Ok(())
            }
            // Another ring has just been given work: come again.
            Some(_) => Ok(()),
        };
        self.attention.unpark();
        slept
    }

    /// One system call hands over and sleeps.
    fn sleep_in_ring(&self, index: usize, timeout: Option<Duration>) {
        let ring = &self.rings[index];
        // There is always the wake-up to be taken off the queue, or this would not sleep again.
        self.active.mark(index);
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
    }

    fn sleep_on_epoll(&self, poller: &mut Poller, timeout: Option<Duration>) -> Result<()> {
        self.watch_rings(false)?;
        let mut timeout = timeout;
        for index in self.active.iter() {
            match self.rings[index].flush() {
                Ok(HandedOver::All) => {}
                Ok(HandedOver::Later) => timeout = at_most(BACK_OFF, timeout),
                Err(error) => self.latch_fatal(&error),
            }
        }
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut events = [const { std::mem::MaybeUninit::uninit() }; 8];
        match epoll::wait(&self.bed.epoll, &mut events, timeout.as_ref()) {
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

    /// Makes the epoll descriptor watch the rings, if it does not yet; for good if the application is
    /// going to rely on it.
    fn watch_rings(&self, for_good: bool) -> Result<()> {
        let mut watching = self.bed.watching.lock().unwrap_or_else(PoisonError::into_inner);
        let rings = if *watching { &[] } else { &*self.rings };
        for (index, ring) in rings.iter().enumerate() {
            let event = EventData::new_u64(index as u64);
            match epoll::add(&self.bed.epoll, ring.backend.pollable(), event, EventFlags::IN) {
                // An attempt that failed half-way left it there.
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(Error::os("watching the rings with epoll")(error)),
            }
        }
        *watching = true;
        if for_good {
            self.attention.use_poll_fd();
        }
        Ok(())
    }

    /// Stops watching the rings, unless the application relies on it. By the thread inside the gate.
    pub(crate) fn forget_rings(&self) {
        let mut watching = self.bed.watching.lock().unwrap_or_else(PoisonError::into_inner);
        // Asked under the lock, where it is set.
        if !*watching || self.attention.is_poll_fd_in_use() {
            return;
        }
        *watching = false;
        for ring in &self.rings {
            // What stays watched costs time and nothing else.
            let _ = epoll::delete(&self.bed.epoll, ring.backend.pollable());
        }
    }

    /// Makes a ring watch the wake-up descriptor. `false` if there is no room for that.
    fn arm_wake(&self, poller: &mut Poller, index: usize) -> bool {
        let ring = &self.rings[index];
        let sqe = Sqe::poll_readable(self.bed.wake_fd.as_fd().as_raw_fd());
        let sqe = sqe.user_data(Label::Wake.encode());
        for _ in 0..2 {
            if !poller.wake_armed[index] {
                let mut end = ring.lock();
                // SAFETY: a poll names no memory.
                poller.wake_armed[index] = unsafe { ring.push_own(&mut end, &sqe) };
            }
            if poller.wake_armed[index] {
                return true;
            }
            self.flush_ring(index); // A full queue has room when it was handed over.
        }
        false
    }

    /// Makes a poller that sleeps look around, or the next one that would sleep.
    pub(crate) fn wake(&self) {
        // A full counter is as good as an increment.
        let _ = rustix::io::write(&self.bed.wake_fd, &1u64.to_ne_bytes());
        // After the write: whoever sees this finds something to read.
        self.bed.wake_pending.store(true, Ordering::Release);
    }

    /// As [`wake`](Self::wake), and the wait ends by it.
    pub(crate) fn wake_to_end_wait(&self) {
        self.bed.end_wait.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether there is a wake-up that nobody has taken.
    #[inline]
    pub(crate) fn is_wake_pending(&self) -> bool {
        self.bed.wake_pending.load(Ordering::Relaxed)
    }

    /// Empties the wake-up descriptor; whether the wait is to end.
    pub(crate) fn take_wake(&self) -> bool {
        self.bed.wake_pending.store(false, Ordering::Release);
        let _ = rustix::io::read(&self.bed.wake_fd, &mut [0u8; 8]);
        self.bed.end_wait.swap(false, Ordering::AcqRel)
    }

    /// A descriptor that is readable as long as there is something for [`poll`](Self::poll) to do,
    /// for an event loop of the caller's (level-triggered). It belongs to the engine.
    ///
    /// Once it has been asked for, operations submitted outside callbacks are handed over at once:
    /// nobody can be expected to call before sleeping in a loop of their own.
    ///
    /// # Errors
    ///
    /// [`Error::Os`] when the rings cannot be watched (`ENOSPC`: the user's limit of epoll watches);
    /// [`Error::Shutdown`] in a process that is not the one which made the engine: the descriptor is the
    /// parent's, as are the rings that it would watch.
    pub fn poll_fd(&self) -> Result<RawFd> {
        if !self.door.is_home() {
            return Err(Error::Shutdown);
        }
        if !self.attention.is_poll_fd_in_use() {
            self.watch_rings(true)?;
            // What was queued before that has no later call to wait for either.
            if self.door.is_let_in() && !self.gate.is_mine() {
                self.flush()?;
            }
        }
        Ok(self.bed.epoll.as_raw_fd())
    }
}

/// A timeout (`None`: none) cut to a limit.
pub(crate) fn at_most(limit: Duration, timeout: Option<Duration>) -> Option<Duration> {
    Some(timeout.map_or(limit, |timeout| timeout.min(limit)))
}
