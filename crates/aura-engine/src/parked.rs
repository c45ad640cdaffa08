//! Operations that wait for a permit: a queue per ring, first come, first served.
//!
//! An awaitable that finds the limit reached gets a slot like any other operation, and the slot
//! joins this queue instead of the kernel's. The poller admits operations from it when it has
//! released permits: nobody has to be woken, and no task has to be polled, for an operation to get
//! its turn. So a task that holds on to finished operations cannot keep the others waiting.
//!
//! The poller looks at the queue of a ring when operations of it have completed, and before it
//! sleeps: then a ring without a permit may borrow what other rings do not use. So while anything
//! is parked, something is in flight, whose completion brings the poller here.
//!
//! This file is `unsafe` because the queue is linked through the slots.

use std::sync::atomic::Ordering;
use std::task::Waker;

use crate::Completion;
use crate::awaited::is_abandoned;
use crate::backend::Backend;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::handle::{Handle, Label, SlotName};
use crate::lock::Guard;
use crate::ring::{PushEnd, add};
use crate::slot::{REGISTERED_BUFFER, Slot};

/// The queue's ends; part of what the submission lock guards.
#[derive(Debug, Default)]
pub(crate) struct Parked {
    len: u64,
    /// The oldest. Meaningless while `len` is 0, as is `tail`.
    head: u32,
    tail: u32,
    /// Tasks that found no slot, to be woken when slots are freed.
    outside: Vec<Waker>,
}

impl Parked {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether anybody waits, inside or outside.
    #[inline]
    pub(crate) fn has_any(&self) -> bool {
        self.len > 0 || !self.outside.is_empty()
    }

    /// Wakes a task when slots are freed.
    pub(crate) fn wait_outside(&mut self, waker: Waker) {
        self.outside.push(waker);
    }

    /// Those to be woken now that slots are free, by [`Engine::wake_all`].
    #[inline]
    pub(crate) fn take_outside(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.outside)
    }
}

impl<B: Backend> Engine<B> {
    /// Wakes somebody who was refused for want of room, once, when operations have completed that
    /// make some. By the reaping thread, with no lock held. For those who queue by themselves;
    /// awaitables need not ask.
    ///
    /// `false`: there is room, or nothing whose completion could make any. Nobody is woken, and it
    /// is worth trying again at once.
    ///
    /// # Errors
    ///
    /// As a submission's.
    pub fn when_room(&self, waker: Waker) -> Result<bool> {
        self.door.check()?;
        if self.is_closed() {
            return Err(Error::Shutdown);
        }
        let own = self.choose_ring();
        // A ring may have lent its whole share, and then has nothing in flight that would bring the
        // poller here; but then others have.
        let others = (0..self.rings.len()).filter(|index| *index != own);
        for index in std::iter::once(own).chain(others) {
            let ring = &self.rings[index];
            let mut end = ring.lock();
            if index == own && ring.has_permit() && end.parked.is_empty() {
                return Ok(false);
            }
            // What is in flight now is delivered later, and takes this lock to free its slot.
            if ring.in_flight() > 0 {
                end.parked.wait_outside(waker);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Locks a ring for operations that may have to wait in its queue. The first to wait looks whether
    /// other rings have something to spare: a ring that has lent its whole share may have nothing in
    /// flight, and then no completion would ever bring the poller to its queue.
    #[inline]
    pub(crate) fn lock_to_place(&self, index: usize) -> Guard<'_, PushEnd> {
        let ring = &self.rings[index];
        let end = ring.lock();
        if ring.has_permit() || !end.parked.is_empty() {
            return end;
        }
        drop(end);
        self.borrow_share(index);
        ring.lock()
    }

    /// Appends an occupied slot to the ring's queue.
    ///
    /// # Safety
    ///
    /// `end` is the ring's; the slot was just occupied under it, and the kernel does not have the
    /// operation.
    #[cold]
    pub(crate) unsafe fn park_operation(
        &self,
        index: usize,
        end: &mut PushEnd,
        number: u32,
        slot: &Slot,
    ) {
        // SAFETY: by contract.
        unsafe { slot.park() };
        self.append(index, end, number);
        add(&self.rings[index].submission.gated, 1);
        // The poller looks after the queues of active rings.
        self.active.mark(index);
    }

    /// Makes a parked slot, which is in no queue, the last of the queue.
    fn append(&self, index: usize, end: &mut PushEnd, number: u32) {
        let ring = &self.rings[index];
        if end.parked.is_empty() {
            end.parked.head = number;
        } else {
            let last = ring.slots.get(end.parked.tail).expect("a slot of this ring");
            // SAFETY: what is in the queue is parked, and the lock is held.
            unsafe { last.set_next_parked(number) };
        }
        end.parked.tail = number;
        end.parked.len += 1;
        ring.submission.parked.store(end.parked.len, Ordering::Release);
    }

    /// Takes the oldest out of the queue.
    fn unpark_oldest(&self, index: usize, end: &mut PushEnd) -> Option<(u32, &Slot)> {
        if end.parked.is_empty() {
            return None;
        }
        let ring = &self.rings[index];
        let number = end.parked.head;
        let slot = ring.slots.get(number).expect("a slot of this ring");
        // SAFETY: it is parked, and the lock is held.
        end.parked.head = unsafe { slot.next_parked() };
        end.parked.len -= 1;
        ring.submission.parked.store(end.parked.len, Ordering::Release);
        Some((number, slot))
    }

    /// Queues parked operations for the kernel as long as there are permits, and returns those
    /// that nobody waits for any more, to be given to [`bury`](Self::bury). By the reaping thread.
    pub(crate) fn admit(&self, index: usize, end: &mut PushEnd, now_ns: u64) -> Vec<u32> {
        let ring = &self.rings[index];
        let mut abandoned = Vec::new();
        while !end.parked.is_empty() && ring.has_permit() {
            let number = end.parked.head;
            let slot = ring.slots.get(number).expect("a slot of this ring");
            if is_abandoned(slot.word()) {
                self.unpark_oldest(index, end);
                // SAFETY: just taken out of the queue, on the reaping thread.
                unsafe { slot.give_up() };
                abandoned.push(number);
                continue;
            }
            let name = SlotName { slot: number, generation: slot.generation() };
            // SAFETY: it is parked, so it belongs to the holder of the lock; its submitter vouched
            // for the memory.
            unsafe {
                let sqe = slot.sqe().user_data(Label::Operation(name).encode());
                let next = slot.next_parked();
                add(&ring.submission.submitted, 1);
                slot.admit(now_ns);
                if ring.backend.push(&sqe).is_err() {
                    add(&ring.submission.submitted, u64::MAX); // One less again.
                    slot.park();
                    slot.set_next_parked(next);
                    break; // What fills the queue will complete, and bring us back.
                }
                end.parked.head = next;
            }
            end.parked.len -= 1;
            ring.submission.parked.store(end.parked.len, Ordering::Release);
            end.batched.add(1);
        }
        abandoned
    }

    /// Ends operations that never reached the kernel: frees what they own and their slots. By the
    /// reaping thread, without the lock.
    pub(crate) fn bury(&self, index: usize, numbers: &[u32], errno: i32) {
        if numbers.is_empty() {
            return;
        }
        let ring = &self.rings[index];
        for &number in numbers {
            let slot = ring.slots.get(number).expect("a slot of this ring");
            if slot.flags() & REGISTERED_BUFFER != 0 {
                add(&ring.completion.registered, 1);
            }
            let name = SlotName { slot: number, generation: slot.generation() };
            let handle = Handle::new(self.id, index, name);
            let completion = Completion { handle, result: -errno };
            // SAFETY: given up by this thread, and called here only.
            unsafe { self.call_back(slot, completion) };
        }
        let mut end = ring.lock();
        // SAFETY: under the lock, on the reaping thread, given up and completed.
        unsafe { ring.slots.retire(&mut end.free, numbers.iter().copied()) };
    }

    /// Takes operations that nobody waits for any more out of the queue, wherever they are in it. By
    /// the reaping thread.
    pub(crate) fn sweep_parked(&self, index: usize) {
        let ring = &self.rings[index];
        let mut end = ring.lock();
        let mut abandoned = Vec::new();
        for _ in 0..end.parked.len {
            let Some((number, slot)) = self.unpark_oldest(index, &mut end) else { break };
            if is_abandoned(slot.word()) {
                // SAFETY: just taken out of the queue, on the reaping thread.
                unsafe { slot.give_up() };
                abandoned.push(number);
            } else {
                self.append(index, &mut end, number);
            }
        }
        drop(end);
        self.bury(index, &abandoned, libc::ECANCELED);
    }

    /// Wakes tasks, whatever they do about it.
    pub(crate) fn wake_all(&self, wakers: Vec<Waker>) {
        for waker in wakers {
            self.catching(|| waker.wake());
        }
    }

    /// Admits what it can on a ring where nothing completed: its share of the limit may have risen,
    /// or other rings may have some to spare.
    #[cold]
    pub(crate) fn look_after_parked(&self, index: usize) {
        let ring = &self.rings[index];
        if !ring.has_permit() {
            self.borrow_share(index);
        }
        if !ring.has_permit() {
            return;
        }
        let mut end = ring.lock();
        let abandoned = self.admit(index, &mut end, B::now_ns());
        let queued = end.batched.take();
        drop(end);
        if queued > 0 {
            self.hand_over(index, queued);
        }
        self.bury(index, &abandoned, libc::ECANCELED);
    }

    /// Ends all parked operations with an error: they will not get a turn. By the reaping thread.
    #[cold]
    pub(crate) fn dismiss_parked(&self, errno: i32) -> usize {
        let mut dismissed = 0;
        for index in 0..self.rings.len() {
            let ring = &self.rings[index];
            let mut end = ring.lock();
            let mut numbers = Vec::new();
            while let Some((number, slot)) = self.unpark_oldest(index, &mut end) {
                // SAFETY: just taken out of the queue, on the reaping thread.
                unsafe { slot.give_up() };
                numbers.push(number);
            }
            let outside = end.parked.take_outside();
            drop(end);
            self.bury(index, &numbers, errno);
            self.wake_all(outside);
            dismissed += numbers.len();
        }
        dismissed
    }
}
