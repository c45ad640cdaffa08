//! Names of operations: what a caller holds, and what travels through the kernel.
//!
//! Both carry a slot and the slot's *generation*, which changes whenever the slot is used again.
//! A name whose generation is not the slot's is stale, and every call on it says "completed".

use std::fmt;

/// Rings of one engine, at most: a handle has ten bits for them.
pub const MAX_RINGS: usize = 1 << RING_BITS;
/// Slots of one ring, at most: a handle has sixteen bits for them.
pub(crate) const MAX_SLOTS: usize = 1 << SLOT_BITS;

const SLOT_BITS: u32 = 16;
const RING_BITS: u32 = 10;
const ENGINE_BITS: u32 = 12;
/// Twenty-six bits: a slot would have to be used 67 million times before a stale handle could be
/// taken for a live one, and then it names an operation of the same engine and ring, never memory.
const GENERATION_BITS: u32 = 64 - SLOT_BITS - RING_BITS - ENGINE_BITS;
pub(crate) const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;
/// Engines alive at the same time, at most.
pub(crate) const MAX_ENGINES: usize = 1 << ENGINE_BITS;

/// The name of one submitted operation: engine, ring, slot and generation in 64 bits, never zero.
///
/// It is a value, not a pointer. It may be kept for ever and used at any time from any thread;
/// once the operation's callback has begun, every call on it answers "completed".
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handle(u64);

impl Handle {
    pub(crate) fn new(engine: u16, ring: usize, name: SlotName) -> Self {
        debug_assert!(ring < MAX_RINGS && usize::from(engine) < MAX_ENGINES);
        Self(
            u64::from(engine) << (64 - ENGINE_BITS)
                | (ring as u64) << (SLOT_BITS + GENERATION_BITS)
                | u64::from(name.generation) << SLOT_BITS
                | u64::from(name.slot),
        )
    }

    /// The handle as the number that the C interface passes around as a pointer.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// The handle from such a number. Any number may be given; one that names no operation is
    /// treated as completed.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The number of the engine it belongs to, see [`Engine::id`](crate::Engine::id).
    #[must_use]
    pub fn engine(self) -> u16 {
        (self.0 >> (64 - ENGINE_BITS)) as u16
    }

    pub(crate) fn ring(self) -> usize {
        (self.0 >> (SLOT_BITS + GENERATION_BITS)) as usize & (MAX_RINGS - 1)
    }

    pub(crate) fn name(self) -> SlotName {
        SlotName {
            slot: self.0 as u32 & (MAX_SLOTS as u32 - 1),
            generation: (self.0 >> SLOT_BITS) as u32 & GENERATION_MASK,
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SlotName { slot, generation } = self.name();
        write!(f, "Handle(engine {}, ring {}, ", self.engine(), self.ring())?;
        write!(f, "slot {slot}, generation {generation})")
    }
}

/// A slot of one ring, at one of its uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotName {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// What an operation's `user_data` says when its completion comes back from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// A user's operation.
    Operation(SlotName),
    /// A request to cancel one; its own answer interests nobody.
    Cancel,
    /// The wake-up descriptor became readable.
    Wake,
}

const CANCEL: u64 = u64::MAX;
const WAKE: u64 = u64::MAX - 1;

impl Label {
    #[inline]
    pub(crate) fn encode(self) -> u64 {
        match self {
            Self::Operation(name) => u64::from(name.generation) << 32 | u64::from(name.slot),
            Self::Cancel => CANCEL,
            Self::Wake => WAKE,
        }
    }

    #[inline]
    pub(crate) fn decode(user_data: u64) -> Self {
        match user_data {
            CANCEL => Self::Cancel,
            WAKE => Self::Wake,
            _ => Self::Operation(SlotName {
                slot: user_data as u32,
                generation: (user_data >> 32) as u32,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_handle_gives_back_what_was_put_in(
            engine in 1u16..MAX_ENGINES as u16,
            ring in 0..MAX_RINGS,
            slot in 0..MAX_SLOTS as u32,
            generation in 0..=GENERATION_MASK,
        ) {
            let name = SlotName { slot, generation };
            let handle = Handle::from_bits(Handle::new(engine, ring, name).to_bits());
            prop_assert_eq!((handle.engine(), handle.ring(), handle.name()), (engine, ring, name));
        }

        #[test]
        fn a_label_gives_back_what_was_put_in(
            slot in 0..MAX_SLOTS as u32,
            generation in 0..=GENERATION_MASK,
        ) {
            let label = Label::Operation(SlotName { slot, generation });
            prop_assert_eq!(Label::decode(label.encode()), label);
        }
    }

    #[test]
    fn the_engines_own_labels_are_no_operations() {
        for label in [Label::Cancel, Label::Wake] {
            assert_eq!(Label::decode(label.encode()), label);
        }
    }
}
