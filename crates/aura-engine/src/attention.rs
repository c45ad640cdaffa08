//! Who would see an operation that was queued, and its completion: the poller's state, as submitters
//! need to know it, and which rings have work.
//!
//! # Synchronization
//!
//! The rule to keep is: *no operation stays queued while the poller sleeps*. A submitter queues
//! its operation, marks its ring active, and then reads the poller's state; the poller announces
//! that it is going to sleep, and then looks at the active rings and takes the submission lock of
//! each. All four accesses are sequentially consistent, so that either the submitter sees the
//! announcement and hands its operation over, or the poller sees the ring and does.
//!
//! A poller may sleep so that it hears of one ring only ([`Ears`]). By the same four accesses either
//! the submitter to another ring sees that and wakes it, or the poller sees that other ring and does
//! not sleep so.
//!
//! The same goes for an application that sleeps on the poll descriptor, and for the end of the
//! callbacks that submissions were left to.

use std::sync::atomic::Ordering;

use crate::primitive::{AtomicBool, AtomicU32, AtomicU64};

/// What completions a sleeping poller hears of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ears {
    /// Those of all rings.
    AllRings,
    /// Those of one ring. Who submits to another wakes the poller.
    Ring(usize),
}

const AWAKE: u32 = 0;
const HEARS_ALL: u32 = u32::MAX;

impl Ears {
    fn code(self) -> u32 {
        match self {
            Self::AllRings => HEARS_ALL,
            Self::Ring(index) => index as u32 + 1,
        }
    }
}

/// The poller's state, as submitters need to know it.
#[derive(Debug, Default)]
pub(crate) struct Attention {
    /// Whether the poller sleeps in the kernel, or is about to, and what it hears there: [`AWAKE`], or
    /// an [`Ears::code`]. Written by the poller.
    parked: AtomicU32,
    /// The application may sleep on the poll descriptor in a loop of its own. Set once.
    poll_fd_in_use: AtomicBool,
    /// The poller runs callbacks, and hands over what is queued when they are done. Written by the
    /// poller, and only when the poll descriptor is in use: otherwise nobody asks.
    dispatching: AtomicBool,
}

impl Attention {
    /// The poller is about to sleep.
    pub(crate) fn park(&self, ears: Ears) {
        self.parked.store(ears.code(), Ordering::SeqCst);
    }

    /// The poller is awake. Relaxed: a submitter that sees it late makes one system call more.
    pub(crate) fn unpark(&self) {
        self.parked.store(AWAKE, Ordering::Relaxed);
    }

    /// Whether the poller sleeps, or is about to.
    #[inline]
    pub(crate) fn is_parked(&self) -> bool {
        self.parked.load(Ordering::SeqCst) != AWAKE
    }

    /// Whether the poller sleeps and hears nothing of this ring.
    #[inline]
    pub(crate) fn is_deaf_to(&self, ring: usize) -> bool {
        let parked = self.parked.load(Ordering::SeqCst);
        parked != AWAKE && parked != HEARS_ALL && parked != Ears::Ring(ring).code()
    }

    #[inline]
    pub(crate) fn begin_callbacks(&self) {
        if self.is_poll_fd_in_use() {
            self.dispatching.store(true, Ordering::SeqCst);
        }
    }

    #[inline]
    pub(crate) fn end_callbacks(&self) {
        if self.dispatching.load(Ordering::Relaxed) {
            self.dispatching.store(false, Ordering::SeqCst);
        }
    }

    pub(crate) fn use_poll_fd(&self) {
        self.poll_fd_in_use.store(true, Ordering::SeqCst);
    }

    #[inline]
    pub(crate) fn is_poll_fd_in_use(&self) -> bool {
        self.poll_fd_in_use.load(Ordering::SeqCst)
    }

    /// Whether an operation queued just now has to be handed over by its submitter.
    #[inline]
    pub(crate) fn nobody_else_submits(&self) -> bool {
        self.is_parked() || (self.is_poll_fd_in_use() && !self.dispatching.load(Ordering::SeqCst))
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

    /// Visits the rings marked now, lowest first. Rings marked meanwhile may or may not appear. For
    /// the path of an operation; it compiles to less than [`iter`](Self::iter).
    #[inline]
    pub(crate) fn for_each(&self, mut visit: impl FnMut(usize)) {
        for (index, word) in self.words.iter().enumerate() {
            let mut bits = word.load(Ordering::SeqCst);
            while bits != 0 {
                visit(index * 64 + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
    }

    /// As [`for_each`](Self::for_each), as an iterator.
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
        attention.use_poll_fd();
        assert!(attention.nobody_else_submits(), "the application sleeps elsewhere");
        attention.begin_callbacks();
        assert!(!attention.nobody_else_submits(), "the poller flushes after the callbacks");
        attention.end_callbacks();
        assert!(attention.nobody_else_submits());

        let attention = Attention::default();
        attention.park(Ears::Ring(1));
        assert!(attention.is_deaf_to(0) && !attention.is_deaf_to(1));
        attention.park(Ears::AllRings);
        assert!(!attention.is_deaf_to(0));
        assert!(attention.nobody_else_submits(), "a parked poller cannot flush");
        attention.unpark();
        assert!(!attention.nobody_else_submits());
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
