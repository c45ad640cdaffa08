//! Fixed depths around the controller's limit, each tried for a moment: what is answered has been seen to
//! keep the target while nothing moved.
//!
//! A controller keeps its limit where latencies are just acceptable, and follows every stall of shared
//! storage. A user wants a depth to configure: one that keeps the target with a margin, and no larger than
//! its throughput is worth.

use crate::stats::bins::Bins;

/// How long a depth is tried.
const TRIAL_NS: u64 = 200_000_000;
/// How long at most, if the storage is too slow for [`LEAST_LATE`], or what it does is not clear ([`UNCLEAR`]).
const LONG_TRIAL_NS: u64 = 600_000_000;
/// A trial is long enough when so many I/Os may be late.
const LEAST_LATE: f64 = 3.0;
/// Late I/Os in a trial, as a share of those that may be: what is rare is not seen whole in so short a time.
const MARGIN: f64 = 0.75;
/// Between these shares a longer look may change the verdict: a few stalls of the storage decide.
const UNCLEAR: std::ops::Range<f64> = 0.3..2.0;
/// From one depth to the next.
const STEP: f64 = 1.4;
/// The same upwards, while a step still brings so much throughput: the search began far too low.
const LONG_STEP: f64 = 2.0;
const LARGE_GAIN: f64 = 1.2;
/// Depths closer than this are not told apart.
const CLOSE: f64 = 1.2;
/// The smallest depth with this share of the best throughput is as good as the best.
const ENOUGH: f64 = 0.98;
/// More depths are not tried.
const TRIALS_MAX: usize = 9;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Next {
    /// The trial goes on.
    GoOn,
    /// Try this depth.
    Try(u32),
    /// This is the answer; whether it kept the target.
    Take(u32, bool),
}

/// A depth that was tried.
#[derive(Clone, Copy, Debug)]
struct Tried {
    depth: u32,
    ios_per_s: f64,
    keeps: bool,
}

/// The trials of one search.
#[derive(Debug)]
pub(super) struct Trials {
    target_ns: u64,
    /// The share of I/Os that may take longer.
    may_be_late: f64,
    depth_max: u32,
    depth: u32,
    /// Looks that see what belongs to the depth before: after each change, and still to come.
    looks_lost: u32,
    looks_to_lose: u32,
    latencies: Bins,
    elapsed_ns: u64,
    tried: Vec<Tried>,
}

impl Trials {
    /// Trials that begin with a depth.
    pub(super) fn new(
        target_ns: u64,
        percentile: f64,
        depth_max: u32,
        depth: u32,
        looks_lost: u32,
    ) -> Self {
        Self {
            target_ns,
            may_be_late: (1.0 - percentile / 100.0).max(1e-4),
            depth_max,
            depth: depth.clamp(1, depth_max),
            looks_lost,
            looks_to_lose: looks_lost,
            latencies: Bins::default(),
            elapsed_ns: 0,
            tried: Vec::new(),
        }
    }

    /// The depth that is being tried.
    pub(super) fn depth(&self) -> u32 {
        self.depth
    }

    /// Looks at what came of some time at this depth. `is_late`: there is no time for more trials.
    pub(super) fn look(&mut self, window: &Bins, elapsed_ns: u64, is_late: bool) -> Next {
        if self.looks_to_lose > 0 {
            self.looks_to_lose -= 1;
            return Next::GoOn;
        }
        self.latencies.merge(window);
        self.elapsed_ns += elapsed_ns;
        let total = self.latencies.total() as f64;
        let may_be_late = total * self.may_be_late;
        let late_share = self.latencies.above(self.target_ns) as f64 / may_be_late;
        let is_clear = may_be_late >= LEAST_LATE && !UNCLEAR.contains(&late_share);
        let least_ns = if is_clear { TRIAL_NS } else { LONG_TRIAL_NS };
        if !is_late && self.elapsed_ns < least_ns {
            return Next::GoOn;
        }
        self.tried.push(Tried {
            depth: self.depth,
            ios_per_s: total * 1e9 / self.elapsed_ns.max(1) as f64,
            keeps: late_share <= MARGIN, // Not if there was no I/O at all.
        });
        match self.next_depth() {
            Some(depth) if !is_late && self.tried.len() < TRIALS_MAX => {
                (self.depth, self.looks_to_lose) = (depth, self.looks_lost);
                (self.latencies, self.elapsed_ns) = (Bins::default(), 0);
                Next::Try(depth)
            }
            _ => self.answer(),
        }
    }

    /// Up as long as that brings throughput, down until the target is kept, and once in between.
    fn next_depth(&self) -> Option<u32> {
        let keeping = || self.tried.iter().filter(|tried| tried.keeps);
        let missing = self.tried.iter().filter(|tried| !tried.keeps).map(|tried| tried.depth).min();
        let best = keeping().max_by_key(|tried| tried.depth).filter(|tried| {
            // What is luck at one depth is none at the next.
            missing.is_none_or(|missing| tried.depth < missing)
        });
        let next = match (best, missing) {
            (None, None) => return None,
            (None, Some(missing)) => (f64::from(missing) / STEP).floor(),
            (Some(best), None) => {
                let before = keeping().filter(|tried| tried.depth < best.depth);
                let before = before.map(|tried| tried.ios_per_s).fold(0.0, f64::max);
                if best.ios_per_s * ENOUGH < before {
                    return None;
                }
                let gains = before > 0.0 && best.ios_per_s > before * LARGE_GAIN;
                let step = if gains { LONG_STEP } else { STEP };
                (f64::from(best.depth) * step).ceil().min(f64::from(self.depth_max))
            }
            (Some(best), Some(missing)) if f64::from(missing) > f64::from(best.depth) * CLOSE => {
                (f64::from(best.depth) * f64::from(missing)).sqrt().round()
            }
            _ => return None,
        };
        let next = next.max(1.0) as u32;
        (!self.tried.iter().any(|tried| tried.depth == next)).then_some(next)
    }

    fn answer(&self) -> Next {
        let keeping = || self.tried.iter().filter(|tried| tried.keeps);
        let most = keeping().map(|tried| tried.ios_per_s).fold(0.0, f64::max);
        let is_enough = |tried: &&Tried| tried.ios_per_s >= most * ENOUGH;
        match keeping().filter(is_enough).min_by_key(|tried| tried.depth) {
            Some(tried) => Next::Take(tried.depth, true),
            None => {
                let least = self.tried.iter().map(|tried| tried.depth).min();
                Next::Take(least.unwrap_or(self.depth), false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device: throughput grows up to a depth, and I/Os are late above another.
    fn answer(begin: u32, saturated_at: u32, late_above: u32) -> (u32, bool, usize) {
        let mut trials = Trials::new(1_000_000, 99.0, 256, begin, 1);
        for looks in 1..200 {
            let depth = trials.depth();
            let mut window = Bins::default();
            let ios = 100 * depth.min(saturated_at);
            let late = if depth > late_above { ios / 20 } else { 0 };
            (0..ios).for_each(|io| window.add(if io < late { 5_000_000 } else { 200_000 }));
            if let Next::Take(depth, keeps) = trials.look(&window, 50_000_000, false) {
                return (depth, keeps, looks);
            }
        }
        panic!("no answer");
    }

    #[test]
    fn the_largest_depth_that_keeps_the_target_is_found_from_wherever_the_search_begins() {
        for begin in [1, 3, 8, 20, 30, 40, 60, 100] {
            let (depth, keeps, looks) = answer(begin, 256, 32);
            assert!(keeps && (26..=32).contains(&depth), "from {begin}: {depth}");
            assert!(looks <= TRIALS_MAX * 5, "from {begin}: {looks} looks");
        }
    }

    #[test]
    fn depth_that_brings_no_throughput_is_not_answered() {
        for begin in [12, 16, 40] {
            let (depth, keeps, _) = answer(begin, 16, 200);
            assert!(keeps && (16..=40).contains(&depth), "from {begin}: {depth}");
        }
    }

    #[test]
    fn a_target_that_no_depth_keeps_is_answered_with_the_smallest_tried() {
        assert_eq!(answer(4, 16, 0), (1, false, 3 * 5)); // 4, 2, 1.
    }
}
