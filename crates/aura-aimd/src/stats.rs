//! Telling change from noise.

use crate::math::sqrt;

/// Share of operations that may be late: that is what a 99th percentile means.
pub(crate) const LATE_SHARE: f64 = 0.01;

/// How far `late` of `samples` exceeds one in a hundred, in standard deviations. `dispersion` is the
/// variance of such counts over their mean: 1 if operations are late independently of each other,
/// far more where a queue that has grown long stays long.
pub(crate) fn late_deviations(samples: u64, late: u64, dispersion: f64) -> f64 {
    let expected = samples as f64 * LATE_SHARE;
    // Half a count for continuity; a floor because a handful of samples proves nothing.
    (late as f64 - expected - 0.5) / sqrt(dispersion * expected.max(0.25))
}

/// Whether a single window is over the target beyond chance, tolerating about one false alarm in
/// two hundred: with independent lateness it trips at 2 of 20, 4 of 100, 11 of 500, 31 of 2000.
pub(crate) fn is_late(samples: u64, late: u64, dispersion: f64) -> bool {
    late >= 2 && late_deviations(samples, late, dispersion) > 2.3
}

/// Sequential test for a change of throughput (Page's cumulative sums, 1954), both ways, in units of
/// the usual noise: a large step shows in two windows, a small one in several.
#[derive(Clone, Debug)]
pub(crate) struct Monitor {
    /// Throughput considered usual, operations per second; 0 while unknown.
    pub(crate) reference: f64,
    /// Variance of counts of completions over their mean.
    pub(crate) dispersion: f64,
    windows: u32,
    previous: Option<(f64, f64)>,
    rise: Sum,
    fall: Sum,
}

/// Which way throughput went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Rise,
    Fall,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    value: f64,
    deviation: f64,
    windows: f64,
    previous: f64,
}

impl Sum {
    /// Adds a window; true when the evidence suffices for a change that matters.
    fn add(&mut self, z: f64, deviation: f64) -> bool {
        // Half a deviation of slack per window; no single window counts for more than five, and the
        // last two must agree.
        let agreed = z.min(self.previous) > 1.0;
        self.previous = z;
        self.value += z.min(5.0) - 0.5;
        if self.value <= 0.0 {
            *self = Self { previous: z, ..Self::default() };
            return false;
        }
        self.deviation += deviation;
        self.windows += 1.0;
        agreed && self.value > 8.0 && self.deviation / self.windows > SMALLEST_CHANGE
    }
}

/// Smaller steps of throughput are followed without a search.
const SMALLEST_CHANGE: f64 = 0.03;

impl Monitor {
    pub(crate) const fn new() -> Self {
        const NONE: Sum = Sum { value: 0.0, deviation: 0.0, windows: 0.0, previous: 0.0 };
        Self { reference: 0.0, dispersion: 1.0, windows: 0, previous: None, rise: NONE, fall: NONE }
    }

    /// Forgets the usual throughput, for instance because the limit changed; the noise is kept.
    pub(crate) fn restart(&mut self) {
        *self = Self { dispersion: self.dispersion, ..Self::new() };
    }

    /// Takes a window of `operations` at `rate` per second.
    pub(crate) fn observe(&mut self, operations: f64, rate: f64) -> Option<Change> {
        self.learn_noise(operations, rate);
        if self.windows == 0 {
            (self.reference, self.windows) = (rate, 1);
            return None;
        }
        let of_reference = self.dispersion / operations / f64::from(self.windows.min(16));
        // Half a percent of noise is taken for granted: no device is steadier than that.
        let error = sqrt(self.dispersion / operations + of_reference).max(0.005);
        let deviation = rate / self.reference - 1.0;
        if self.rise.add(deviation / error, deviation) {
            return Some(Change::Rise);
        }
        if self.fall.add(-deviation / error, -deviation) {
            return Some(Change::Fall);
        }
        // An average at first, then a slow follower; an outlier moves neither by much.
        self.windows += 1;
        let weight = 1.0 / f64::from(self.windows.min(64));
        self.reference *= 1.0 + weight * deviation.clamp(-4.0 * error, 4.0 * error);
        None
    }

    /// Successive differences measure noise without being fooled by a drift.
    fn learn_noise(&mut self, operations: f64, rate: f64) {
        if let Some((operations_before, rate_before)) = self.previous {
            let difference = 2.0 * (rate - rate_before) / (rate + rate_before);
            let expected = 1.0 / operations + 1.0 / operations_before;
            let dispersion = (difference * difference / expected).min(9.0 * self.dispersion);
            self.dispersion += (dispersion - self.dispersion) / 16.0;
            self.dispersion = self.dispersion.clamp(0.05, 100.0);
        }
        self.previous = Some((operations, rate));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn binomial_trip_points() {
        for (samples, trip) in [(20, 2), (50, 3), (100, 4), (200, 6), (500, 11), (2000, 31)] {
            assert!(is_late(samples, trip, 1.0), "{trip} of {samples}");
            assert!(!is_late(samples, trip * 2 / 3, 1.0), "{} of {samples}", trip * 2 / 3);
        }
        assert!(!is_late(500, 11, 10.0), "clumps need more evidence");
    }

    fn noise(rng: &mut Rng) -> f64 {
        // Sum of uniforms: close to normal, variance 1.
        (0..12).map(|_| (rng.next() >> 11) as f64 / (1u64 << 53) as f64).sum::<f64>() - 6.0
    }

    fn windows_until(factor: f64, rng: &mut Rng) -> Option<(u32, Change)> {
        let mut monitor = Monitor::new();
        for window in 0..400 {
            let mean = if window < 200 { 1e4 } else { 1e4 * factor };
            let operations = mean + sqrt(mean) * noise(rng);
            if let Some(change) = monitor.observe(operations, operations * 50.0) {
                return Some((window, change));
            }
        }
        None
    }

    #[test]
    fn steps_are_noticed_and_noise_is_not() {
        let mut rng = Rng::new(3);
        for _ in 0..100 {
            assert_eq!(windows_until(1.0, &mut rng), None);
            let (at, change) = windows_until(0.5, &mut rng).expect("halved");
            assert!((200..=201).contains(&at) && change == Change::Fall, "{at}");
            let (at, change) = windows_until(1.08, &mut rng).expect("8 % more");
            assert!((200..210).contains(&at) && change == Change::Rise, "{at}");
        }
    }
}
