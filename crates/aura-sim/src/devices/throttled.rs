//! A device whose rate the kernel limits.

use crate::MS;
use crate::device::{Device, Operation};
use crate::rng::Rng;
use std::collections::VecDeque;

/// What is allowed is handed out this often.
const SLICE_NS: u64 = 100 * MS;

/// A device under Linux's block-I/O throttle, as measured on a loop device: what a second may see is let through
/// in ten bursts, each as fast as the device can, and nothing in between.
///
/// The device has so many places. An operation that finds all taken has used up its permission in vain: it needs
/// another one before it waits for a place. That is an explanation and not an observation, but it gives what was
/// measured: with more in flight than there are places a third to nearly half of the throughput is lost.
#[derive(Debug)]
pub struct Throttled<D> {
    inner: D,
    places: u32,
    taken: u32,
    /// From when on how many operations a second are allowed, the present one first.
    schedule: VecDeque<(u64, u32)>,
    permissions: u32,
    slice_end_ns: u64,
    /// Without permission, in order; whether one has been used up in vain.
    waiting: VecDeque<(Operation, bool)>,
    /// With permission and without a place.
    blocked: VecDeque<Operation>,
    scratch: Vec<u32>,
}

impl<D: Device> Throttled<D> {
    /// A device with so many places under a throttle that follows a schedule of `(from_ns, per_second)` in
    /// ascending order of time.
    #[must_use]
    pub fn new(inner: D, places: u32, schedule: &[(u64, u32)]) -> Self {
        Self {
            inner,
            places,
            taken: 0,
            schedule: schedule.iter().copied().collect(),
            permissions: 0,
            slice_end_ns: 0,
            waiting: VecDeque::new(),
            blocked: VecDeque::new(),
            scratch: Vec::new(),
        }
    }

    /// Permissions of the slice that begins.
    fn begin_slice(&mut self, now_ns: u64) {
        while self.schedule.get(1).is_some_and(|next| next.0 <= now_ns) {
            self.schedule.pop_front();
        }
        let per_second = self.schedule.front().map_or(0, |present| present.1);
        self.permissions = (u64::from(per_second) * SLICE_NS / crate::SEC) as u32;
        self.slice_end_ns += SLICE_NS;
    }

    /// Lets through what is allowed.
    fn release(&mut self, now_ns: u64, rng: &mut Rng) {
        while self.permissions > 0 {
            let Some((operation, was_refused)) = self.waiting.pop_front() else { return };
            self.permissions -= 1;
            if self.taken < self.places {
                self.taken += 1;
                self.inner.submit(now_ns, operation, rng);
            } else if was_refused {
                self.blocked.push_back(operation);
            } else {
                self.waiting.push_back((operation, true));
            }
        }
    }
}

impl<D: Device> Device for Throttled<D> {
    fn submit(&mut self, now_ns: u64, operation: Operation, rng: &mut Rng) {
        self.waiting.push_back((operation, false));
        self.release(now_ns, rng);
    }

    fn next_event_ns(&self) -> u64 {
        self.inner.next_event_ns().min(self.slice_end_ns)
    }

    fn advance(&mut self, now_ns: u64, rng: &mut Rng, done: &mut Vec<u32>) {
        self.inner.advance(now_ns, rng, &mut self.scratch);
        for id in self.scratch.drain(..) {
            done.push(id);
            match self.blocked.pop_front() {
                Some(operation) => self.inner.submit(now_ns, operation, rng),
                None => self.taken -= 1,
            }
        }
        if now_ns >= self.slice_end_ns {
            self.begin_slice(now_ns);
            self.release(now_ns, rng);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SEC;
    use crate::devices::VirtioDisk;
    use crate::load::Load;
    use crate::policy::Fixed;
    use crate::run::{Setup, run};

    #[test]
    fn it_gives_what_was_measured() {
        let cases = [
            (20_000, 4, 19e3, 20e3),
            (20_000, 128, 19.9e3, 20e3),
            (20_000, 256, 10e3, 12e3),
            (5_000, 4, 4.9e3, 5e3),
            (5_000, 128, 4.9e3, 5e3),
            (5_000, 1_024, 2.5e3, 3.5e3),
        ];
        for (allowed, depth, low, high) in cases {
            let setup = Setup { duration_ns: 4 * SEC, seed: 1, ..Setup::default() };
            let mut device = Throttled::new(VirtioDisk::default(), 128, &[(0, allowed)]);
            let trace = run(&mut device, &mut Load::closed(depth), &mut Fixed(depth), &setup);
            let rate = trace.rate(SEC, 4 * SEC);
            assert!((low..=high).contains(&rate), "{allowed} at depth {depth}: {rate:.0}");
        }
    }
}
