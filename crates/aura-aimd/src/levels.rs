//! What one search has learnt: the throughput of each limit it tried.

use crate::math::sqrt;
use crate::window::Window;

/// More levels than a search from 1 to 2^24 with bisection ever needs.
const CAPACITY: usize = 40;

/// A level with less than this share of another's throughput,
const WASTE_RATE: f64 = 0.75;
/// measured for longer than this in seconds, has cost enough.
const WASTE_S: f64 = 0.09;

/// One limit and what was seen at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    pub(crate) limit: u32,
    pub(crate) operations: f64,
    pub(crate) seconds: f64,
    pub(crate) windows: u32,
    /// Too many operations were late here. Such a level bounds the search from above.
    pub(crate) late: bool,
    /// 99th percentile of the last window, in nanoseconds.
    pub(crate) p99_ns: u64,
}

impl Level {
    /// Operations per second.
    pub(crate) fn rate(&self) -> f64 {
        self.operations / self.seconds
    }

    /// How far a window is off what the level led to expect: squared, and in units of what Poisson
    /// counts would be off. Its mean is the dispersion.
    fn surprise(&self, window: &Window) -> Option<f64> {
        if self.operations < 1.0 || window.operations == 0 {
            return None;
        }
        let difference = window.operations_per_second() / self.rate() - 1.0;
        let expected = 1.0 / self.operations + 1.0 / window.operations as f64;
        Some(difference * difference / expected)
    }
}

/// The levels of one search, ascending by limit.
#[derive(Clone, Debug)]
pub(crate) struct Levels {
    levels: [Level; CAPACITY],
    len: usize,
    /// Variance of a count of completions over its mean; 1 for a memoryless service.
    pub(crate) dispersion: f64,
    /// How many comparisons that figure rests on.
    dispersion_weight: f64,
}

impl Levels {
    pub(crate) const fn new() -> Self {
        let empty =
            Level { limit: 0, operations: 0.0, seconds: 0.0, windows: 0, late: false, p99_ns: 0 };
        Self { levels: [empty; CAPACITY], len: 0, dispersion: 1.0, dispersion_weight: 2.0 }
    }

    /// Empties the table for a new search that starts with this idea of noise, which is worth as
    /// much as `weight` comparisons of windows.
    pub(crate) fn restart(&mut self, dispersion: f64, weight: f64) {
        (self.len, self.dispersion, self.dispersion_weight) = (0, dispersion, weight);
    }

    /// The level at a limit, if there is one.
    pub(crate) fn at(&self, limit: u32) -> Option<&Level> {
        self.all().iter().find(|l| l.limit == limit)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len == CAPACITY
    }

    /// All levels, ascending by limit.
    pub(crate) fn all(&self) -> &[Level] {
        &self.levels[..self.len]
    }

    /// Adds a window measured at `limit`.
    pub(crate) fn record(&mut self, limit: u32, window: &Window, late: bool) {
        let position = self.all().partition_point(|l| l.limit < limit);
        let known = position < self.len && self.levels[position].limit == limit;
        if !known {
            if self.is_full() {
                return;
            }
            self.levels.copy_within(position..self.len, position + 1);
            self.len += 1;
            self.levels[position] =
                Level { limit, operations: 0.0, seconds: 0.0, windows: 0, late: false, p99_ns: 0 };
        }
        let below = position.checked_sub(1).map(|p| self.levels[p].rate());
        let level = &mut self.levels[position];
        // Fewer completions than with less in flight is not a curve but an accident, in the earlier
        // windows of this level: start it afresh.
        if known && below.is_some_and(|rate| level.rate() < 0.95 * rate) {
            (level.operations, level.seconds) = (0.0, 0.0);
        }
        let noise = level.surprise(window);
        level.operations += window.operations as f64;
        level.seconds += window.duration_ns as f64 / 1e9;
        level.windows += 1;
        level.late |= late;
        level.p99_ns = window.latency.p99_ns;
        if let Some(noise) = noise {
            let noise = noise.min(9.0 * self.dispersion);
            self.dispersion_weight += 1.0;
            self.dispersion += (noise - self.dispersion) / self.dispersion_weight;
            self.dispersion = self.dispersion.max(0.02);
        }
    }

    /// Levels that do not miss the target, and lie below all that do.
    pub(crate) fn usable(&self) -> &[Level] {
        let end = self.all().iter().position(|l| l.late).unwrap_or(self.len);
        &self.levels[..end]
    }

    /// The lowest level that misses the target.
    pub(crate) fn lowest_late(&self) -> Option<&Level> {
        self.all().iter().find(|l| l.late)
    }

    /// Relative standard error of a level's throughput.
    pub(crate) fn error(&self, level: &Level) -> f64 {
        sqrt(self.dispersion / level.operations.max(1.0))
    }

    /// Whether a level costs too much to be looked at again: so much slower than another one, for so long.
    pub(crate) fn is_waste(&self, level: &Level) -> bool {
        let worth = |other: &Level| other.rate() * WASTE_RATE > level.rate();
        level.seconds > WASTE_S && self.usable().iter().any(worth)
    }

    /// The throughput of the fastest usable levels: the pool of all that noise cannot tell from the
    /// fastest, so that one lucky window does not set the bar.
    pub(crate) fn best_rate(&self) -> f64 {
        let fastest = self.usable().iter().max_by(|a, b| a.rate().total_cmp(&b.rate()));
        let Some(fastest) = fastest else { return 0.0 };
        let (mut operations, mut seconds) = (0.0, 0.0);
        for level in self.usable() {
            let error = sqrt(sum_of_squares(self.error(level), self.error(fastest)));
            // Noise may hide 3 % at most; a level further off is slower, however little is known.
            if level.rate() >= fastest.rate() * (1.0 - (2.0 * error).min(0.03)) {
                operations += level.operations;
                seconds += level.seconds;
            }
        }
        operations / seconds
    }
}

pub(crate) fn sum_of_squares(a: f64, b: f64) -> f64 {
    a * a + b * b
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(operations: u64) -> Window {
        Window { duration_ns: 1_000_000_000, operations, ..Window::default() }
    }

    #[test]
    fn levels_stay_sorted_and_accumulate() {
        let mut levels = Levels::new();
        for limit in [8, 2, 32, 8] {
            levels.record(limit, &window(u64::from(limit) * 100), limit == 32);
        }
        assert!(levels.all().iter().map(|l| l.limit).eq([2, 8, 32]));
        assert!(levels.usable().iter().map(|l| l.limit).eq([2, 8]));
        assert_eq!(levels.all()[1].windows, 2);
        assert_eq!(levels.all()[1].rate(), 800.0);
    }

    #[test]
    fn best_is_a_pool_and_not_the_luckiest() {
        let mut levels = Levels::new();
        for (limit, operations) in [(16, 5_000), (32, 9_900), (64, 10_100)] {
            levels.record(limit, &window(operations), false);
        }
        assert_eq!(levels.best_rate(), 10_000.0);
    }

    #[test]
    fn a_slow_level_is_waste_once_it_has_taken_long() {
        let mut levels = Levels::new();
        let mut is_waste = |limit, operations, duration_ns| {
            levels.record(limit, &Window { operations, duration_ns, ..Window::default() }, false);
            levels.at(limit).is_some_and(|level| levels.is_waste(level))
        };
        assert!(!is_waste(128, 2_000, 100_000_000));
        assert!(!is_waste(192, 1_800, 100_000_000));
        assert!(!is_waste(224, 550, 50_000_000));
        assert!(is_waste(256, 1_100, 100_000_000));
    }

    #[test]
    fn a_full_table_ignores_more() {
        let mut levels = Levels::new();
        for limit in 1..100 {
            levels.record(limit, &window(1), false);
        }
        assert!(levels.is_full());
    }
}
