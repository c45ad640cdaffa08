//! Operations whose file the kernel looks up late, and closes that wait for them.
//!
//! Reads and writes find their file when they are handed over. Operations that always go to a worker of
//! the kernel's (a sync, say) find it when the worker begins, and those in a chain when their turn comes:
//! a close that is handed over after them overtakes them, and they fail with `-EBADF`, or meet another
//! file (seen on Linux 6.18). So a close of a number that such an operation names is accepted, but held
//! back here until they are over. Futures keep their files open themselves. Registered files that such
//! operations name are not replaced, and unregistered only in callbacks.
//!
//! This file is `unsafe` because it fills slots, and hands over what is in them.
//!
//! # Synchronization
//!
//! [`Late`] is part of what a ring's submission lock guards: an operation is counted when it is queued, and
//! no longer when its slot is freed. A close is held in a list for the thread inside the gate, which looks
//! at it each time that it has processed completions; it is woken once, in case the last of those
//! operations is over by then.

use std::collections::HashMap;

use aura_ring::Sqe;

use crate::Completion;
use crate::backend::Backend;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::given_away::FileName;
use crate::handle::{Handle, Label, SlotName};
use crate::op::{Op, OpKind};
use crate::ring::add;
use crate::submit::Rejected;
use crate::tenant::Callback;

/// The files of one ring's operations that the kernel may not have looked up, with how many there are.
#[derive(Debug, Default)]
pub(crate) struct Late {
    names: HashMap<FileName, u32>,
}

impl Late {
    #[cold]
    pub(crate) fn add(&mut self, sqe: &Sqe) {
        *self.names.entry(FileName::of(sqe)).or_default() += 1;
    }

    #[cold]
    pub(crate) fn remove(&mut self, sqe: &Sqe) {
        let name = FileName::of(sqe);
        if let Some(count) = self.names.get_mut(&name) {
            *count -= 1;
            if *count == 0 {
                self.names.remove(&name);
            }
        }
    }

    pub(crate) fn has(&self, name: FileName) -> bool {
        self.names.contains_key(&name)
    }

    /// Whether some are places in the table of registered files.
    pub(crate) fn has_places(&self) -> bool {
        self.names.keys().any(|name| matches!(name, FileName::Place(_)))
    }
}

/// A close that is accepted, and that the kernel does not have yet.
#[derive(Debug)]
pub(crate) struct Held {
    ring: usize,
    name: SlotName,
}

impl<B: Backend> Engine<B> {
    /// Whether an operation is a close that would overtake others.
    #[inline]
    pub(crate) fn has_to_be_held(&self, op: &Op) -> bool {
        op.kind == OpKind::Close && self.door.check().is_ok() && self.is_named_late(&op.sqe)
    }

    fn is_named_late(&self, close: &Sqe) -> bool {
        let name = FileName::of(close);
        self.is_late(|late| late.has(name))
    }

    pub(crate) fn is_late(&self, question: impl Fn(&Late) -> bool) -> bool {
        self.active.iter().any(|ring| question(&self.rings[ring].lock().late))
    }

    /// Submits a close that has to be held. It is in flight for everybody but the kernel.
    #[cold]
    pub(crate) fn submit_held<F>(
        &self,
        close: &Op,
        user_data: u64,
        call: F,
    ) -> Result<Handle, Rejected<F>>
    where
        F: FnOnce(Completion) + Send + 'static,
    {
        if self.is_closed() {
            return Err(Rejected { error: Error::Shutdown, call });
        }
        let index = self.choose_ring();
        let ring = &self.rings[index];
        if !ring.has_permit() {
            self.make_room(index);
        }
        let mut end = ring.lock();
        let permitted = ring.has_permit() && end.parked.is_empty();
        let Some((number, slot)) = permitted.then(|| ring.slots.pop(&mut end.free)).flatten()
        else {
            add(&ring.submission.gated, 1);
            return Err(Rejected { error: Error::AtLimit, call });
        };
        let name = SlotName { slot: number, generation: slot.generation() };
        let word = std::ptr::without_provenance_mut(user_data as usize);
        end.open_batch(|| self.batch_clock_ns());
        add(&ring.submission.submitted, 1);
        // SAFETY: the slot was popped under the lock that is held.
        unsafe { slot.occupy(close.kind, &close.sqe, 0, end.opened_ns, word, Callback(call)) };
        self.active.mark(index);
        drop(end);
        self.held.add(Held { ring: index, name });
        self.wake();
        Ok(Handle::new(self.id, index, name))
    }

    /// Hands over closes that nothing is in the way of any more. By the thread inside the gate.
    #[cold]
    pub(crate) fn take_up_held(&self) {
        for close in self.held.take() {
            if !self.hand_over_held(&close) {
                self.held.add(close);
            }
        }
    }

    /// `false` if that is not possible yet.
    fn hand_over_held(&self, &Held { ring: index, name }: &Held) -> bool {
        let ring = &self.rings[index];
        let slot = ring.slots.get(name.slot).expect("a slot of this ring");
        // SAFETY: the slot is in flight, and nobody else has it: the kernel was not given it.
        let close = unsafe { slot.sqe() }.user_data(Label::Operation(name).encode());
        if self.is_named_late(&close) || !self.hand_over_all() {
            return false;
        }
        self.give_away(FileName::of(&close));
        let mut end = ring.lock();
        // SAFETY: a close names no memory.
        let pushed = unsafe { ring.push_own(&mut end, &close) };
        let queued = end.batched.take();
        drop(end);
        self.hand_over(index, queued);
        pushed
    }
}
