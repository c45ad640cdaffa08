//! The queues that textbooks know: one in front of all servers, and one in front of each.

use super::station::{Service, Station};
use crate::device::{Device, Operation};
use crate::rng::Rng;

/// An M/M/c-like device: `X = μ·min(L, c)` in a closed loop.
#[derive(Debug)]
pub struct SharedQueue {
    /// The servers and their queue.
    pub station: Station,
    /// Time an operation takes a server.
    pub service: Service,
}

impl SharedQueue {
    /// So many servers behind one queue.
    #[must_use]
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
    /// When each die's next event is: a look at these is cheaper than at all the dies.
    next_ns: Vec<u64>,
    service: Service,
    next_event_ns: u64,
}

impl StripedDies {
    /// So many dies, each with a queue of its own.
    #[must_use]
    pub fn new(dies: usize, service: Service) -> Self {
        let next_ns = vec![u64::MAX; dies];
        let dies = (0..dies).map(|_| Station::new(1)).collect();
        Self { dies, next_ns, service, next_event_ns: u64::MAX }
    }
}

impl Device for StripedDies {
    fn submit(&mut self, now_ns: u64, operation: Operation, rng: &mut Rng) {
        let die = rng.below(self.dies.len());
        let work_ns = self.service.sample_ns(rng);
        self.dies[die].submit(now_ns, operation.id, work_ns);
        self.next_ns[die] = self.dies[die].next_event_ns();
        self.next_event_ns = self.next_event_ns.min(self.next_ns[die]);
    }

    fn next_event_ns(&self) -> u64 {
        self.next_event_ns
    }

    fn advance(&mut self, now_ns: u64, _rng: &mut Rng, done: &mut Vec<u32>) {
        for (die, next_ns) in self.dies.iter_mut().zip(&mut self.next_ns) {
            if *next_ns <= now_ns {
                die.advance(now_ns, done);
                *next_ns = die.next_event_ns();
            }
        }
        self.next_event_ns = self.next_ns.iter().copied().min().unwrap_or(u64::MAX);
    }
}
