//! Trials of a neighbouring limit: what was best once need not be best for ever.
//!
//! A trial measures the present limit (A) and a neighbour (B) alternately, A/B/A/B or B/A/B/A by a
//! coin, so that a drift of the device favours neither.

use crate::evidence::Evidence;
use crate::levels::sum_of_squares;
use crate::math::{log2, sqrt};
use crate::window::Window;

/// Windows of a trial, half of them per arm.
const WINDOWS: u32 = 4;
const PAIRS: usize = WINDOWS as usize / 2;

/// A trial in progress.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    pub(crate) home: u32,
    pub(crate) away: u32,
    /// Compares what is far apart, for a service that pauses: see [`wide`](Self::wide).
    pub(crate) is_wide: bool,
    /// Highest p99 of a window at the neighbour, in nanoseconds.
    pub(crate) away_p99_ns: u64,
    away_first: bool,
    done: u32,
    arms: [Arm; 2],
    /// Throughput of the first window of the present pair.
    first_rate: f64,
    /// How many times as much the neighbour gave in each pair.
    ratios: [f64; PAIRS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Arm {
    operations: f64,
    seconds: f64,
}

/// What a trial found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The present limit is right, or noise hides that it is not.
    Keep,
    /// The higher neighbour brings throughput, or the lower one is as good: search from here.
    Search,
}

impl Trial {
    pub(crate) fn new(home: u32, away: u32, away_first: bool) -> Self {
        Self {
            home,
            away,
            is_wide: false,
            away_p99_ns: 0,
            away_first,
            done: 0,
            arms: [Arm::default(); 2],
            first_rate: 0.0,
            ratios: [1.0; PAIRS],
        }
    }

    /// A trial for a service that pauses and may work through its pauses what is in flight. Windows of
    /// a search are too short to tell; of half a second each way, several trials are not. Its verdict is
    /// [`Verdict::Keep`]; what it adds to the evidence counts.
    pub(crate) fn wide(home: u32, away: u32, away_first: bool) -> Self {
        Self { is_wide: true, ..Self::new(home, away, away_first) }
    }

    /// The limit to measure next.
    pub(crate) fn limit(&self) -> u32 {
        if self.is_away() { self.away } else { self.home }
    }

    /// Whether the window being measured is at the neighbour.
    pub(crate) fn is_away(&self) -> bool {
        self.done.is_multiple_of(2) == self.away_first
    }

    /// Takes a window measured at [`limit`](Self::limit); the verdict when it was the last.
    pub(crate) fn record(&mut self, window: &Window, dispersion: f64) -> Option<Verdict> {
        let arm = &mut self.arms[usize::from(self.is_away())];
        arm.operations += window.operations as f64;
        arm.seconds += window.duration_ns as f64 / 1e9;
        if self.is_away() {
            self.away_p99_ns = self.away_p99_ns.max(window.latency.p99_ns);
        }
        let rate = window.operations_per_second();
        if self.done.is_multiple_of(2) {
            self.first_rate = rate;
        } else {
            let ratio = rate / self.first_rate;
            self.ratios[self.done as usize / 2] = if self.is_away() { ratio } else { 1.0 / ratio };
        }
        self.done += 1;
        (self.done == WINDOWS).then(|| self.verdict(dispersion))
    }

    /// Adds what a finished trial has shown.
    pub(crate) fn add_to(&self, evidence: &mut Evidence) {
        let doublings = log2(f64::from(self.away) / f64::from(self.home));
        self.ratios.iter().for_each(|&ratio| evidence.add(self.home, doublings, ratio));
    }

    /// Both arms as windows, to start a search from.
    pub(crate) fn arms(&self) -> [(u32, Window); 2] {
        [(self.home, self.arms[0]), (self.away, self.arms[1])].map(|(limit, arm)| {
            let window = Window {
                operations: arm.operations as u64,
                duration_ns: (arm.seconds * 1e9) as u64,
                ..Window::default()
            };
            (limit, window)
        })
    }

    fn verdict(&self, dispersion: f64) -> Verdict {
        let [home, away] = self.arms;
        let rate = |arm: Arm| arm.operations / arm.seconds;
        let error = |arm: Arm| sqrt(dispersion / arm.operations.max(1.0));
        let error = sqrt(sum_of_squares(error(home), error(away)));
        let relative = rate(away) / rate(home);
        if self.is_wide {
            return Verdict::Keep;
        }
        if self.away > self.home {
            // One percent for an eighth more in flight is what makes a doubling worth its while.
            if relative - 1.0 > (2.5 * error).max(0.01) {
                return Verdict::Search;
            }
        } else if error < 0.02 && relative > 0.996 {
            // A mistake here costs a short search that comes back to where it started.
            return Verdict::Search;
        }
        Verdict::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(away: u32, gain: f64) -> Verdict {
        let mut trial = Trial::new(32, away, true);
        loop {
            let factor = if trial.limit() == away { 1.0 + gain } else { 1.0 };
            let operations = (1e5 * factor) as u64;
            let window = Window { operations, duration_ns: 1_000_000_000, ..Window::default() };
            if let Some(verdict) = trial.record(&window, 1.0) {
                return verdict;
            }
        }
    }

    #[test]
    fn verdicts_follow_the_gain() {
        assert_eq!(trial(36, 0.1), Verdict::Search);
        assert_eq!(trial(36, 0.0), Verdict::Keep);
        assert_eq!(trial(28, -0.1), Verdict::Keep);
        assert_eq!(trial(28, 0.0), Verdict::Search);
    }
}
