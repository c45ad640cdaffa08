//! Submitting: from a checked operation and a callback to an entry in a ring's queue.
//!
//! This is the hot path. One lock, one slot, one entry; the clock is read once per batch, and
//! nothing is allocated for callbacks of ordinary size.

use std::sync::atomic::Ordering;

use crate::backend::Backend;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::given_away::FileName;
use crate::handle::{Handle, Label, SlotName};
use crate::lock::Guard;
use crate::op::{Op, OpKind};
use crate::ring::{HandedOver, PushEnd, add};
use crate::select::Load;
use crate::slot::{AWAITED, LATE, REGISTERED_BUFFER};
use crate::tenant::{Callback, Tenant};
use crate::{Completion, resources::Resolved};

/// A submission that was refused, with the callback, which has not been called and never will be:
/// whatever it owns (a buffer, say) is the caller's again.
#[derive(thiserror::Error)]
#[error("{error}")]
pub struct Rejected<F> {
    /// Why.
    #[source]
    pub error: Error,
    /// The callback as it was given.
    pub call: F,
}

impl<F> std::fmt::Debug for Rejected<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rejected").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<F> From<Rejected<F>> for Error {
    fn from(rejected: Rejected<F>) -> Self {
        rejected.error
    }
}

/// Why an attempt did not succeed.
pub(crate) enum Refusal {
    /// The limit, the slots or a queue are used up: making room may help.
    NoRoom,
    Final(Error),
}

/// What an operation does that finds no permit.
pub(crate) enum AtLimit<'a, T> {
    /// It is refused.
    Refuse,
    /// It takes its place in the queue, and the tenant is told before it does.
    Park(&'a dyn Fn(&mut T)),
}

impl<B: Backend> Engine<B> {
    /// Submits an operation. The callback is called exactly once, inside [`poll`](Self::poll),
    /// [`wait`](Self::wait), [`run`](Self::run) or [`drain`](Self::drain), on the thread that
    /// calls them; never inside this function.
    ///
    /// `user_data` is kept for [`request_info`](crate::request_info).
    ///
    /// # Errors
    ///
    /// [`Rejected`] gives the callback back. [`Error::AtLimit`] after flushing and looking for
    /// completions once; [`Error::Shutdown`], [`Error::Busy`] and [`Error::NotRegistered`] for
    /// registered buffers, [`Error::Unsupported`].
    ///
    /// # Safety
    ///
    /// Whatever memory the operation names stays valid, and unused by others in conflict with the
    /// operation, until the callback begins. If the engine is dropped before that, see
    /// [`shutdown`](Self::shutdown).
    #[inline]
    pub unsafe fn submit<F>(&self, op: &Op, user_data: u64, call: F) -> Result<Handle, Rejected<F>>
    where
        F: FnOnce(Completion) + Send + 'static,
    {
        if self.has_to_be_held(op) {
            return self.submit_held(op, user_data, call);
        }
        if let Err(error) = self.may_submit(op) {
            return Err(Rejected { error, call });
        }
        let ring = self.choose_ring();
        let word = std::ptr::without_provenance_mut(user_data as usize);
        // SAFETY: the caller vouches for the memory.
        unsafe { self.attempt(ring, op, word, Callback(call), AtLimit::Refuse) }
            // SAFETY: as above.
            .or_else(|(refusal, tenant)| unsafe { self.try_again(ring, op, word, tenant, refusal) })
            .map_err(|(error, Callback(call))| Rejected { error, call })
    }

    #[inline]
    pub(crate) fn choose_ring(&self) -> usize {
        let (ring, spilled) = self.selector.select(|ring| self.load_of(ring));
        if spilled {
            self.count_spill();
        }
        ring
    }

    /// Makes what room can be made without calling anybody back, and tries once more.
    ///
    /// # Safety
    ///
    /// As [`submit`](Self::submit).
    #[cold]
    pub(crate) unsafe fn try_again<T: Tenant>(
        &self,
        ring: usize,
        op: &Op,
        word: *mut (),
        tenant: T,
        refusal: Refusal,
    ) -> Result<Handle, (Error, T)> {
        if let Refusal::Final(error) = refusal {
            return Err((error, tenant));
        }
        self.make_room(ring);
        // SAFETY: the caller vouches for the memory.
        let attempt = unsafe { self.attempt(ring, op, word, tenant, AtLimit::Refuse) };
        attempt.map_err(|(refusal, tenant)| match refusal {
            Refusal::Final(error) => (error, tenant),
            Refusal::NoRoom => {
                let ring = &self.rings[ring];
                let _writer = ring.lock();
                add(&ring.submission.gated, 1);
                (Error::AtLimit, tenant)
            }
        })
    }

    /// # Safety
    ///
    /// As [`submit`](Self::submit); `word` is what the tenant expects.
    #[inline]
    pub(crate) unsafe fn attempt<T: Tenant>(
        &self,
        index: usize,
        op: &Op,
        word: *mut (),
        tenant: T,
        at_limit: AtLimit<'_, T>,
    ) -> Result<Handle, (Refusal, T)> {
        let mut end = self.rings[index].lock();
        // SAFETY: the caller vouches for the memory.
        let name = unsafe { self.place(index, &mut end, op, word, tenant, at_limit) }?;
        self.leave(index, end);
        Ok(Handle::new(self.id, index, name))
    }

    /// Gives an operation a slot, and queues it for the kernel or parks it.
    ///
    /// # Safety
    ///
    /// As [`attempt`](Self::attempt); `end` is the ring's.
    #[inline]
    pub(crate) unsafe fn place<T: Tenant>(
        &self,
        index: usize,
        end: &mut PushEnd,
        op: &Op,
        word: *mut (),
        mut tenant: T,
        at_limit: AtLimit<'_, T>,
    ) -> Result<SlotName, (Refusal, T)> {
        let ring = &self.rings[index];
        // Whoever finds a queue goes to its end.
        let permitted = ring.has_permit() && end.parked.is_empty();
        if !permitted && matches!(at_limit, AtLimit::Refuse) {
            return Err((Refusal::NoRoom, tenant));
        }
        // As given, without a copy, except where memory is registered.
        let registered;
        let mut sqe = &op.sqe;
        let mut flags = self.pooled(op) | if T::AWAITED { AWAITED } else { 0 };
        // Relative to the current directory: no number is named.
        if !T::AWAITED && op.kind.finds_its_file_late() && op.sqe.raw_fd() >= 0 {
            flags |= LATE;
        }
        if let Some(place) = op.registered {
            // Judged under the lock: unregistering takes every lock after it closed the table.
            match self.resources.resolve(place, op) {
                Ok(Resolved { addr, index }) => {
                    registered = op.sqe.with_registered_buffer(addr, index);
                    sqe = &registered;
                    flags |= REGISTERED_BUFFER;
                    add(&ring.submission.registered, 1);
                }
                Err(error) => return Err((Refusal::Final(error), tenant)),
            }
        } else if let Some(in_slab) = self.in_slab(ring, op) {
            registered = in_slab;
            sqe = &registered;
        }
        let Some((slot_index, slot)) = ring.slots.pop(&mut end.free) else {
            return Err((Refusal::NoRoom, self.take_back(index, flags, tenant)));
        };
        end.open_batch(|| self.batch_clock_ns());
        let name = SlotName { slot: slot_index, generation: slot.generation() };
        if permitted {
            // Counted first: with submission polling it may complete before this returns.
            add(&ring.submission.submitted, 1);
            // SAFETY: the slot was popped under the lock that is held.
            unsafe { slot.occupy(op.kind, sqe, flags, end.opened_ns, word, tenant) };
            let label = Label::Operation(name).encode();
            // SAFETY: the lock excludes other pushers; the caller vouches for the memory.
            let pushed = unsafe { ring.backend.push_labelled(sqe, label) };
            if pushed.is_ok() {
                if flags & LATE != 0 {
                    end.late.add(sqe);
                }
                end.batched.add(1);
                self.active.mark(index);
                return Ok(name);
            }
            add(&ring.submission.submitted, u64::MAX); // One less again.
            // SAFETY: just occupied with this type, and the kernel has not seen it.
            tenant = unsafe { slot.vacate::<T>() };
        }
        let AtLimit::Park(keep) = at_limit else {
            ring.slots.unpop(&mut end.free, slot_index);
            return Err((Refusal::NoRoom, self.take_back(index, flags, tenant)));
        };
        keep(&mut tenant);
        // SAFETY: popped or vacated under the lock that is held, and not known to the kernel.
        unsafe {
            slot.occupy(op.kind, sqe, flags, end.opened_ns, word, tenant);
            self.park_operation(index, end, slot_index, slot);
        }
        Ok(name)
    }

    /// Leaves a ring's submission side: hands over what is queued if the batch is full, or if
    /// nobody else would.
    #[inline]
    pub(crate) fn leave(&self, index: usize, end: Guard<'_, PushEnd>) {
        let submission = &self.rings[index].submission;
        let is_full = end.batched.get() >= submission.batch_next.load(Ordering::Relaxed);
        // Read after the ring was marked: see `attention`.
        if is_full || self.attention.nobody_else_submits() {
            if !is_full && self.flusher.is_there() && !self.attention.is_parked() {
                self.leave_to_flusher(end);
                return;
            }
            let later = submission.batch_later.load(Ordering::Relaxed);
            submission.batch_next.store(later, Ordering::Relaxed);
            let queued = end.batched.take();
            drop(end);
            self.hand_over(index, queued);
            if self.attention.is_deaf_to(index) {
                self.wake();
            }
        }
    }

    #[cold]
    fn leave_to_flusher(&self, end: Guard<'_, PushEnd>) {
        let has_to_be_told = end.batched.begin_telling();
        drop(end);
        if has_to_be_told {
            self.flusher.wake();
        }
    }

    /// Undoes the count of a registered operation that was not taken after all.
    #[cold]
    fn take_back<T>(&self, ring: usize, flags: u16, tenant: T) -> T {
        if flags & REGISTERED_BUFFER != 0 {
            add(&self.rings[ring].submission.registered, u64::MAX);
        }
        tenant
    }

    /// Whether the engine takes operations, and this one.
    #[inline]
    pub(crate) fn may_submit(&self, op: &Op) -> Result<()> {
        self.door.check()?;
        if self.is_closed() {
            return Err(Error::Shutdown);
        }
        if matches!(op.kind, OpKind::Read | OpKind::Write) {
            return Ok(());
        }
        self.may_submit_unusual(op)
    }

    fn may_submit_unusual(&self, op: &Op) -> Result<()> {
        if op.opcode().is_none_or(|opcode| !self.rings[0].backend.supports(opcode)) {
            return Err(Error::Unsupported(match op.kind {
                OpKind::Ftruncate => "ftruncate operation (it came with Linux 6.9)",
                _ => "such operation (Linux 5.6 or later is needed)",
            }));
        }
        if op.kind == OpKind::Close {
            self.give_away(FileName::Descriptor(op.sqe.raw_fd()));
            // Operations on the descriptor that are still queued, on whatever ring, must find it
            // open, and not another file that gets its number.
            for ring in self.active.iter() {
                match self.rings[ring].empty_queue() {
                    Ok(true) => {}
                    Ok(false) => return Err(Error::AtLimit),
                    Err(error) => {
                        self.latch_fatal(&error);
                        return Err(Error::Shutdown);
                    }
                }
            }
        }
        Ok(())
    }

    /// The time that an operation queued now counts as submitted. While callbacks run, the time
    /// of their batch will do.
    #[inline]
    pub(crate) fn batch_clock_ns(&self) -> u64 {
        match self.dispatching_ns.load(Ordering::Relaxed) {
            0 => B::now_ns(),
            batch_ns => batch_ns,
        }
    }

    #[inline]
    fn load_of(&self, ring: usize) -> Load {
        let ring = &self.rings[ring];
        Load {
            in_flight: ring.in_flight(),
            limit: ring.submission.limit.load(Ordering::Relaxed).into(),
        }
    }

    #[cold]
    fn count_spill(&self) {
        self.spills.fetch_add(1, Ordering::Relaxed);
    }

    /// Hands over everything that is queued, without waiting for a batch to fill.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] from a thread that is not the owner of a single-threaded engine. What
    /// the kernel does not take now stays queued for later.
    pub fn flush(&self) -> Result<()> {
        self.door.check()?;
        for ring in self.active.iter() {
            self.flush_ring(ring);
        }
        Ok(())
    }

    /// Asks the kernel to cancel an operation. Its callback is called in any case, with
    /// `-ECANCELED` if the kernel could stop it. From any thread: of an engine that is another
    /// thread's (`single_thread`), that thread asks when it next processes completions.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyCompleted`] when its callback has begun, [`Error::Invalid`] for a handle of
    /// another engine, [`Error::Busy`] when the queue has no room, [`Error::Shutdown`].
    pub fn cancel(&self, handle: Handle) -> Result<()> {
        let is_owner = self.door.check_any_thread()?;
        if handle.engine() != self.id {
            return Err(Error::Invalid("the request belongs to another engine"));
        }
        if self.is_closed() {
            return Err(Error::Shutdown);
        }
        if !is_owner {
            return self.cancel_from_afar(handle);
        }
        let (index, name) = (handle.ring(), handle.name());
        if index >= self.rings.len() {
            return Err(Error::AlreadyCompleted);
        }
        if self.cancel_named(index, name)? {
            return Ok(());
        }
        self.flush_ring(index);
        match self.cancel_named(index, name)? {
            true => Ok(()),
            false => Err(Error::Busy("the queue has no room for a cancellation")),
        }
    }

    /// Queues a cancellation and hands it over; `false` when the queue is full.
    pub(crate) fn cancel_named(&self, index: usize, name: SlotName) -> Result<bool> {
        self.door.check()?;
        let ring = &self.rings[index];
        let slot = ring.slots.get(name.slot).ok_or(Error::AlreadyCompleted)?;
        let mut end = ring.lock();
        if !slot.is_in_flight(name.generation) {
            return Err(Error::AlreadyCompleted);
        }
        let target = Label::Operation(name).encode();
        let sqe = aura_ring::Sqe::cancel(target).user_data(Label::Cancel.encode());
        // First, because the kernel may act at once: what it cancels must not be tried again.
        let asked_before = slot.ask_cancel(true);
        // SAFETY: a cancellation names no memory.
        if !unsafe { ring.push_own(&mut end, &sqe) } {
            slot.ask_cancel(asked_before);
            return Ok(false);
        }
        let queued = end.batched.take();
        drop(end);
        self.hand_over(index, queued);
        Ok(true)
    }

    #[inline]
    pub(crate) fn flush_ring(&self, index: usize) {
        self.heed(self.rings[index].flush());
    }

    #[inline]
    pub(crate) fn hand_over(&self, index: usize, queued: u32) {
        self.heed(self.rings[index].hand_over(queued));
    }

    /// What is left when the kernel takes nothing for the moment is the poller's to try again; if
    /// it sleeps, it has to be told.
    #[inline]
    fn heed(&self, handed_over: std::io::Result<HandedOver>) {
        match handed_over {
            Ok(HandedOver::All) => {}
            Ok(HandedOver::Later) => {
                if self.attention.nobody_else_submits() && !self.gate.is_mine() {
                    self.wake();
                }
            }
            Err(error) => self.latch_fatal(&error),
        }
    }
}
