//! Fixed depths around the controller's limit, each tried for a moment: what is answered has been seen to
//! keep the target while nothing moved.
//!
//! A controller keeps its limit where latencies are just acceptable, and follows every stall of shared
//! storage. A user wants a depth to configure: one that keeps the target with a margin, and no larger than
//! its throughput is worth.

use std::time::Duration;

use crate::stats::bins::Bins;

/// How long a depth is tried.
const TRIAL_NS: u64 = 200_000_000;
/// How long at most, if the storage is too slow for [`LEAST_LATE`], or what it does is not clear ([`UNCLEAR`]).
const LONG_TRIAL_NS: u64 = 600_000_000;
/// A trial is long enough when so many I/Os may be late.
const LEAST_LATE: f64 = 3.0;
/// Late I/Os in a trial, as a share of those that may be: what is rare is not seen whole in so short a time.
const MARGIN: f64 = 0.75;
/// As many as may be late may take longer than this share of the target: shared storage, and the queue with it, is
/// slower by so much in some seconds than in others.
const MARGIN_OF_TIME: f64 = 0.85;
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
const ENOUGH: f64 = 0.97;
/// More depths are not tried.
const TRIALS_MAX: usize = 9;
/// With this share of the best throughput a depth may be the answer: such are tried again, by turns, since
/// shared storage is faster in one moment than in the next.
const CONTENDS: f64 = 0.93;
/// Nothing is tried for longer than this altogether.
const ENOUGH_NS: u64 = 1_000_000_000;
/// No depth is tried again after so much of the search; what was found has to do.
const AGAIN_END: Duration = Duration::from_millis(3600);
/// No depth is tried at all after so much of it.
const END: Duration = Duration::from_millis(4200);

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

/// A depth that was tried, all its trials together.
#[derive(Clone, Copy, Debug, Default)]
struct Tried {
    depth: u32,
    elapsed_ns: u64,
    ios: f64,
    late: f64,
    /// Late, or nearly so: [`MARGIN_OF_TIME`].
    nearly_late: f64,
    may_be_late: f64,
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
    /// The present trial.
    trial: Tried,
    tried: Vec<Tried>,
}

impl Tried {
    fn ios_per_s(&self) -> f64 {
        self.ios * 1e9 / self.elapsed_ns.max(1) as f64
    }

    /// Late I/Os as a share of those that may be; not a number without I/O.
    fn late_share(&self) -> f64 {
        self.late / self.may_be_late
    }

    /// Whether the target is kept: not if there was no I/O at all.
    fn keeps(&self) -> bool {
        self.late_share() <= MARGIN && self.nearly_late <= self.may_be_late
    }

    fn add(&mut self, trial: &Self) {
        self.elapsed_ns += trial.elapsed_ns;
        self.ios += trial.ios;
        self.late += trial.late;
        self.nearly_late += trial.nearly_late;
        self.may_be_late += trial.may_be_late;
    }
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
        let depth = depth.clamp(1, depth_max);
        Self {
            target_ns,
            may_be_late: (1.0 - percentile / 100.0).max(1e-4),
            depth_max,
            depth,
            looks_lost,
            looks_to_lose: looks_lost,
            trial: Tried { depth, ..Tried::default() },
            tried: Vec::new(),
        }
    }

    /// The depth that is being tried.
    pub(super) fn depth(&self) -> u32 {
        self.depth
    }

    /// Looks at what came of some time at this depth, so long after the search began.
    pub(super) fn look(&mut self, window: &Bins, elapsed_ns: u64, after: Duration) -> Next {
        if self.looks_to_lose > 0 {
            self.looks_to_lose -= 1;
            return Next::GoOn;
        }
        let ios = window.total() as f64;
        self.trial.add(&Tried {
            depth: self.depth,
            elapsed_ns,
            ios,
            late: window.above(self.target_ns) as f64,
            nearly_late: window.above((self.target_ns as f64 * MARGIN_OF_TIME) as u64) as f64,
            may_be_late: ios * self.may_be_late,
        });
        let has_time = after < END;
        if has_time && self.trial.elapsed_ns < self.trial_ns() {
            return Next::GoOn;
        }
        let trial = self.trial;
        match self.tried.iter_mut().find(|tried| tried.depth == trial.depth) {
            Some(tried) => tried.add(&trial),
            None => self.tried.push(trial),
        }
        let unknown = self.next_depth().filter(|_| has_time && self.tried.len() < TRIALS_MAX);
        let next = unknown.or_else(|| self.contender().filter(|_| after < AGAIN_END));
        let Some(depth) = next else { return self.answer() };
        if depth != self.depth {
            (self.depth, self.looks_to_lose) = (depth, self.looks_lost);
        }
        self.trial = Tried { depth, ..Tried::default() };
        Next::Try(depth)
    }

    /// How long the present trial has to be.
    fn trial_ns(&self) -> u64 {
        let is_known = self.tried.iter().any(|tried| tried.depth == self.depth);
        let is_clear = self.trial.may_be_late >= LEAST_LATE
            && (is_known || !UNCLEAR.contains(&self.trial.late_share()));
        if is_clear { TRIAL_NS } else { LONG_TRIAL_NS }
    }

    /// Of the depths that may be the answer the one that is known least.
    fn contender(&self) -> Option<u32> {
        let most = self.most();
        // The smallest that misses may only have had bad luck.
        let missing = self.tried.iter().filter(|tried| !tried.keeps());
        let missing = missing.min_by_key(|tried| tried.depth);
        let unlucky = missing.filter(|tried| tried.late_share() < UNCLEAR.end);
        let contenders = self.keeping().chain(unlucky);
        let contenders = contenders
            .filter(|tried| tried.ios_per_s() >= most * CONTENDS && tried.elapsed_ns < ENOUGH_NS);
        contenders.min_by_key(|tried| (tried.elapsed_ns, tried.depth)).map(|tried| tried.depth)
    }

    fn keeping(&self) -> impl Iterator<Item = &Tried> {
        self.tried.iter().filter(|tried| tried.keeps())
    }

    /// The most I/Os per second of those that keep the target.
    fn most(&self) -> f64 {
        self.keeping().map(Tried::ios_per_s).fold(0.0, f64::max)
    }

    /// Up as long as that brings throughput, down until the target is kept, and once in between.
    fn next_depth(&self) -> Option<u32> {
        let missing =
            self.tried.iter().filter(|tried| !tried.keeps()).map(|tried| tried.depth).min();
        let best = self.keeping().max_by_key(|tried| tried.depth).filter(|tried| {
            // What is luck at one depth is none at the next.
            missing.is_none_or(|missing| tried.depth < missing)
        });
        let next = match (best, missing) {
            (None, None) => return None,
            (None, Some(missing)) => (f64::from(missing) / STEP).floor(),
            (Some(best), None) => {
                let before = self.keeping().filter(|tried| tried.depth < best.depth);
                let before = before.map(Tried::ios_per_s).fold(0.0, f64::max);
                if best.ios_per_s() * ENOUGH < before {
                    return None;
                }
                let gains = before > 0.0 && best.ios_per_s() > before * LARGE_GAIN;
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
        let most = self.most();
        let is_enough = |tried: &&Tried| tried.ios_per_s() >= most * ENOUGH;
        match self.keeping().filter(is_enough).min_by_key(|tried| tried.depth) {
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

    const LOOK: Duration = Duration::from_millis(50);

    /// A device: throughput grows up to a depth, and I/Os are late above another.
    fn answer(begin: u32, saturated_at: u32, late_above: u32) -> (u32, bool, u32) {
        let mut trials = Trials::new(1_000_000, 99.0, 256, begin, 1);
        for looks in 1..200 {
            let depth = trials.depth();
            let mut window = Bins::default();
            let ios = 100 * depth.min(saturated_at);
            let late = if depth > late_above { ios / 20 } else { 0 };
            (0..ios).for_each(|io| window.add(if io < late { 5_000_000 } else { 200_000 }));
            let after = LOOK * looks;
            if let Next::Take(depth, keeps) = trials.look(&window, LOOK.as_nanos() as u64, after) {
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
            assert!(LOOK * looks <= END, "from {begin}: {looks} looks");
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

    /// Depth 32 is the best, and in its first trial the storage stalls, or is slow.
    #[test]
    fn bad_luck_in_one_trial_does_not_decide() {
        for (late_per_cent, ios_per_cent) in [(1.1, 100), (0.0, 95)] {
            let mut trials = Trials::new(1_000_000, 99.0, 256, 32, 1);
            let mut looks = 0;
            let depth = loop {
                let mut window = Bins::default();
                let depth = trials.depth();
                let is_first = trials.tried.is_empty();
                let ios = 1000 * depth.min(32) * if is_first { ios_per_cent } else { 100 } / 100;
                let late_per_cent = match depth {
                    33.. => 5.0,
                    32 if is_first => late_per_cent,
                    _ => 0.0,
                };
                let late = (f64::from(ios) * late_per_cent / 100.0) as u32;
                (0..ios).for_each(|io| window.add(if io < late { 5_000_000 } else { 200_000 }));
                looks += 1;
                match trials.look(&window, LOOK.as_nanos() as u64, LOOK * looks) {
                    Next::Take(depth, keeps) => break keeps.then_some(depth),
                    _ => assert!(LOOK * looks <= END),
                }
            };
            assert_eq!(depth, Some(32), "{late_per_cent} % late, {ios_per_cent} % of the I/Os");
        }
    }
}
