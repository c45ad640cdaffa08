//! Devices that change: schedules, stalls, neighbours.

use super::queues::SharedQueue;
use crate::device::{Device, Operation};
use crate::rng::Rng;

/// A shared queue whose number of servers follows a schedule of `(from_ns, servers)`.
#[derive(Debug)]
pub struct Scheduled {
    inner: SharedQueue,
    schedule: Vec<(u64, usize)>,
    next: usize,
}

impl Scheduled {
    /// Follows a schedule in ascending order of time.
    #[must_use]
    pub fn new(inner: SharedQueue, schedule: Vec<(u64, usize)>) -> Self {
        Self { inner, schedule, next: 0 }
    }
}

impl Device for Scheduled {
    fn submit(&mut self, now_ns: u64, operation: Operation, rng: &mut Rng) {
        self.inner.submit(now_ns, operation, rng);
    }

    fn next_event_ns(&self) -> u64 {
        let change_ns = self.schedule.get(self.next).map_or(u64::MAX, |s| s.0);
        self.inner.next_event_ns().min(change_ns)
    }

    fn advance(&mut self, now_ns: u64, rng: &mut Rng, done: &mut Vec<u32>) {
        while let Some(&(from_ns, servers)) = self.schedule.get(self.next) {
            if from_ns > now_ns {
                break;
            }
            self.inner.station.set_servers(now_ns, servers);
            self.next += 1;
        }
        self.inner.advance(now_ns, rng, done);
    }
}

/// A shared queue that becomes four times as fast at some time.
#[derive(Debug)]
pub struct Sped {
    inner: SharedQueue,
    from_ns: u64,
}

impl Sped {
    /// Four times as fast for operations submitted from `from_ns` on.
    #[must_use]
    pub fn new(inner: SharedQueue, from_ns: u64) -> Self {
        Self { inner, from_ns }
    }
}

impl Device for Sped {
    fn submit(&mut self, now_ns: u64, operation: Operation, rng: &mut Rng) {
        let work_ns = self.inner.service.sample_ns(rng);
        let work_ns = if now_ns < self.from_ns { work_ns } else { work_ns / 4 };
        self.inner.station.submit(now_ns, operation.id, work_ns);
    }

    fn next_event_ns(&self) -> u64 {
        self.inner.next_event_ns()
    }

    fn advance(&mut self, now_ns: u64, rng: &mut Rng, done: &mut Vec<u32>) {
        self.inner.advance(now_ns, rng, done);
    }
}
/// Freezes a device for `stall_ns` at the end of each period: what would finish then finishes late.
#[derive(Debug)]
pub struct Stalling<D> {
    /// What is frozen.
    pub inner: D,
    /// Length of a period in nanoseconds.
    pub period_ns: u64,
    /// Length of the stall that ends each period, in nanoseconds.
    pub stall_ns: u64,
}

impl<D: Device> Device for Stalling<D> {
    fn submit(&mut self, now_ns: u64, operation: Operation, rng: &mut Rng) {
        self.inner.submit(now_ns, operation, rng);
    }

    fn next_event_ns(&self) -> u64 {
        let at_ns = self.inner.next_event_ns();
        let phase_ns = at_ns % self.period_ns;
        if at_ns == u64::MAX || phase_ns < self.period_ns - self.stall_ns {
            at_ns
        } else {
            at_ns - phase_ns + self.period_ns
        }
    }

    fn advance(&mut self, now_ns: u64, rng: &mut Rng, done: &mut Vec<u32>) {
        if now_ns % self.period_ns < self.period_ns - self.stall_ns {
            self.inner.advance(now_ns, rng, done);
        }
    }
}

/// Freezes a device at random: a processor taken away from the host or from the program that polls. What
/// would finish then finishes when it is over.
#[derive(Debug)]
pub struct Preempted<D> {
    inner: D,
    /// Mean time between two freezes, and mean length of one, both exponential.
    means_ns: (f64, f64),
    from_ns: u64,
    to_ns: u64,
}

impl<D: Device> Preempted<D> {
    /// Freezes of `length_ns` on average, `gap_ns` apart on average.
    #[must_use]
    pub fn new(inner: D, gap_ns: f64, length_ns: f64) -> Self {
        // The first one has no length, and draws the next.
        Self { inner, means_ns: (gap_ns, length_ns), from_ns: gap_ns as u64, to_ns: gap_ns as u64 }
    }
}

impl<D: Device> Device for Preempted<D> {
    fn submit(&mut self, now_ns: u64, operation: Operation, rng: &mut Rng) {
        self.inner.submit(now_ns, operation, rng);
    }

    fn next_event_ns(&self) -> u64 {
        let at_ns = self.inner.next_event_ns();
        if at_ns < self.from_ns { at_ns } else { self.to_ns }
    }

    fn advance(&mut self, now_ns: u64, rng: &mut Rng, done: &mut Vec<u32>) {
        if now_ns >= self.to_ns {
            self.from_ns = now_ns + (rng.exponential() * self.means_ns.0) as u64 + 1;
            self.to_ns = self.from_ns + (rng.exponential() * self.means_ns.1) as u64;
        }
        if now_ns < self.from_ns {
            self.inner.advance(now_ns, rng, done);
        }
    }
}

/// Ids of a neighbour's operations start here.
const NEIGHBOUR_ID: u32 = 1 << 30;

/// A device shared with a neighbour who keeps `depth` operations in flight from `from_ns` to
/// `to_ns`.
#[derive(Debug)]
pub struct NeighbourOn<D> {
    inner: D,
    depth: u32,
    from_ns: u64,
    to_ns: u64,
    started: bool,
    scratch: Vec<u32>,
}

impl<D: Device> NeighbourOn<D> {
    /// A neighbour who comes and goes at these times.
    #[must_use]
    pub fn new(inner: D, depth: u32, from_ns: u64, to_ns: u64) -> Self {
        Self { inner, depth, from_ns, to_ns, started: false, scratch: Vec::new() }
    }
}

impl<D: Device> Device for NeighbourOn<D> {
    fn submit(&mut self, now_ns: u64, operation: Operation, rng: &mut Rng) {
        self.inner.submit(now_ns, operation, rng);
    }

    fn next_event_ns(&self) -> u64 {
        let start_ns = if self.started { u64::MAX } else { self.from_ns };
        self.inner.next_event_ns().min(start_ns)
    }

    fn advance(&mut self, now_ns: u64, rng: &mut Rng, done: &mut Vec<u32>) {
        if !self.started && now_ns >= self.from_ns {
            self.started = true;
            for id in NEIGHBOUR_ID..NEIGHBOUR_ID + self.depth {
                self.inner.submit(now_ns, Operation { id, bytes: 4096 }, rng);
            }
        }
        self.inner.advance(now_ns, rng, &mut self.scratch);
        while let Some(id) = self.scratch.pop() {
            if id < NEIGHBOUR_ID {
                done.push(id);
            } else if now_ns < self.to_ns {
                self.inner.submit(now_ns, Operation { id, bytes: 4096 }, rng);
            }
        }
    }
}
