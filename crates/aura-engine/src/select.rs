//! Which ring a submission goes to.
//!
//! # Synchronization
//!
//! The counter of ROUND_ROBIN and the average of ADAPTIVE are relaxed atomics: they steer, and
//! being a little late does no harm. The rest is thread-local.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::config::RingSelect;

/// The CPU is asked for again after this many submissions: threads seldom migrate, and asking
/// costs as much as a good part of the rest of a submission.
const CPU_REFRESH: u32 = 32;

#[derive(Debug)]
pub(crate) struct Selector {
    mode: RingSelect,
    rings: usize,
    next: AtomicUsize,
    /// Average in-flight per ring, refreshed by the poller.
    average: AtomicU32,
}

/// What ADAPTIVE wants to know about a ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) in_flight: u64,
    pub(crate) limit: u64,
}

struct Here {
    cpu: Cell<u32>,
    uses_left: Cell<u32>,
    random: Cell<u32>,
}

thread_local! {
    static HERE: Here = const {
        Here { cpu: Cell::new(0), uses_left: Cell::new(0), random: Cell::new(0x9e37_79b9) }
    };
}

impl Selector {
    pub(crate) fn new(mode: RingSelect, rings: usize) -> Self {
        let (next, average) = Default::default();
        Self { mode, rings, next, average }
    }

    /// The ring to use, and whether that is a spill away from the CPU's own.
    #[inline]
    pub(crate) fn select(&self, load: impl Fn(usize) -> Load) -> (usize, bool) {
        if self.rings == 1 {
            return (0, false);
        }
        match self.mode {
            RingSelect::RoundRobin => {
                (self.next.fetch_add(1, Ordering::Relaxed) % self.rings, false)
            }
            RingSelect::CpuLocal => (self.local(), false),
            RingSelect::Adaptive => {
                let local = self.local();
                let Load { in_flight, limit } = load(local);
                if in_flight * 4 <= limit * 3 {
                    return (local, false);
                }
                self.maybe_spill(local, in_flight, load)
            }
        }
    }

    /// Congested. If all rings are, moving helps nobody and costs locality; if this one carries
    /// more than twice the average, the lighter of two others picked at random takes over.
    #[cold]
    fn maybe_spill(
        &self,
        local: usize,
        in_flight: u64,
        load: impl Fn(usize) -> Load,
    ) -> (usize, bool) {
        if in_flight <= 2 * u64::from(self.average.load(Ordering::Relaxed)) {
            return (local, false);
        }
        let other = || (local + 1 + random_below(self.rings - 1)) % self.rings;
        let (one, two) = (other(), other());
        let lighter = if load(one).in_flight <= load(two).in_flight { one } else { two };
        (lighter, true)
    }

    #[inline]
    fn local(&self) -> usize {
        HERE.with(|here| {
            let left = here.uses_left.get();
            if left == 0 {
                here.cpu.set(rustix::thread::sched_getcpu() as u32);
                here.uses_left.set(CPU_REFRESH);
            } else {
                here.uses_left.set(left - 1);
            }
            here.cpu.get() as usize % self.rings
        })
    }

    /// Tells the average that spilling is judged by.
    pub(crate) fn set_average(&self, in_flight: u64) {
        let average = in_flight / self.rings as u64;
        self.average.store(u32::try_from(average).unwrap_or(u32::MAX), Ordering::Relaxed);
    }
}

/// A random number below `bound` from the thread's own xorshift (Marsaglia 2003, 13/17/5).
fn random_below(bound: usize) -> usize {
    HERE.with(|here| {
        let mut x = here.random.get() ^ std::ptr::from_ref(here).addr() as u32;
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        here.random.set(x);
        x as usize % bound
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(in_flight: &[u64]) -> impl Fn(usize) -> Load + '_ {
        |ring| Load { in_flight: in_flight[ring], limit: 100 }
    }

    /// A selector whose thread is on the ring it returns.
    fn adaptive(average: u64, rings: usize) -> (Selector, usize) {
        let selector = Selector::new(RingSelect::Adaptive, rings);
        selector.set_average(average * rings as u64);
        let local = selector.local();
        (selector, local)
    }

    #[test]
    fn round_robin_visits_every_ring_in_turn() {
        let selector = Selector::new(RingSelect::RoundRobin, 3);
        let visits: Vec<_> = (0..6).map(|_| selector.select(loads(&[0; 3])).0).collect();
        assert_eq!(visits, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn an_uncongested_ring_keeps_its_submissions() {
        let (selector, local) = adaptive(0, 4);
        assert_eq!(selector.select(loads(&[75; 4])), (local, false));
    }

    #[test]
    fn a_congested_outlier_spills_to_a_lighter_ring() {
        let (selector, local) = adaptive(20, 4);
        let mut in_flight = [0; 4];
        in_flight[local] = 80;
        for _ in 0..100 {
            let (ring, spilled) = selector.select(loads(&in_flight));
            assert!(spilled && ring != local);
        }
    }

    #[test]
    fn a_ring_stays_when_all_are_congested() {
        let (selector, local) = adaptive(80, 4);
        assert_eq!(selector.select(loads(&[90; 4])), (local, false));
    }
}
