//! Devices with a character: disks, cloud volumes, caches, stalls, neighbours, schedules.

use super::device::{Device, Operation, Service, SharedQueue, Station};
use super::rng::Rng;
use super::{MS, SEC};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A disk with one arm that sweeps in one direction: deeper queues mean shorter seeks. About 120
/// operations a second at depth 1, 380 at depth 256.
#[derive(Debug, Default)]
pub struct Elevator {
    head: f64,
    waiting: Vec<(f64, u32)>,
    running: Option<(u64, u32)>,
}

impl Elevator {
    fn start_next(&mut self, now_ns: u64, rng: &mut Rng) {
        if self.running.is_some() || self.waiting.is_empty() {
            return;
        }
        let distance = |position: f64, head: f64| (position - head).rem_euclid(1.0);
        let (index, ahead) = (0..self.waiting.len())
            .map(|i| (i, distance(self.waiting[i].0, self.head)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .expect("not empty");
        let (position, id) = self.waiting.swap_remove(index);
        // A lone request is reached by the shorter way round.
        let seek = ahead.min(1.0 - ahead).powf(0.8);
        self.head = position;
        let work_ms = 1.2 + 2.6 * rng.unit() + 18.0 * seek;
        self.running = Some((now_ns + (work_ms * MS as f64) as u64, id));
    }
}

impl Device for Elevator {
    fn submit(&mut self, now_ns: u64, operation: Operation, rng: &mut Rng) {
        let position = rng.unit();
        self.waiting.push((position, operation.id));
        self.start_next(now_ns, rng);
    }

    fn next_event_ns(&self) -> u64 {
        self.running.map_or(u64::MAX, |r| r.0)
    }

    fn advance(&mut self, now_ns: u64, rng: &mut Rng, done: &mut Vec<u32>) {
        if let Some((finish_ns, id)) = self.running.filter(|r| r.0 <= now_ns) {
            self.running = None;
            done.push(id);
            self.start_next(finish_ns, rng);
        }
    }
}

/// A cloud volume: a hard rate, generous while `burst_credits` last, over a constant latency.
#[derive(Debug)]
pub struct TokenBucket {
    pub burst_rate: f64,
    pub burst_credits: u64,
    pub rate: f64,
    pub floor_ns: u64,
    next_slot_ns: u64,
    running: BinaryHeap<Reverse<(u64, u32)>>,
}

impl TokenBucket {
    pub fn new(rate: f64, floor_ns: u64) -> Self {
        Self::with_burst(rate, floor_ns, rate, 0)
    }

    pub fn with_burst(rate: f64, floor_ns: u64, burst_rate: f64, burst_credits: u64) -> Self {
        let running = BinaryHeap::new();
        Self { burst_rate, burst_credits, rate, floor_ns, next_slot_ns: 0, running }
    }
}

impl Device for TokenBucket {
    fn submit(&mut self, now_ns: u64, operation: Operation, rng: &mut Rng) {
        let rate = if self.burst_credits > 0 { self.burst_rate } else { self.rate };
        self.burst_credits = self.burst_credits.saturating_sub(1);
        self.next_slot_ns = self.next_slot_ns.max(now_ns) + (SEC as f64 / rate) as u64;
        let jitter_ns = (self.floor_ns as f64 * 0.05 * rng.exponential()) as u64;
        let finish_ns = self.next_slot_ns.max(now_ns + self.floor_ns + jitter_ns);
        self.running.push(Reverse((finish_ns, operation.id)));
    }

    fn next_event_ns(&self) -> u64 {
        self.running.peek().map_or(u64::MAX, |r| r.0.0)
    }

    fn advance(&mut self, now_ns: u64, _rng: &mut Rng, done: &mut Vec<u32>) {
        while self.running.peek().is_some_and(|r| r.0.0 <= now_ns) {
            done.push(self.running.pop().expect("peeked").0.1);
        }
    }
}

/// A page cache over a device: hits cost 3 µs and never queue.
#[derive(Debug)]
pub struct CachedDisk {
    pub hit_share: f64,
    hits: Station,
    disk: SharedQueue,
}

impl CachedDisk {
    pub fn new(hit_share: f64, disk: SharedQueue) -> Self {
        Self { hit_share, hits: Station::new(usize::MAX), disk }
    }
}

impl Device for CachedDisk {
    fn submit(&mut self, now_ns: u64, operation: Operation, rng: &mut Rng) {
        if rng.unit() <= self.hit_share {
            self.hits.submit(now_ns, operation.id, 3_000);
        } else {
            self.disk.submit(now_ns, operation, rng);
        }
    }

    fn next_event_ns(&self) -> u64 {
        self.hits.next_event_ns().min(self.disk.next_event_ns())
    }

    fn advance(&mut self, now_ns: u64, rng: &mut Rng, done: &mut Vec<u32>) {
        self.hits.advance(now_ns, done);
        self.disk.advance(now_ns, rng, done);
    }
}

/// Service time proportional to size over a fixed part: 78 µs, and 250 MB/s per server.
#[derive(Debug)]
pub struct Sized {
    station: Station,
}

impl Sized {
    pub fn new(servers: usize) -> Self {
        Self { station: Station::new(servers) }
    }
}

impl Device for Sized {
    fn submit(&mut self, now_ns: u64, operation: Operation, rng: &mut Rng) {
        let mean_ns = 78_000.0 + f64::from(operation.bytes) * 4.0;
        let work_ns = Service::Flash(mean_ns).sample_ns(rng);
        self.station.submit(now_ns, operation.id, work_ns);
    }

    fn next_event_ns(&self) -> u64 {
        self.station.next_event_ns()
    }

    fn advance(&mut self, now_ns: u64, _rng: &mut Rng, done: &mut Vec<u32>) {
        self.station.advance(now_ns, done);
    }
}

/// A shared queue whose number of servers follows a schedule of `(from_ns, servers)`.
#[derive(Debug)]
pub struct Scheduled {
    inner: SharedQueue,
    schedule: Vec<(u64, usize)>,
    next: usize,
}

impl Scheduled {
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

/// Freezes a device for `stall_ns` at the end of each period: what would finish then finishes late.
#[derive(Debug)]
pub struct Stalling<D> {
    pub inner: D,
    pub period_ns: u64,
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

/// A virtio disk as measured on the reference machine: 10 000 operations a second at depth 1, each
/// one more in flight slowing all of them a little, 120 000 a second from a depth of about 50 on, and
/// a tail of milliseconds once more than 60 are in flight.
#[derive(Debug)]
pub struct VirtioDisk {
    flash: Station,
    host: Station,
    in_flight: u32,
    scratch: Vec<u32>,
}

impl Default for VirtioDisk {
    fn default() -> Self {
        let (flash, host) = (Station::new(usize::MAX), Station::new(1));
        Self { flash, host, in_flight: 0, scratch: Vec::new() }
    }
}

impl Device for VirtioDisk {
    fn submit(&mut self, now_ns: u64, operation: Operation, rng: &mut Rng) {
        self.in_flight += 1;
        let mean_ns = 92_000.0 + 6_200.0 * f64::from(self.in_flight.min(50));
        let mut work_ns = Service::Flash(mean_ns).sample_ns(rng);
        if self.in_flight > 60 && rng.unit() < 0.03 {
            work_ns += 2 * MS + (rng.unit() * MS as f64) as u64;
        }
        self.flash.submit(now_ns, operation.id, work_ns);
    }

    fn next_event_ns(&self) -> u64 {
        self.flash.next_event_ns().min(self.host.next_event_ns())
    }

    fn advance(&mut self, now_ns: u64, _rng: &mut Rng, done: &mut Vec<u32>) {
        self.flash.advance(now_ns, &mut self.scratch);
        for id in self.scratch.drain(..) {
            self.host.submit(now_ns, id, 8_333);
        }
        let before = done.len();
        self.host.advance(now_ns, done);
        self.in_flight -= (done.len() - before) as u32;
    }
}
