//! Devices with a character: an arm that seeks, a volume in the cloud, a cache, a virtio disk.

use super::queues::SharedQueue;
use super::station::{Service, Station};
use crate::device::{Device, Operation};
use crate::rng::Rng;
use crate::{MS, SEC};
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
    /// Operations per second while credits last.
    pub burst_rate: f64,
    /// Operations left at the burst rate.
    pub burst_credits: u64,
    /// Operations per second afterwards.
    pub rate: f64,
    /// Latency of a lone operation in nanoseconds.
    pub floor_ns: u64,
    next_slot_ns: u64,
    running: BinaryHeap<Reverse<(u64, u32)>>,
}

impl TokenBucket {
    /// A constant rate without bursts.
    #[must_use]
    pub fn new(rate: f64, floor_ns: u64) -> Self {
        Self::with_burst(rate, floor_ns, rate, 0)
    }

    /// `burst_credits` operations at the burst rate, then the lower one for good.
    #[must_use]
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
    /// Share of operations that hit, 0 to 1.
    pub hit_share: f64,
    hits: Station,
    disk: SharedQueue,
}

impl CachedDisk {
    /// A cache with this share of hits over a device.
    #[must_use]
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
    /// So many servers behind one queue.
    #[must_use]
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
