//! Several operations in one call: one ring, one lock, one hand-over; and chains of operations,
//! each of which waits for the one before.

use std::sync::atomic::Ordering;

use aura_ring::Sqe;

use crate::backend::Backend;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::handle::{Handle, Label, SlotName};
use crate::op::{Op, OpKind};
use crate::ring::{PushEnd, add};
use crate::slot::{CHAINED, LATE, REGISTERED_BUFFER};
use crate::submit::{AtLimit, Refusal};
use crate::tenant::Callback;
use crate::{Completion, resources::Resolved};

/// One operation of a batch: what it does, a word of the submitter's, its callback.
pub type BatchItem<F> = (Op, u64, F);

/// A batch of which not everything was taken. What was keeps its callbacks; the callbacks of the
/// rest have been dropped, and will not be called.
#[derive(Debug, thiserror::Error)]
#[error("{taken} operations of the batch were taken; the next one was not: {error}")]
pub struct PartlyTaken {
    /// How many operations were taken, from the first.
    pub taken: usize,
    /// Why the next one was not.
    #[source]
    pub error: Error,
}

impl<B: Backend> Engine<B> {
    /// Submits operations in order, under one lock and with one hand-over to the kernel, and
    /// reports the handle of each. What an operation is linked to ([`Op::linked`]) is taken with
    /// it or not at all.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit), with the number of operations that were taken before. A chain
    /// that is longer than the submission queue is [`Error::Invalid`], as is one that the batch
    /// ends without its last operation.
    ///
    /// # Safety
    ///
    /// As [`submit`](Self::submit), for each of them.
    pub unsafe fn submit_batch<F>(
        &self,
        batch: impl IntoIterator<Item = BatchItem<F>>,
        mut accepted: impl FnMut(Handle),
    ) -> Result<(), PartlyTaken>
    where
        F: FnOnce(Completion) + Send + 'static,
    {
        let index = self.choose_ring();
        let mut batch = batch.into_iter();
        let mut taken = 0;
        let mut end = self.rings[index].lock();
        let mut chain = Vec::new();
        let refused = loop {
            let Some(item) = batch.next() else {
                let whole = chain.is_empty();
                break (!whole)
                    .then_some(Error::Invalid("the last operation is linked to nothing"));
            };
            let may = if item.0.kind == OpKind::Close {
                // What comes before a close takes the locks itself; nothing is half done here.
                drop(end);
                if chain.is_empty() && !item.0.linked && self.has_to_be_held(&item.0) {
                    let (close, user_data, call) = item;
                    let held = self.submit_held(&close, user_data, call);
                    end = self.rings[index].lock();
                    match held {
                        Ok(handle) => accepted(handle),
                        Err(rejected) => break Some(rejected.error),
                    }
                    taken += 1;
                    continue;
                }
                let may = self.may_submit(&item.0);
                end = self.rings[index].lock();
                may
            } else {
                self.may_submit(&item.0)
            };
            if let Err(error) = may {
                break Some(error);
            }
            let goes_on = item.0.linked;
            chain.push(item);
            if goes_on {
                continue;
            }
            let count = chain.len();
            // SAFETY: the caller vouches for the memory.
            let mut placed =
                unsafe { self.place_chain(index, &mut end, &mut chain, &mut accepted) };
            if matches!(placed, Err(Refusal::NoRoom)) {
                drop(end);
                self.make_room(index);
                end = self.rings[index].lock();
                // SAFETY: as above.
                placed = unsafe { self.place_chain(index, &mut end, &mut chain, &mut accepted) };
            }
            match placed {
                Ok(()) => taken += count,
                Err(Refusal::Final(error)) => break Some(error),
                Err(Refusal::NoRoom) => {
                    add(&self.rings[index].submission.gated, count as u64);
                    break Some(Error::AtLimit);
                }
            }
        };
        self.leave(index, end);
        refused.map_or(Ok(()), |error| Err(PartlyTaken { taken, error }))
    }

    /// Places the operations of a chain, or a single one: all of them, which empties `chain`, or
    /// none.
    ///
    /// # Safety
    ///
    /// As [`place`](Self::place), for each of them.
    unsafe fn place_chain<F>(
        &self,
        index: usize,
        end: &mut PushEnd,
        chain: &mut Vec<BatchItem<F>>,
        accepted: &mut impl FnMut(Handle),
    ) -> Result<(), Refusal>
    where
        F: FnOnce(Completion) + Send + 'static,
    {
        if chain.len() == 1
            && let Some((op, user_data, call)) = chain.pop()
        {
            let word = std::ptr::without_provenance_mut(user_data as usize);
            // SAFETY: the caller's promise.
            let placed =
                unsafe { self.place(index, end, &op, word, Callback(call), AtLimit::Refuse) };
            return match placed {
                Ok(name) => {
                    accepted(Handle::new(self.id, index, name));
                    Ok(())
                }
                Err((refusal, Callback(call))) => {
                    chain.push((op, user_data, call));
                    Err(refusal)
                }
            };
        }
        let ring = &self.rings[index];
        let count = chain.len() as u64;
        if count > u64::from(ring.backend.entries()) {
            return Err(Refusal::Final(Error::Invalid("the chain is longer than the queue")));
        }
        // A chain that exceeds the limit by itself would wait for ever.
        let limit = u64::from(ring.submission.limit.load(Ordering::Relaxed)).max(count);
        if !end.parked.is_empty() || ring.in_flight() + count > limit {
            return Err(Refusal::NoRoom);
        }
        let mut sqes = Vec::with_capacity(chain.len());
        let mut registered = 0;
        for (op, ..) in &*chain {
            let sqe = if op.linked { op.sqe.linked() } else { op.sqe };
            // Its file is looked up when its turn comes. What closes one is in nobody's way.
            let flags = if op.kind == OpKind::Close { CHAINED } else { CHAINED | LATE };
            let Some(place) = op.registered else {
                sqes.push((sqe, flags | self.pooled(op)));
                continue;
            };
            // Judged under the lock: unregistering takes every lock after it closed the table.
            let Resolved { addr, index } =
                self.resources.resolve(place, op).map_err(Refusal::Final)?;
            sqes.push((sqe.with_registered_buffer(addr, index), flags | REGISTERED_BUFFER));
            registered += 1;
        }
        // SAFETY: by contract.
        unsafe { self.push_chain(index, end, chain, &sqes, registered, accepted) }
    }

    /// # Safety
    ///
    /// As [`place_chain`](Self::place_chain).
    unsafe fn push_chain<F>(
        &self,
        index: usize,
        end: &mut PushEnd,
        chain: &mut Vec<BatchItem<F>>,
        sqes: &[(Sqe, u16)],
        registered: u64,
        accepted: &mut impl FnMut(Handle),
    ) -> Result<(), Refusal>
    where
        F: FnOnce(Completion) + Send + 'static,
    {
        let ring = &self.rings[index];
        let mut slots = Vec::with_capacity(sqes.len());
        for _ in sqes {
            match ring.slots.pop(&mut end.free) {
                Some(slot) => slots.push(slot),
                None => {
                    slots.iter().for_each(|(number, _)| ring.slots.unpop(&mut end.free, *number));
                    return Err(Refusal::NoRoom);
                }
            }
        }
        end.open_batch(|| self.batch_clock_ns());
        let name = |(number, slot): &(u32, &crate::slot::Slot)| SlotName {
            slot: *number,
            generation: slot.generation(),
        };
        let labelled: Vec<Sqe> = slots
            .iter()
            .zip(sqes)
            .map(|(slot, (sqe, _))| sqe.user_data(Label::Operation(name(slot)).encode()))
            .collect();
        // Counted and occupied first: they may complete before this function returns.
        add(&ring.submission.submitted, sqes.len() as u64);
        add(&ring.submission.registered, registered);
        let items = std::mem::take(chain).into_iter();
        let mut words = Vec::with_capacity(sqes.len());
        for (((op, user_data, call), (_, slot)), (sqe, (_, flags))) in
            items.zip(&slots).zip(labelled.iter().zip(sqes))
        {
            words.push((op, user_data));
            let word = std::ptr::without_provenance_mut(user_data as usize);
            // SAFETY: popped under the lock that is held.
            unsafe { slot.occupy(op.kind, sqe, *flags, end.opened_ns, word, Callback(call)) };
        }
        // SAFETY: the lock excludes other pushers; the caller vouches for the memory.
        if unsafe { ring.backend.push_all(&labelled) }.is_err() {
            add(&ring.submission.submitted, (sqes.len() as u64).wrapping_neg());
            add(&ring.submission.registered, registered.wrapping_neg());
            for ((op, user_data), (number, slot)) in words.into_iter().zip(&slots) {
                // SAFETY: just occupied with this type, and the kernel has not seen it.
                let Callback(call) = unsafe { slot.vacate::<Callback<F>>() };
                ring.slots.unpop(&mut end.free, *number);
                chain.push((op, user_data, call));
            }
            return Err(Refusal::NoRoom);
        }
        let late = sqes.iter().filter(|(_, flags)| flags & LATE != 0);
        late.for_each(|(sqe, _)| end.late.add(sqe));
        end.batched.add(sqes.len() as u32);
        self.active.mark(index);
        slots.iter().for_each(|slot| accepted(Handle::new(self.id, index, name(slot))));
        Ok(())
    }
}
