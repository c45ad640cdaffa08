//! Parts of the engine by themselves, for benchmarks. No part of the interface: it changes at any time.

use std::hint::black_box;

use aura_ring::Sqe;

use crate::Completion;
use crate::config::RingSelect;
use crate::handle::{Handle, SlotName};
use crate::op::OpKind;
use crate::select::{Load, Selector};
use crate::slots::{FreeSlots, Slots};
use crate::tenant::Callback;

/// The slots of a ring, with one operation at a time going through them.
#[derive(Debug)]
pub struct SlotCycle {
    slots: Slots,
    free: FreeSlots,
    handle: Handle,
}

impl SlotCycle {
    /// # Errors
    ///
    /// No memory to map.
    pub fn new() -> std::io::Result<Self> {
        let (slots, free) = Slots::new(1024)?;
        let handle = Handle::new(0, 0, SlotName { slot: 0, generation: 0 });
        Ok(Self { slots, free, handle })
    }

    /// An operation from its submission to its callback, and its slot back: without locks, ring and
    /// clock.
    #[inline]
    pub fn cycle(&mut self) {
        let (index, slot) = self.slots.pop(&mut self.free).expect("the only operation");
        let call = |completion: Completion| {
            black_box(completion);
        };
        let completion = Completion { handle: self.handle, result: 0 };
        // SAFETY: one thread, which is submitter and reaper; each step once, in this order.
        unsafe {
            slot.occupy(OpKind::Nop, &Sqe::nop(), 0, 0, std::ptr::null_mut(), Callback(call));
            black_box(slot.complete());
            slot.run(completion);
            self.slots.retire(&mut self.free, std::iter::once(index));
        }
    }
}

/// Choosing a ring.
#[derive(Debug)]
pub struct Choice(Selector);

impl Choice {
    /// Among so many rings.
    #[must_use]
    pub fn new(mode: RingSelect, rings: usize) -> Self {
        Self(Selector::new(mode, rings))
    }

    /// One choice, with rings that have room.
    #[inline]
    #[must_use]
    pub fn choose(&self) -> usize {
        self.0.select(|_| Load { in_flight: 10, limit: 100 }).0
    }
}
