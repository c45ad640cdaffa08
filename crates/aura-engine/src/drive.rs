//! Who processes completions for the futures: executors and pollers that say so, and what happens
//! when there is nobody.
//!
//! # Synchronization
//!
//! A thread that waits for a flag ([`Engine::wait_until`]) announces that it goes to sleep and
//! then looks at the flag; whoever sets it does so first and then looks for the announcement
//! ([`Engine::nudge`]). All four accesses are sequentially consistent, so one of the two sees the
//! other. The same goes for threads that wait outside the gate.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::awaited;
use crate::backend::Backend;
use crate::directory;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::flag::Flag;
use crate::handle::SlotName;
use crate::log::say;
use crate::slot::{AWAITED, CANCEL_ASKED};

/// How long futures may wait with nobody processing completions before the log says so.
const FORGOTTEN: Duration = Duration::from_secs(1);
/// How long the last poller that leaves goes on while nothing completes, before it cancels what
/// futures wait for.
const LAST_QUIET: Duration = Duration::from_millis(200);
/// How long what it cancelled has to complete.
const LAST_AFTER_CANCEL: Duration = Duration::from_secs(2);

/// Who drives the engine.
#[derive(Debug, Default)]
pub(crate) struct Drivers {
    /// Executors and pollers at work.
    count: AtomicU32,
    /// The last one left and gave up on what was in flight. Cleared by the next.
    given_up: AtomicBool,
    /// Somebody makes sure that the futures are not forgotten: a driver, or a thread that is
    /// looking, or a program that was seen processing completions by itself.
    overseen: AtomicBool,
    /// Futures were dropped whose operations have not been cancelled. Set by anybody, cleared by
    /// the poller.
    abandoned: AtomicBool,
    /// How often completions were processed. Written inside the gate.
    visits: AtomicU64,
}

impl Drivers {
    #[inline]
    pub(crate) fn visit(&self) {
        self.visits.store(self.visits.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

impl<B: Backend> Engine<B> {
    /// Says that the caller is going to process completions until it calls
    /// [`end_driving`](Self::end_driving) or [`abandon_driving`](Self::abandon_driving).
    pub fn begin_driving(&self) {
        self.drivers.count.fetch_add(1, Ordering::SeqCst);
        self.drivers.overseen.store(true, Ordering::Relaxed);
        self.drivers.given_up.store(false, Ordering::SeqCst);
    }

    /// Says that the caller processes no more completions. What futures wait for stays as it is,
    /// for the next driver.
    pub fn end_driving(&self) {
        if self.drivers.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.drivers.overseen.store(false, Ordering::Relaxed);
        }
    }

    /// As [`end_driving`](Self::end_driving); but if there is no other driver, all futures come
    /// to an end, in bounded time: what completes soon does, the rest is cancelled and fails with
    /// [`Error::Shutdown`].
    pub fn abandon_driving(&self) {
        let last = self.drivers.count.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && !self.gate.is_mine() && self.door.check().is_ok() {
            self.finish_awaited();
        }
        if self.is_undriven() {
            self.drivers.overseen.store(false, Ordering::Relaxed);
        }
    }

    fn is_undriven(&self) -> bool {
        self.drivers.count.load(Ordering::SeqCst) == 0
    }

    fn finish_awaited(&self) {
        if self.finish_awaited_within(LAST_QUIET) || !self.is_undriven() {
            return;
        }
        self.drivers.given_up.store(true, Ordering::SeqCst);
        if let Some(_inside) = self.gate.enter(None) {
            self.dismiss_parked(libc::ESHUTDOWN);
        }
        for (index, ring) in self.rings.iter().enumerate() {
            for name in ring.slots.in_flight_with(AWAITED) {
                self.cancel_with_room(index, name);
            }
        }
        if !self.finish_awaited_within(LAST_AFTER_CANCEL)
            && self.is_undriven()
            && let Some(_inside) = self.gate.enter(None)
        {
            self.give_up_awaited();
        }
    }

    /// Processes completions until no future waits for any, or none came for `quiet`.
    fn finish_awaited_within(&self, quiet: Duration) -> bool {
        let mut deadline = Instant::now() + quiet;
        loop {
            let waiting = self.rings.iter().any(|ring| {
                ring.submission.parked.load(Ordering::Acquire) > 0
                    || (ring.outstanding() > 0
                        && ring.slots.in_flight_with(AWAITED).next().is_some())
            });
            if !waiting || Instant::now() >= deadline {
                return !waiting;
            }
            match self.process_for(Duration::from_millis(5)) {
                Ok(0) => {}
                Ok(_) => deadline = Instant::now() + quiet,
                Err(_) => return false,
            }
        }
    }

    /// Tells all futures that their operations are over, though these are still in the kernel and
    /// keep what they own. By the thread inside the gate.
    #[cold]
    pub(crate) fn give_up_awaited(&self) {
        for ring in &self.rings {
            let given_up: Vec<_> = {
                // So that no slot is just being taken, or given back because the queue was full.
                let _no_submitter = ring.lock();
                let names = ring.slots.in_flight_with(AWAITED);
                let slots = names.filter_map(|name| ring.slots.get(name.slot));
                slots.filter_map(|slot| awaited::give_up_on(slot.word())).collect()
            };
            given_up.into_iter().for_each(awaited::GivenUp::tell);
        }
    }

    /// A future was dropped with its operation submitted: asks the kernel to cancel it. If that is
    /// not possible here and now, the poller does.
    pub(crate) fn cancel_abandoned(&self, ring: usize, name: SlotName) {
        let mut cancelled = self.cancel_named(ring, name);
        if matches!(cancelled, Ok(false)) {
            self.flush_ring(ring);
            cancelled = self.cancel_named(ring, name);
        }
        let parked = self.rings[ring].submission.parked.load(Ordering::Relaxed) > 0;
        if !matches!(cancelled, Ok(true)) && (parked || self.rings[ring].slots.is_in_flight(name)) {
            self.drivers.abandoned.store(true, Ordering::SeqCst);
            if self.attention.is_parked() || self.attention.is_poll_fd_in_use() {
                self.wake();
            }
        }
    }

    /// Whether [`sweep_abandoned`](Self::sweep_abandoned) has something to do. One load.
    #[inline]
    pub(crate) fn any_abandoned(&self) -> bool {
        self.drivers.abandoned.load(Ordering::SeqCst)
    }

    /// Cancels operations whose futures were dropped where they could not be cancelled, and takes
    /// them out of the queues of those that wait for a permit. By the thread inside the gate.
    #[cold]
    pub(crate) fn sweep_abandoned(&self) {
        self.drivers.abandoned.store(false, Ordering::SeqCst);
        for (index, ring) in self.rings.iter().enumerate() {
            self.sweep_parked(index);
            let left = ring.slots.in_flight_with(AWAITED).filter(|name| {
                let slot = ring.slots.get(name.slot);
                slot.is_some_and(|slot| {
                    awaited::is_abandoned(slot.word()) && slot.flags() & CANCEL_ASKED == 0
                })
            });
            for name in left {
                if matches!(self.cancel_named(index, name), Ok(false)) {
                    self.flush_ring(index);
                    self.drivers.abandoned.store(true, Ordering::Relaxed); // The queue was full.
                }
            }
        }
    }

    /// Whether operations of futures were or are being cancelled because nobody would process
    /// their completions.
    pub(crate) fn is_given_up(&self) -> bool {
        self.is_closed() || self.drivers.given_up.load(Ordering::SeqCst)
    }

    /// Processes completions until the flag is set, sleeping when there is nothing to do. Whoever
    /// sets it calls [`nudge`](Self::nudge) if that says so.
    ///
    /// While another thread processes completions this one waits; when that one is done, this one
    /// takes over.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait), but it has no timeout.
    pub fn wait_until(&self, done: &Flag) -> Result<()> {
        self.door.check()?;
        if self.gate.is_mine() {
            return Err(Error::InCallback("wait"));
        }
        if done.is_set() {
            // A future that woke itself may do so again and again, and wait for I/O all the same.
            return self.poll().map(drop);
        }
        while !done.is_set() {
            let Some(inside) = self.gate.try_enter().or_else(|| {
                self.hand_over_queued(); // As in `wait`.
                self.gate.enter_unless(|| done.is_set())
            }) else {
                break;
            };
            let mut visit = self.visit(inside);
            let poller = visit.poller();
            while !done.is_set() {
                if self.process_inline(poller) == 0 {
                    self.check_fatal()?;
                    if !self.completed_inline(poller) {
                        self.park_unless(poller, done)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Makes threads in [`wait_until`](Self::wait_until) look at their flags.
    pub fn nudge(&self) {
        if self.attention.is_parked() {
            self.wake();
        }
        self.gate.nudge();
    }

    /// A future is about to wait for an operation.
    #[inline]
    pub(crate) fn note_awaited(&self) {
        if !self.drivers.overseen.load(Ordering::Relaxed) {
            self.watch_over();
        }
    }

    /// Nobody has said that they process completions. Most likely somebody does without saying so;
    /// if not, the future would wait for ever without a word. There is nobody to notice that but a
    /// thread for the purpose: it lives for a second or two, and there is one for all engines.
    #[cold]
    fn watch_over(&self) {
        if self.drivers.overseen.swap(true, Ordering::Relaxed) {
            return;
        }
        watch(self.id, self.drivers.visits.load(Ordering::Relaxed));
    }

    /// Says so if completions have not been processed since then, and there are futures waiting.
    pub(crate) fn warn_if_forgotten(&self, visits: u64) {
        let driven = self.drivers.count.load(Ordering::SeqCst) > 0;
        let visited = self.drivers.visits.load(Ordering::Relaxed) != visits;
        if driven || visited || self.attention.is_parked() {
            return;
        }
        if self.rings.iter().all(|ring| ring.outstanding() == 0) {
            // It has not become clear whether anybody would have cared.
            self.drivers.overseen.store(false, Ordering::Relaxed);
            return;
        }
        say!(
            Warning,
            "futures wait for I/O, but nobody processes completions, and nobody did for a second: \
             use block_on, start a poller, or call wait in a loop"
        );
    }
}

/// Engines to be looked at, with what they were seen to have done, and when; the thread that does so
/// lives as long as there are any.
static WATCHED: Mutex<VecDeque<(Instant, u16, u64)>> = Mutex::new(VecDeque::new());
/// A program that makes so many engines in a second without driving them does so on purpose.
const WATCHED_MAX: usize = 256;

/// Has an engine looked at after a while.
fn watch(engine: u16, visits: u64) {
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    if watched.len() >= WATCHED_MAX {
        return;
    }
    watched.push_back((Instant::now() + FORGOTTEN, engine, visits));
    if watched.len() == 1 {
        let spawned = std::thread::Builder::new().name("aura-watch".into()).spawn(keep_watch);
        if spawned.is_err() {
            watched.clear(); // Without a thread there is no warning, and that is all.
        }
    }
}

fn keep_watch() {
    let first = || WATCHED.lock().unwrap_or_else(PoisonError::into_inner).front().copied();
    while let Some((due, engine, visits)) = first() {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        directory::look_after(engine, visits);
        let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
        watched.pop_front();
        if watched.is_empty() {
            return; // Under the lock: whoever comes next starts another thread.
        }
    }
}
