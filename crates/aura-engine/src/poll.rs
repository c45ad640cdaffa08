//! Processing completions: taking them from the rings, accounting for them, calling back.
//!
//! Everything here runs inside the engine's gate, by one thread at a time, and no lock is held
//! while a callback runs. A batch of completions is processed in three passes: account for all
//! (which releases their permits), call all back, free all their slots.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use aura_ring::Cqe;

use crate::Completion;
use crate::account::{Batch, Done};
use crate::backend::Backend;
use crate::clock;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::gate::Inside;
use crate::handle::{Handle, SlotName};
use crate::linger::Linger;
use crate::lock::Guard;
use crate::log::say;
use crate::ring::{BATCH, EngineRing, PushEnd};
use crate::slot::{LATE, Slot};
use crate::tuner::Tuner;

/// What the thread inside the gate works with.
#[derive(Debug)]
pub(crate) struct Poller {
    pub(crate) tuner: Tuner,
    /// The batch that is being processed.
    pub(crate) batch: Batch,
    /// Accounted for, not called back yet: completions taken off a queue by a submitter that
    /// looked for room. Submitters do not call back.
    pub(crate) stash: Vec<(usize, Done)>,
    /// For each ring: a poll operation on the wake-up descriptor is in flight.
    pub(crate) wake_armed: Box<[bool]>,
    /// Somebody asked for a sleeping poller to return.
    pub(crate) woken: bool,
    /// It slept since it last took a completion.
    pub(crate) slept: bool,
    /// When it last went to sleep.
    pub(crate) parked_at_ns: u64,
    /// Operations that were handed over by that.
    pub(crate) queued_at_sleep: u32,
    /// Operations lately completed as they were handed over (their data were in memory), so that
    /// it is worth looking for completions before sleeping.
    pub(crate) completes_inline: bool,
    /// Whether to look for completions a little longer before sleeping.
    pub(crate) linger: Linger,
    /// Operations were queued once more, and wait to be handed over.
    pub(crate) repeats: bool,
    /// Completions of operations that are to be queued once more when there is room, with their
    /// rings. They are accounted for then.
    pub(crate) put_off: Vec<(usize, Cqe)>,
    /// When the clock is next compared, and the pool asked to give back idle memory (which it calls
    /// so after ten seconds).
    look_after_at_ns: u64,
}

/// A stay inside the gate. Whoever found it closed meanwhile is made to come again.
pub(crate) struct Visit<'e, B: Backend> {
    engine: &'e Engine<B>,
    /// Taken out at the end.
    inside: Option<Inside<'e, Poller>>,
}

impl<B: Backend> Visit<'_, B> {
    pub(crate) fn poller(&mut self) -> &mut Poller {
        self.inside.as_mut().expect("until the end")
    }
}

impl<B: Backend> Drop for Visit<'_, B> {
    fn drop(&mut self) {
        self.inside = None;
        if self.engine.gate.take_note() && self.engine.attention.is_poll_fd_in_use() {
            self.engine.wake();
        }
    }
}

thread_local! {
    /// How many callbacks of whatever engine this thread is inside of.
    static CALLBACK_DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Whether the calling thread is inside a completion callback, of any engine.
#[must_use]
pub fn in_callback_context() -> bool {
    CALLBACK_DEPTH.try_with(|depth| depth.get() > 0).unwrap_or(false)
}

impl Poller {
    pub(crate) fn new(tuner: Tuner, rings: usize) -> Self {
        Self {
            tuner,
            batch: Batch::new(),
            stash: Vec::new(),
            wake_armed: vec![false; rings].into(),
            woken: false,
            slept: false,
            parked_at_ns: 0,
            queued_at_sleep: 0,
            completes_inline: false,
            linger: Linger::default(),
            repeats: false,
            put_off: Vec::new(),
            look_after_at_ns: 0,
        }
    }
}

impl<B: Backend> Engine<B> {
    pub(crate) fn visit<'e>(&'e self, inside: Inside<'e, Poller>) -> Visit<'e, B> {
        Visit { engine: self, inside: Some(inside) }
    }

    /// Processes what has completed, without waiting, and returns how many operations that were.
    /// Hands over what is queued, before and after.
    ///
    /// If another thread is processing completions, there is nothing more to do here: returns 0.
    ///
    /// # Errors
    ///
    /// [`Error::InCallback`] from a callback of this engine; the fatal error, once everything
    /// that completed before it was delivered.
    pub fn poll(&self) -> Result<usize> {
        self.door.check()?;
        if self.gate.is_mine() {
            return Err(Error::InCallback("poll"));
        }
        // An event loop was told that there is something to do, and will not be told again: if it
        // comes too early, whoever is inside sees to it.
        let Some(inside) = self.gate.try_enter().or_else(|| self.gate.try_enter_or_leave_note())
        else {
            self.hand_over_queued();
            return Ok(0);
        };
        let mut visit = self.visit(inside);
        let poller = visit.poller();
        self.active.for_each(|ring| self.flush_ring(ring));
        let processed = self.process(poller);
        if processed == 0 { self.check_fatal().map(|()| 0) } else { Ok(processed) }
    }

    /// Takes, accounts for and delivers what has completed on all active rings; hands over what
    /// the callbacks queued.
    pub(crate) fn process(&self, poller: &mut Poller) -> usize {
        self.drivers.visit();
        if self.is_wake_pending() {
            poller.woken |= self.take_wake();
        }
        let mut processed = self.deliver_stash(poller);
        if self.errands.any() && !self.is_closed() {
            processed += self.run_errands();
        }
        if self.has_forked() {
            return processed;
        }
        if !poller.put_off.is_empty() {
            processed += self.take_up_put_off(poller);
        }
        if self.is_closed() {
            processed += self.dismiss_parked(libc::ESHUTDOWN);
        }
        self.active.for_each(|index| processed += self.process_ring(poller, index));
        if self.has_forked() {
            return processed;
        }
        if self.held.any() {
            self.take_up_held();
        }
        if processed == 0 && self.attention.is_poll_fd_in_use() {
            // A late answer to a cancellation keeps the descriptor readable, on whatever ring.
            processed +=
                (0..self.rings.len()).map(|ring| self.process_ring(poller, ring)).sum::<usize>();
        }
        if processed > 0 || std::mem::take(&mut poller.repeats) {
            self.flush_after_callbacks();
        }
        if !poller.put_off.is_empty() && self.attention.is_poll_fd_in_use() {
            self.wake(); // So that the application comes back for it.
        }
        if self.resources.is_draining() {
            self.finish_draining();
        }
        if self.any_abandoned() {
            self.sweep_abandoned();
        }
        if self.leftovers.any() {
            self.take_up_leftovers();
        }
        processed
    }

    /// A callback has forked, and returned in the child as well: what is to be done from here on is the
    /// parent's, and would be done to its rings. Asked after callbacks.
    #[inline]
    fn has_forked(&self) -> bool {
        !self.door.is_home()
    }

    /// Hands over what the callbacks queued. What another thread queues at this very moment may be
    /// missed, and then waits for the next call as always; unless an application sleeps on the
    /// poll descriptor, which has no next call: then the locks are taken to make sure.
    fn flush_after_callbacks(&self) {
        let must_not_miss = self.attention.is_poll_fd_in_use();
        self.active.for_each(|index| {
            if must_not_miss || self.rings[index].backend.queued() > 0 {
                self.flush_ring(index);
            }
        });
    }

    /// At most as many as were in flight when it began (or a batch), so that callbacks which submit
    /// again and again cannot keep the other rings from their turn.
    fn process_ring(&self, poller: &mut Poller, index: usize) -> usize {
        let ring = &self.rings[index];
        let mut processed = 0;
        let mut entered = false;
        let most = (ring.in_flight() as usize).max(BATCH);
        while processed < most {
            let mut batch = std::mem::take(&mut poller.batch);
            let taken = self.take_batch(poller, index, &mut batch);
            let mut more = taken == BATCH;
            if taken > 0 {
                processed += batch.done().len();
                // What the callbacks submitted may have completed as it was handed over.
                more |= self.deliver(index, &batch);
            }
            poller.batch = batch;
            if more {
                continue;
            }
            if taken > 0 {
                break;
            }
            if !entered && ring.backend.needs_enter() {
                entered = true;
                self.hand_over(index, 0);
            } else {
                break;
            }
        }
        if self.has_forked() {
            return processed;
        }
        if ring.submission.parked.load(Ordering::Relaxed) > 0 {
            self.look_after_parked(index);
        }
        if ring.fixed.any_wanted() {
            self.register_wanted(ring);
        }
        if processed == 0 {
            self.maybe_retire_ring(index);
        } else {
            ring.completion.idle_visits.store(0, Ordering::Relaxed);
        }
        processed
    }

    /// Calls back, frees the slots, and hands over what the callbacks queued on this ring, or what
    /// waited for a permit; whether there was anything.
    pub(crate) fn deliver(&self, index: usize, batch: &Batch) -> bool {
        let ring = &self.rings[index];
        let done = batch.done();
        if done.is_empty() {
            return false;
        }
        let submitted = ring.submission.submitted.load(Ordering::Relaxed);
        let called = ring.completion.delivered.load(Ordering::Relaxed) + done.len() as u64;
        ring.completion.called.store(called, Ordering::Release);
        self.dispatching_ns.store(batch.now_ns(), Ordering::Relaxed);
        self.attention.begin_callbacks();
        CALLBACK_DEPTH.with(|depth| depth.set(depth.get() + 1));
        for &Done { slot: number, result } in done {
            let slot = ring.slots.get(number).expect("accounted for before");
            let name = SlotName { slot: number, generation: slot.generation() };
            let completion = Completion { handle: Handle::new(self.id, index, name), result };
            // SAFETY: completed by `account`, on this thread, and called here only.
            unsafe { self.call_back(slot, completion) };
        }
        CALLBACK_DEPTH.with(|depth| depth.set(depth.get() - 1));
        self.attention.end_callbacks();
        self.dispatching_ns.store(0, Ordering::Relaxed);
        ring.completion.delivered.store(called, Ordering::Release);
        if self.has_forked() {
            return false;
        }
        let mut end = ring.lock();
        if batch.any_late() {
            forget_late(ring, &mut end, done);
        }
        // SAFETY: under the lock, on the reaping thread, after their callbacks.
        unsafe { ring.slots.retire(&mut end.free, done.iter().map(|done| done.slot)) };
        let waiting = end.parked.has_any();
        if waiting {
            self.let_in(index, end, batch.now_ns());
            return true;
        }
        let queued = end.batched.take();
        drop(end);
        if queued > 0 {
            self.hand_over(index, queued);
        }
        // Where batches are small the callbacks have handed over themselves.
        queued > 0 || submitted != ring.submission.submitted.load(Ordering::Relaxed)
    }

    /// Admits those who wait, hands over what is queued, and wakes tasks that found no slot.
    #[cold]
    fn let_in(&self, index: usize, mut end: Guard<'_, PushEnd>, now_ns: u64) {
        let abandoned = self.admit(index, &mut end, now_ns);
        let outside = end.parked.take_outside();
        let queued = end.batched.take();
        drop(end);
        if queued > 0 {
            self.hand_over(index, queued);
        }
        self.bury(index, &abandoned, libc::ECANCELED);
        self.wake_all(outside);
    }

    /// Runs what a completed slot holds.
    ///
    /// # Safety
    ///
    /// As [`Slot::run`].
    #[inline]
    pub(crate) unsafe fn call_back(&self, slot: &Slot, completion: Completion) {
        // SAFETY: by contract.
        self.catching(|| unsafe { slot.run(completion) });
    }

    /// Calls somebody else's code, and reports a panic of it.
    #[inline]
    pub(crate) fn catching(&self, call: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(call)) {
            self.note_panic(panic);
        }
    }

    /// Strikes a ring off the active ones when it has been idle for a while.
    fn maybe_retire_ring(&self, index: usize) {
        const IDLE_VISITS: u32 = 32;
        let ring = &self.rings[index];
        if ring.in_flight() > 0 {
            return;
        }
        let visits = ring.completion.idle_visits.load(Ordering::Relaxed) + 1;
        ring.completion.idle_visits.store(visits, Ordering::Relaxed);
        if visits > IDLE_VISITS {
            let end = ring.lock();
            // Under the lock nobody marks it, so nothing can be missed.
            if end.batched.get() == 0 && end.parked.is_empty() && ring.in_flight() == 0 {
                self.active.clear(index);
                drop(end);
                if self.ring_to_sleep_in().is_some() {
                    self.forget_rings();
                }
            }
        }
    }

    /// Housekeeping, when it is due: every few milliseconds.
    #[inline]
    pub(crate) fn tick(&self, poller: &mut Poller, now_ns: u64) {
        if now_ns >= poller.look_after_at_ns {
            poller.look_after_at_ns = now_ns + clock::look_after();
            self.pool.reap();
        }
        if poller.tuner.is_due(now_ns) {
            let total = self.in_flight();
            self.selector.set_average(total);
            poller.tuner.close_if_due(now_ns, &self.rings, &self.published);
        }
    }

    #[cold]
    fn note_panic(&self, panic: Box<dyn std::any::Any + Send>) {
        self.callback_panics.fetch_add(1, Ordering::Relaxed);
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        say!(Error, "a completion callback panicked: {}", text.unwrap_or("(no message)"));
        // What it carried is the user's, and may panic when it is dropped, even repeatedly.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            std::mem::forget(again);
        }
    }
}

/// These operations are not in a close's way any more.
#[cold]
fn forget_late<B: Backend>(ring: &EngineRing<B>, end: &mut PushEnd, done: &[Done]) {
    let slots = done.iter().filter_map(|done| ring.slots.get(done.slot));
    for slot in slots.filter(|slot| slot.flags() & LATE != 0) {
        // SAFETY: the slot is the reaping thread's until it is retired.
        end.late.remove(&unsafe { slot.sqe() });
    }
}
