//! A last look before sleeping, where the next completion is nearer than a wake-up.
//!
//! A processor that sleeps takes tens of microseconds to come back, in a virtual machine above all, and
//! who completes an operation pays for the call. Where the kernel's workers carry operations out one
//! after the other (writes through the page cache), a whole queue of 32 is used up in that time, and the
//! worker has nothing to do: 0.86 of the throughput of a program that is too slow to ever sleep.
//!
//! So while completions come every few microseconds, who would sleep looks for the next one for about as
//! long as a sleep costs. Where that is in vain, because they come in bursts or because the worker needs
//! this very processor, it is not tried again for a while, and for twice as long each time.

use std::sync::atomic::Ordering;

use crate::backend::Backend;
use crate::engine::Engine;
use crate::poll::Poller;

/// Completions have to be this close, on average since the last time, for a look to be worth it.
const NEAR_NS: u64 = 3_000;
/// How long to look.
const LOOK_NS: u64 = 8_000;
/// The same in turns of the loop, should the clock stand still.
const TURNS_MAX: u32 = 200;
/// Processor's hints between two looks.
const HINTS: u32 = 8;
/// The longest row of sleeps without a look is two to this power.
const DOUBLINGS_MAX: u32 = 8;

/// What the last looks brought. Inside the gate.
#[derive(Debug, Default)]
pub(crate) struct Linger {
    /// At the last decision: the time, and what the ring had completed.
    decided_ns: u64,
    completed: u64,
    /// Looks in vain since one was not, and sleeps to go until the next.
    in_vain: u32,
    skip: u32,
}

impl Linger {
    /// Whether to look. Asked before each sleep.
    fn is_worth_it(&mut self, now_ns: u64, completed: u64) -> bool {
        let elapsed_ns = now_ns.saturating_sub(self.decided_ns);
        let done = completed.wrapping_sub(self.completed);
        (self.decided_ns, self.completed) = (now_ns, completed);
        if done.saturating_mul(NEAR_NS) < elapsed_ns {
            return false;
        }
        let skips = self.skip > 0;
        self.skip = self.skip.saturating_sub(1);
        !skips
    }

    /// Notes what came of it.
    fn note(&mut self, found: bool) {
        self.in_vain = if found { 0 } else { (self.in_vain + 1).min(DOUBLINGS_MAX) };
        self.skip = if found { 0 } else { 1 << self.in_vain };
    }
}

impl<B: Backend> Engine<B> {
    /// Hands over what is queued and looks for a completion on the only active ring, if that is worth it.
    /// The time if there is none; it was `now_ns`.
    pub(crate) fn linger(&self, poller: &mut Poller, index: usize, now_ns: u64) -> Option<u64> {
        let ring = &self.rings[index];
        let completed = ring.completion.completed.load(Ordering::Relaxed);
        if !poller.linger.is_worth_it(now_ns, completed) || ring.in_flight() == 0 {
            return Some(now_ns);
        }
        self.hand_over_queued();
        let (mut now_ns, gives_up_ns) = (now_ns, now_ns + LOOK_NS);
        let mut turns = 0..TURNS_MAX;
        // A completion may be there and wait for this thread to enter the kernel.
        while !ring.backend.has_completions() && !ring.backend.needs_enter() {
            if turns.next().is_none() || now_ns >= gives_up_ns || self.is_wake_pending() {
                poller.linger.note(false);
                return Some(now_ns);
            }
            (0..HINTS).for_each(|_| std::hint::spin_loop());
            now_ns = B::now_ns();
        }
        poller.linger.note(true);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_for_completions_that_are_near() {
        let mut linger = Linger::default();
        assert!(!linger.is_worth_it(1_000_000, 10), "one in a hundred microseconds");
        assert!(linger.is_worth_it(1_010_000, 20));
        assert!(!linger.is_worth_it(1_020_000, 20), "none since");
    }

    #[test]
    fn looks_in_vain_become_rare() {
        let mut linger = Linger::default();
        let mut looks = 0;
        for round in 1..=10_000 {
            if linger.is_worth_it(round * 1000, round) {
                linger.note(false);
                looks += 1;
            }
        }
        assert!((10..60).contains(&looks), "{looks}");
        linger.note(true);
        assert!(
            linger.is_worth_it(10_001_000, 10_001),
            "one that is not counts more than all before"
        );
    }
}
