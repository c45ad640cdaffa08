//! A virtual disk as a busy host serves it.

use crate::device::{Device, Operation};
use crate::rng::Rng;
use crate::{MS, SEC};
use std::collections::VecDeque;

/// From a submission until an idle host looks, and from its last operation until it is heard of.
const TRANSIT_NS: u64 = 25_000;
/// What the host takes at once.
const BATCH: usize = 64;
/// What it works on each of them, one after the other.
const WORK_NS: f64 = 11_400.0;
/// The host may be taken away at the beginning of each.
const TICK_NS: u64 = 40 * MS;
/// How often the speed changes.
const WANDER_NS: u64 = SEC / 4;

/// A virtual disk whose host takes what there is, works it off and delivers it at once, as recorded on a
/// virtual machine with two processors: 42 000 operations a second at depth 4, 70 000 at 16, 86 000 at
/// 128, and hardly any difference between fast and slow ones. About fifteen times a second nothing is
/// heard of it for 2 to 4.5 ms, in spells twice as often; what is in flight is worked on meanwhile and
/// arrives afterwards, so that a deep queue loses less. Its speed wanders by 6 %.
#[derive(Debug)]
pub struct HostedDisk {
    waiting: VecDeque<u32>,
    /// When the host takes what is waiting; `u64::MAX` while it works or sleeps.
    look_ns: u64,
    at_work: Vec<u32>,
    /// When what is being worked on is done; `u64::MAX` if nothing is.
    done_ns: u64,
    /// Finished, and not yet delivered.
    held: Vec<u32>,
    pause: (u64, u64),
    next_tick_ns: u64,
    in_spell: bool,
    slowness: f64,
    wander_at_ns: u64,
}

impl Default for HostedDisk {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            look_ns: u64::MAX,
            at_work: Vec::new(),
            done_ns: u64::MAX,
            held: Vec::new(),
            pause: (0, 0),
            next_tick_ns: TICK_NS,
            in_spell: false,
            slowness: 0.0,
            wander_at_ns: WANDER_NS,
        }
    }
}

impl HostedDisk {
    /// Lets time pass for what does not depend on operations.
    fn pass_time(&mut self, now_ns: u64, rng: &mut Rng) {
        while now_ns >= self.next_tick_ns {
            let turns = if self.in_spell { 0.05 } else { 0.015 };
            self.in_spell ^= rng.unit() < turns;
            if self.in_spell || rng.unit() < 0.6 {
                let length_ns = (2 * MS) as f64 + rng.unit() * 2.5 * MS as f64;
                self.pause = (self.next_tick_ns, self.next_tick_ns + length_ns as u64);
            }
            self.next_tick_ns += if self.in_spell { TICK_NS / 2 } else { TICK_NS };
        }
        while now_ns >= self.wander_at_ns {
            self.slowness = 0.9 * self.slowness + 0.025 * rng.normal();
            self.wander_at_ns += WANDER_NS;
        }
    }

    fn is_silent(&self, now_ns: u64) -> bool {
        (self.pause.0..self.pause.1).contains(&now_ns)
    }
}

impl Device for HostedDisk {
    fn submit(&mut self, now_ns: u64, operation: Operation, _rng: &mut Rng) {
        self.waiting.push_back(operation.id);
        if self.at_work.is_empty() {
            self.look_ns = self.look_ns.min(now_ns + TRANSIT_NS);
        }
    }

    fn next_event_ns(&self) -> u64 {
        let delivery_ns = if self.held.is_empty() { u64::MAX } else { self.pause.1 };
        self.look_ns.min(self.done_ns).min(delivery_ns)
    }

    fn advance(&mut self, now_ns: u64, rng: &mut Rng, done: &mut Vec<u32>) {
        self.pass_time(now_ns, rng);
        if now_ns >= self.done_ns {
            self.held.append(&mut self.at_work);
            self.done_ns = u64::MAX;
            self.look_ns = if self.waiting.is_empty() { u64::MAX } else { now_ns };
        }
        if now_ns >= self.look_ns {
            self.at_work.extend(self.waiting.drain(..BATCH.min(self.waiting.len())));
            let each_ns = WORK_NS * self.slowness.exp() * (0.95 + 0.1 * rng.unit());
            self.done_ns = now_ns + TRANSIT_NS + (each_ns * self.at_work.len() as f64) as u64;
            self.look_ns = u64::MAX;
        }
        if !self.is_silent(now_ns) {
            done.append(&mut self.held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Load;
    use crate::policy::Fixed;
    use crate::run::{Setup, run};

    #[test]
    fn it_is_as_fast_as_recorded() {
        for (depth, low, high) in [(4, 38e3, 50e3), (16, 60e3, 74e3), (128, 74e3, 90e3)] {
            let setup = Setup { duration_ns: 4 * SEC, seed: 1, ..Setup::default() };
            let mut device = HostedDisk::default();
            let trace = run(&mut device, &mut Load::closed(depth), &mut Fixed(depth), &setup);
            let rate = trace.rate(0, 4 * SEC);
            assert!((low..high).contains(&rate), "{rate:.0} a second at depth {depth}");
        }
    }
}
