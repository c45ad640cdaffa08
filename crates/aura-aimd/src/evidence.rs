//! What trials of limits that lie far apart have shown together.
//!
//! Where a service pauses, its throughput wanders by several percent from one quarter of a second to the
//! next, and one trial proves nothing. So comparisons are pooled as long as they start from the same limit,
//! until they agree.

use crate::math::{ln, sqrt};

/// What a doubling of the limit has to gain, as a logarithm: more is worth its latency.
const WORTH: f64 = 0.025;
/// How far two windows of a quarter of a second differ by chance, to begin with,
const NOISE: f64 = 0.03;
/// and how many comparisons that is worth.
const NOISE_WEIGHT: f64 = 4.0;
/// Comparisons after which the older ones count half: services change.
const COMPARISONS_MAX: f64 = 16.0;
/// Comparisons after which chance may decide, where that does no harm.
const COMPARISONS_ENOUGH: f64 = 6.0;

/// Comparisons of a limit with a higher one, or with a lower one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Evidence {
    home: u32,
    comparisons: f64,
    /// Sums of squared doublings between the limits, of doublings times logarithms of what was gained, and
    /// of the squares of those.
    doublings_squared: f64,
    product: f64,
    gains_squared: f64,
}

/// What follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The higher limit is worth it.
    Higher,
    /// It is not.
    Lower,
    Unclear,
}

impl Evidence {
    /// Adds a comparison of `home` with a limit so many doublings higher (negative: lower), at which
    /// throughput was `ratio` times as high.
    pub(crate) fn add(&mut self, home: u32, doublings: f64, ratio: f64) {
        if home != self.home {
            *self = Self { home, ..Self::default() };
        }
        if self.comparisons >= COMPARISONS_MAX {
            self.comparisons /= 2.0;
            self.doublings_squared /= 2.0;
            self.product /= 2.0;
            self.gains_squared /= 2.0;
        }
        let gain = ln(ratio);
        self.comparisons += 1.0;
        self.doublings_squared += doublings * doublings;
        self.product += doublings * gain;
        self.gains_squared += gain * gain;
    }

    /// Which limit is right, if it is by so many standard deviations; with `hurry` whichever is more
    /// likely after enough comparisons.
    pub(crate) fn finding(&self, deviations: f64, hurry: bool) -> Finding {
        if self.comparisons < 2.0 {
            return Finding::Unclear;
        }
        let gain = self.product / self.doublings_squared;
        let residual = (self.gains_squared - gain * self.product).max(0.0);
        let noise_squared =
            (NOISE_WEIGHT * NOISE * NOISE + residual) / (NOISE_WEIGHT + self.comparisons);
        let error = sqrt(noise_squared / self.doublings_squared);
        let enough = hurry && self.comparisons >= COMPARISONS_ENOUGH;
        let doubt = if enough { 0.0 } else { deviations * error };
        if gain - doubt > WORTH {
            Finding::Higher
        } else if gain + doubt <= WORTH {
            Finding::Lower
        } else {
            Finding::Unclear
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(comparisons: &[f64], doublings: f64) -> Finding {
        let mut evidence = Evidence::default();
        comparisons.iter().for_each(|&ratio| evidence.add(64, doublings, ratio));
        evidence.finding(2.0, false)
    }

    #[test]
    fn a_plain_gain_is_seen_at_once_and_a_small_one_in_several_trials() {
        assert_eq!(after(&[1.12, 1.10], 1.0), Finding::Higher);
        assert_eq!(after(&[1.06, 1.03], 1.0), Finding::Unclear);
        assert_eq!(after(&[1.06, 1.03].repeat(8), 1.0), Finding::Higher);
        assert_eq!(after(&[0.95, 0.96], 1.0), Finding::Lower);
    }

    #[test]
    fn a_lower_limit_without_a_loss_is_better() {
        assert_eq!(after(&[1.0, 1.01].repeat(8), -1.0), Finding::Lower);
        assert_eq!(after(&[0.94, 0.93].repeat(2), -1.0), Finding::Higher);
    }

    #[test]
    fn noise_proves_nothing_and_time_tells() {
        let wild = [1.1, 0.9, 1.12, 0.91, 1.08, 0.93];
        assert_eq!(after(&wild, 1.0), Finding::Unclear);
        let mut evidence = Evidence::default();
        wild.iter().for_each(|&ratio| evidence.add(64, 1.0, ratio));
        assert_ne!(evidence.finding(2.0, true), Finding::Unclear);
        evidence.add(128, 1.0, 1.1);
        assert_eq!(evidence.finding(2.0, true), Finding::Unclear, "of another limit");
    }
}
