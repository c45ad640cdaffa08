//! What is being controlled: the trait, and the queues that textbooks know.

use super::rng::Rng;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// One operation as a device sees it.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub id: u32,
    pub bytes: u32,
}

/// Something that takes operations and finishes them later.
pub trait Device {
    /// Takes an operation at time `now_ns`.
    fn submit(&mut self, now_ns: u64, operation: Operation, rng: &mut Rng);
    /// When something will happen next; `u64::MAX` for never.
    fn next_event_ns(&self) -> u64;
    /// Lets everything due at `now_ns` happen and appends the ids of finished operations.
    fn advance(&mut self, now_ns: u64, rng: &mut Rng, done: &mut Vec<u32>);
}

/// How long a server works on one operation.
#[derive(Clone, Copy, Debug)]
pub enum Service {
    /// Always the mean.
    Constant(f64),
    /// Exponential with this mean: memoryless, the textbooks' choice.
    Exponential(f64),
    /// Log-normal with this mean and a coefficient of variation of about a quarter, like flash.
    Flash(f64),
    /// Pareto with this mean and shape 2.2: finite variance, but only just.
    Pareto(f64),
}

impl Service {
    pub fn sample_ns(self, rng: &mut Rng) -> u64 {
        let ns = match self {
            Self::Constant(mean) => mean,
            Self::Exponential(mean) => mean * rng.exponential(),
            Self::Flash(mean) => mean * (0.25 * rng.normal() - 0.03125).exp(),
            Self::Pareto(mean) => mean * (1.2 / 2.2) * rng.unit().powf(-1.0 / 2.2),
        };
        ns.max(1.0) as u64
    }
}

/// `c` equal servers behind one queue, first come first served.
#[derive(Debug, Default)]
pub struct Station {
    servers: usize,
    waiting: VecDeque<(u32, u64)>,
    running: BinaryHeap<Reverse<(u64, u32)>>,
}

impl Station {
    pub fn new(servers: usize) -> Self {
        Self { servers, ..Self::default() }
    }

    pub fn submit(&mut self, now_ns: u64, id: u32, work_ns: u64) {
        if self.running.len() < self.servers {
            self.running.push(Reverse((now_ns + work_ns, id)));
        } else {
            self.waiting.push_back((id, work_ns));
        }
    }

    pub fn next_event_ns(&self) -> u64 {
        self.running.peek().map_or(u64::MAX, |r| r.0.0)
    }

    pub fn advance(&mut self, now_ns: u64, done: &mut Vec<u32>) {
        while let Some(&Reverse((finish_ns, id))) = self.running.peek() {
            if finish_ns > now_ns {
                break;
            }
            self.running.pop();
            done.push(id);
            self.start_waiting(finish_ns);
        }
    }

    /// Servers beyond the new number finish what they are doing.
    pub fn set_servers(&mut self, now_ns: u64, servers: usize) {
        self.servers = servers;
        self.start_waiting(now_ns);
    }

    fn start_waiting(&mut self, now_ns: u64) {
        while self.running.len() < self.servers {
            let Some((id, work_ns)) = self.waiting.pop_front() else { break };
            self.running.push(Reverse((now_ns + work_ns, id)));
        }
    }
}

/// An M/M/c-like device: `X = μ·min(L, c)` in a closed loop.
#[derive(Debug)]
pub struct SharedQueue {
    pub station: Station,
    pub service: Service,
}

impl SharedQueue {
    pub fn new(servers: usize, service: Service) -> Self {
        Self { station: Station::new(servers), service }
    }
}

impl Device for SharedQueue {
    fn submit(&mut self, now_ns: u64, operation: Operation, rng: &mut Rng) {
        let work_ns = self.service.sample_ns(rng);
        self.station.submit(now_ns, operation.id, work_ns);
    }

    fn next_event_ns(&self) -> u64 {
        self.station.next_event_ns()
    }

    fn advance(&mut self, now_ns: u64, _rng: &mut Rng, done: &mut Vec<u32>) {
        self.station.advance(now_ns, done);
    }
}

/// Flash whose addresses are hashed over dies with queues of their own: with exponential service
/// `X = c·μ·L/(L + c − 1)` in a closed loop.
#[derive(Debug)]
pub struct StripedDies {
    dies: Vec<Station>,
    service: Service,
    next_event_ns: u64,
}

impl StripedDies {
    pub fn new(dies: usize, service: Service) -> Self {
        let dies = (0..dies).map(|_| Station::new(1)).collect();
        Self { dies, service, next_event_ns: u64::MAX }
    }

    fn refresh(&mut self) {
        self.next_event_ns = self.dies.iter().map(Station::next_event_ns).min().unwrap_or(u64::MAX);
    }
}

impl Device for StripedDies {
    fn submit(&mut self, now_ns: u64, operation: Operation, rng: &mut Rng) {
        let die = rng.below(self.dies.len());
        let work_ns = self.service.sample_ns(rng);
        self.dies[die].submit(now_ns, operation.id, work_ns);
        self.next_event_ns = self.next_event_ns.min(self.dies[die].next_event_ns());
    }

    fn next_event_ns(&self) -> u64 {
        self.next_event_ns
    }

    fn advance(&mut self, now_ns: u64, _rng: &mut Rng, done: &mut Vec<u32>) {
        for die in &mut self.dies {
            die.advance(now_ns, done);
        }
        self.refresh();
    }
}

/// A shared queue that becomes four times as fast at some time.
#[derive(Debug)]
pub struct Sped {
    inner: SharedQueue,
    from_ns: u64,
}

impl Sped {
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
