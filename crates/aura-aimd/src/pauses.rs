//! Pauses of the service that make operations late: how many, in how many seconds. They come at any limit;
//! what the limit sets is how many operations each of them makes late.

use crate::math::sqrt;
use crate::stats::LATE_SHARE;
use crate::window::Window;

/// What is known of pauses is halved when it is older than this many seconds,
const MEMORY_SECONDS: f64 = 4.0;
/// and counts for nothing while it is less than this many pauses.
const KNOWN: f64 = 8.0;
/// Where fewer operations than this complete in a second, one of them is too large a share.
const PER_SECOND_MIN: f64 = 1_000.0;
/// A bad second has so many standard deviations more pauses than usual: one second in a hundred would at
/// 2.3, if seconds were alike; but pauses come in spells.
const BAD_SECOND: f64 = 2.6;
/// Until seconds have shown how alike they are, pauses are taken to be independent, which is worth as much
/// as so many seconds;
const ALIKE_WEIGHT: f64 = 4.0;
/// and what they show is never taken for less than this, nor more: clocks that tick and spells that pass.
const DISPERSION: (f64, f64) = (0.3, 4.0);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Pauses {
    count: f64,
    seconds: f64,
    operations: f64,
    second: Second,
    /// Pauses of the second before.
    before: Option<f64>,
    /// Variance of pauses per second over their mean, and how many seconds that rests on.
    dispersion: f64,
    weight: f64,
}

/// The present second: its pauses, and its length so far.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    count: f64,
    seconds: f64,
}

impl Pauses {
    pub(crate) const fn new() -> Self {
        Self {
            count: 0.0,
            seconds: 0.0,
            operations: 0.0,
            second: Second { count: 0.0, seconds: 0.0 },
            before: None,
            dispersion: 1.0,
            weight: ALIKE_WEIGHT,
        }
    }

    /// Takes a window as it was `told` and `without` its pauses.
    pub(crate) fn note(&mut self, told: &Window, without: &Window) {
        let late = told.latency.over_target.saturating_sub(without.latency.over_target);
        let count = late as f64 / told.in_flight_avg.max(1.0);
        let seconds = told.duration_ns as f64 / 1e9;
        self.count += count;
        self.seconds += seconds;
        self.operations += told.operations as f64;
        if self.seconds > MEMORY_SECONDS {
            self.count /= 2.0;
            self.seconds /= 2.0;
            self.operations /= 2.0;
        }
        self.second.count += count;
        self.second.seconds += seconds;
        if self.second.seconds >= 1.0 {
            let second = core::mem::take(&mut self.second);
            self.compare(second.count / second.seconds);
        }
    }

    /// Successive differences tell how alike seconds are: spells that last for many are followed, and not
    /// expected.
    fn compare(&mut self, count: f64) {
        let usual = self.count / self.seconds;
        if let Some(before) = self.before.replace(count)
            && usual >= 1.0
        {
            let variance = (count - before) * (count - before) / 2.0;
            let dispersion = (variance / usual).min(9.0 * self.dispersion);
            self.weight = (self.weight + 1.0).min(4.0 * ALIKE_WEIGHT);
            self.dispersion += (dispersion - self.dispersion) / self.weight;
        }
    }

    /// The limit at which a second with a bad lot of pauses has one percent late; no limit while too
    /// little is known. Each pause makes late what is in flight.
    pub(crate) fn ceiling(&self) -> u32 {
        let per_second = self.operations / self.seconds;
        if self.count < KNOWN || per_second < PER_SECOND_MIN {
            return u32::MAX;
        }
        let usual = self.count / self.seconds;
        let dispersion = self.dispersion.clamp(DISPERSION.0, DISPERSION.1);
        let in_a_bad_second = usual + BAD_SECOND * sqrt(dispersion * usual);
        (LATE_SHARE * per_second / in_a_bad_second) as u32
    }

    /// Share of operations that pauses make late at a limit.
    pub(crate) fn share(&self, limit: u32) -> f64 {
        if self.count < KNOWN {
            0.0
        } else {
            self.count * f64::from(limit) / self.operations.max(1.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Latency;

    /// A second of 100 000 operations, 20 in flight, with so many pauses.
    fn second(pauses: &mut Pauses, count: u64) {
        let latency = Latency { over_target: 20 * count, ..Latency::default() };
        let told = Window {
            duration_ns: 1_000_000_000,
            operations: 100_000,
            in_flight_avg: 20.0,
            latency,
            ..Window::default()
        };
        pauses.note(&told, &Window { latency: Latency::default(), ..told });
    }

    fn ceiling(counts: &[u64]) -> u32 {
        let mut pauses = Pauses::new();
        counts.iter().for_each(|&count| second(&mut pauses, count));
        pauses.ceiling()
    }

    #[test]
    fn seconds_that_are_alike_need_less_distance() {
        let independent = ceiling(&[20]);
        assert_eq!(independent, 31, "1 000 late ones allowed, 20 + 2.6·√20 pauses");
        let alike = ceiling(&[20; 20]);
        assert!((37..50).contains(&alike), "{alike}");
        let unlike = ceiling(&[5, 35].repeat(10));
        assert!(unlike < 27, "{unlike}");
    }

    #[test]
    fn a_few_pauses_are_no_limit() {
        assert_eq!(ceiling(&[3, 3]), u32::MAX);
        assert_eq!(Pauses::new().share(1000), 0.0);
    }
}
