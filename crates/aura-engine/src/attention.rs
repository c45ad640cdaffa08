//! Who would see an operation that was queued: the poller's state, as submitters need to know it,
//! and which rings have work.
//!
//! # Synchronization
//!
//! The rule to keep is: *no operation stays queued while the poller sleeps*. A submitter queues
//! its operation, marks its ring active, and then reads the poller's state; the poller changes
//! its state, and then looks at the active rings and takes the submission lock of each. All four
//! accesses are sequentially consistent, so that either the submitter sees the new state and
//! hands its operation over, or the poller sees the ring and does.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The poller sleeps in the kernel.
pub(crate) const PARKED: u32 = 1;
/// The poller runs callbacks, and hands over what is queued when they are done.
pub(crate) const DISPATCHING: u32 = 2;
/// The application sleeps on the poll descriptor in a loop of its own.
pub(crate) const POLL_FD_IN_USE: u32 = 4;

/// The poller's state. The bits `PARKED` and `DISPATCHING` are written by the poller,
/// `POLL_FD_IN_USE` once by whoever asks for the descriptor.
#[derive(Debug, Default)]
pub(crate) struct Attention(AtomicU32);

impl Attention {
    pub(crate) fn set(&self, bit: u32) {
        self.0.fetch_or(bit, Ordering::SeqCst);
    }

    pub(crate) fn clear(&self, bit: u32) {
        self.0.fetch_and(!bit, Ordering::SeqCst);
    }

    pub(crate) fn is_set(&self, bit: u32) -> bool {
        self.0.load(Ordering::SeqCst) & bit != 0
    }

    /// Whether an operation queued just now has to be handed over by its submitter.
    #[inline]
    pub(crate) fn nobody_else_submits(&self) -> bool {
        let state = self.0.load(Ordering::SeqCst);
        state != 0
            && (state & PARKED != 0 || state & (POLL_FD_IN_USE | DISPATCHING) == POLL_FD_IN_USE)
    }
}

/// One bit per ring: it may have operations queued or in flight. Set by submitters, cleared by
/// the poller, both under the ring's submission lock.
#[derive(Debug)]
pub(crate) struct ActiveRings {
    words: Box<[AtomicU64]>,
}

impl ActiveRings {
    pub(crate) fn new(rings: usize) -> Self {
        Self { words: (0..rings.div_ceil(64)).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Marks a ring. Costs a load when it is marked already.
    #[inline]
    pub(crate) fn mark(&self, ring: usize) {
        let (word, bit) = (&self.words[ring / 64], 1 << (ring % 64));
        if word.load(Ordering::SeqCst) & bit == 0 {
            word.fetch_or(bit, Ordering::SeqCst);
        }
    }

    pub(crate) fn clear(&self, ring: usize) {
        self.words[ring / 64].fetch_and(!(1 << (ring % 64)), Ordering::SeqCst);
    }

    /// The rings marked now, lowest first. Rings marked while iterating may or may not appear.
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let mut bits = word.load(Ordering::SeqCst);
            std::iter::from_fn(move || {
                let lowest = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
                bits &= bits - 1;
                Some(index * 64 + lowest)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submitters_flush_when_nobody_else_would() {
        let attention = Attention::default();
        assert!(!attention.nobody_else_submits());
        attention.set(DISPATCHING);
        assert!(!attention.nobody_else_submits());
        attention.set(POLL_FD_IN_USE);
        assert!(!attention.nobody_else_submits(), "the dispatching poller flushes");
        attention.clear(DISPATCHING);
        assert!(attention.nobody_else_submits(), "the application sleeps elsewhere");
        attention.set(PARKED);
        assert!(attention.nobody_else_submits());
        attention.clear(POLL_FD_IN_USE);
        assert!(attention.nobody_else_submits(), "a parked poller cannot flush");
    }

    #[test]
    fn marked_rings_are_listed_until_cleared() {
        let active = ActiveRings::new(130);
        for ring in [129, 0, 64, 63] {
            active.mark(ring);
            active.mark(ring);
        }
        assert_eq!(active.iter().collect::<Vec<_>>(), [0, 63, 64, 129]);
        active.clear(64);
        assert_eq!(active.iter().collect::<Vec<_>>(), [0, 63, 129]);
    }
}
