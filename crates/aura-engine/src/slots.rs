//! The slots of a ring: which are free, which are in use.
//!
//! This file is `unsafe` because the list of free slots is linked through them.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::handle::SlotName;
use crate::mapping::Mapping;
use crate::slot::Slot;

/// The slots of one ring.
pub(crate) struct Slots {
    slots: ManuallyDrop<Mapping<Slot>>,
    /// Slots from here on have never been used, nor has their memory been touched. Written under
    /// the submission lock.
    fresh: AtomicU32,
    /// Operations in here may never complete: the memory, and what it owns, is not given back.
    abandoned: bool,
}

/// Which slots are free; part of what the submission lock guards.
#[derive(Debug)]
pub(crate) struct FreeSlots {
    /// Last freed, first used: its cache lines are warm. `NONE` ends the list.
    head: u32,
}

const NONE: u32 = u32::MAX;

impl Slots {
    pub(crate) fn new(count: usize) -> std::io::Result<(Self, FreeSlots)> {
        // SAFETY: a slot of zeros is a free one: generation 0, no callback.
        let slots = unsafe { Mapping::zeroed(count)? };
        let slots = ManuallyDrop::new(slots);
        let fresh = AtomicU32::new(0);
        Ok((Self { slots, fresh, abandoned: false }, FreeSlots { head: NONE }))
    }

    /// The slot with this number, if there is one.
    pub(crate) fn get(&self, slot: u32) -> Option<&Slot> {
        self.slots.get(slot as usize)
    }

    /// The number of a slot of this ring.
    pub(crate) fn index_of(&self, slot: &Slot) -> u32 {
        let distance = std::ptr::from_ref(slot).addr() - self.slots.as_ptr().addr();
        (distance / size_of::<Slot>()) as u32
    }

    /// A free slot. Under the submission lock.
    #[inline]
    pub(crate) fn pop(&self, free: &mut FreeSlots) -> Option<(u32, &Slot)> {
        if free.head != NONE {
            let index = free.head;
            let slot = &self.slots[index as usize];
            // SAFETY: a free slot belongs to the holder of the lock.
            free.head = unsafe { slot.next_free() };
            return Some((index, slot));
        }
        let fresh = self.fresh.load(Ordering::Relaxed);
        let slot = self.slots.get(fresh as usize)?;
        self.fresh.store(fresh + 1, Ordering::Relaxed);
        Some((fresh, slot))
    }

    /// Gives back a slot that was popped and is not occupied. Under the submission lock.
    pub(crate) fn unpop(&self, free: &mut FreeSlots, index: u32) {
        // SAFETY: a free slot belongs to the holder of the lock.
        unsafe { self.slots[index as usize].set_next_free(free.head) };
        free.head = index;
    }

    /// Frees slots whose callbacks have run.
    ///
    /// # Safety
    ///
    /// The caller holds the submission lock, is the reaping thread, and has completed and run
    /// every one of these slots.
    #[inline]
    pub(crate) unsafe fn retire(&self, free: &mut FreeSlots, done: impl Iterator<Item = u32>) {
        for index in done {
            // SAFETY: by contract.
            unsafe { self.slots[index as usize].retire(free.head) };
            free.head = index;
        }
    }

    /// The names of the operations in flight at this moment.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = SlotName> + '_ {
        let used = self.used().iter().enumerate();
        used.filter(|(_, slot)| slot.is_in_flight(slot.generation()))
            .map(|(index, slot)| SlotName { slot: index as u32, generation: slot.generation() })
    }

    /// Whether this operation is in flight.
    pub(crate) fn is_in_flight(&self, name: SlotName) -> bool {
        self.get(name.slot).is_some_and(|slot| slot.is_in_flight(name.generation))
    }

    /// Those of them with a flag.
    pub(crate) fn in_flight_with(&self, flag: u16) -> impl Iterator<Item = SlotName> + '_ {
        self.in_flight().filter(move |name| self.slots[name.slot as usize].flags() & flag != 0)
    }

    /// When the oldest operation in flight was submitted. Under the submission lock.
    pub(crate) fn oldest_in_flight_ns(&self) -> u64 {
        let in_flight = self.in_flight().filter_map(|name| self.get(name.slot));
        // SAFETY: in flight, or a moment ago: only with the lock is the slot used again.
        in_flight.map(|slot| unsafe { slot.submitted_ns() }).min().unwrap_or(u64::MAX)
    }

    /// Those that were ever used, and no others, so that no memory is touched for nothing.
    fn used(&self) -> &[Slot] {
        &self.slots[..self.fresh.load(Ordering::Relaxed) as usize]
    }

    /// Gives up the memory for good, with the callbacks in it and all that they own: the kernel
    /// may still complete operations that use it.
    pub(crate) fn abandon(&mut self) {
        self.abandoned = true;
    }
}

impl Drop for Slots {
    /// Drops callbacks that never ran, which only operations have that are still in flight; and
    /// with those the slots are abandoned instead, except in an engine that was never finished.
    fn drop(&mut self) {
        if self.abandoned {
            return;
        }
        for slot in self.used() {
            // SAFETY: exclusive access.
            unsafe { slot.drop_tenant() };
        }
        // SAFETY: dropped once, here.
        unsafe { ManuallyDrop::drop(&mut self.slots) };
    }
}

impl std::fmt::Debug for Slots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slots").field("count", &self.slots.len()).finish()
    }
}

#[cfg(test)]
mod model;
