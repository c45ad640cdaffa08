//! Errands: what any thread may want done by the thread that processes completions.
//!
//! # Synchronization
//!
//! An errand is listed, and then the poller is woken, for good: a wake-up is kept until somebody takes
//! it. The poller takes wake-ups before it looks at the list, so it never sleeps on an errand.

use std::task::Waker;

use crate::backend::Backend;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::handle::{Handle, SlotName};

/// What is left to be done.
#[derive(Debug)]
pub(crate) enum Errand {
    /// Asks the kernel to cancel an operation, for a thread that the engine lets do nothing else.
    Cancel { ring: usize, name: SlotName },
    /// Somebody else's code.
    Call(Waker),
}

impl<B: Backend> Engine<B> {
    /// Has a waker called, once, by the thread that processes completions, with no lock held and as
    /// soon as one does; a sleeping one is woken for it. From any thread, also where the engine is
    /// another's (`single_thread`). It counts as an operation processed.
    ///
    /// If the engine ends first the waker is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Shutdown`] in a process that is not the one which made the engine.
    pub fn post(&self, waker: Waker) -> Result<()> {
        if !self.door.is_home() {
            return Err(Error::Shutdown);
        }
        self.errands.add(Errand::Call(waker));
        self.wake();
        Ok(())
    }

    /// Leaves the cancellation of a running operation to the engine's owner.
    #[cold]
    pub(crate) fn cancel_from_afar(&self, handle: Handle) -> Result<()> {
        let (index, name) = (handle.ring(), handle.name());
        let slot = self.rings.get(index).and_then(|ring| ring.slots.get(name.slot));
        if !slot.is_some_and(|slot| slot.is_in_flight(name.generation)) {
            return Err(Error::AlreadyCompleted);
        }
        self.errands.add(Errand::Cancel { ring: index, name });
        self.wake();
        Ok(())
    }

    /// Does what was listed so far; returns how many calls that were. By the thread inside the gate.
    #[cold]
    pub(crate) fn run_errands(&self) -> usize {
        let mut calls = 0;
        for errand in self.errands.take() {
            match errand {
                Errand::Call(waker) => {
                    calls += 1;
                    self.catching(|| waker.wake());
                }
                Errand::Cancel { ring, name } => self.cancel_for_another(ring, name),
            }
        }
        calls
    }

    /// With a full queue: hands that over and tries once more, and in the worst case at the next visit.
    fn cancel_for_another(&self, ring: usize, name: SlotName) {
        for _ in 0..2 {
            // All other answers mean that the operation is over.
            if !matches!(self.cancel_named(ring, name), Ok(false)) {
                return;
            }
            self.flush_ring(ring);
        }
        self.errands.add(Errand::Cancel { ring, name });
        self.wake(); // So that the poller comes back for it.
    }
}
