//! What devices are built from: service times, and servers behind a queue.

use crate::rng::Rng;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// How long a server works on one operation. Each kind holds its mean in nanoseconds.
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
    /// Draws one service time, in nanoseconds, at least 1.
    #[must_use]
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
    /// So many servers, idle.
    #[must_use]
    pub fn new(servers: usize) -> Self {
        Self { servers, ..Self::default() }
    }

    /// Takes an operation that is `work_ns` nanoseconds of work for a server.
    pub fn submit(&mut self, now_ns: u64, id: u32, work_ns: u64) {
        if self.running.len() < self.servers {
            self.running.push(Reverse((now_ns + work_ns, id)));
        } else {
            self.waiting.push_back((id, work_ns));
        }
    }

    /// When the next operation finishes; `u64::MAX` if none is running.
    #[must_use]
    pub fn next_event_ns(&self) -> u64 {
        self.running.peek().map_or(u64::MAX, |r| r.0.0)
    }

    /// Appends the ids of operations finished by `now_ns`, and starts waiting ones.
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

    /// Changes the number of servers.
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
