//! When a job has run long enough: its rate has become steady.

use std::fmt;
use std::time::Duration;

/// `steadystate=` with a `steadystate_duration=`.
#[derive(Clone, Debug, PartialEq)]
pub struct SteadyState {
    /// What has to be steady.
    pub rate: SteadyRate,
    /// Whether a straight line through the rates has to be level; otherwise no rate may be far from the mean.
    pub slope: bool,
    /// How much is steady still: a rate, or with `percent` a share of the mean.
    pub limit: f64,
    /// Whether the limit is in percent of the mean.
    pub percent: bool,
    /// `steadystate_duration=`: for how long, in whole seconds.
    pub seconds: u32,
    /// `steadystate_ramp_time=`: what is left out at the beginning.
    pub ramp: Duration,
}

/// What has to be steady.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SteadyRate {
    /// I/Os per second.
    Ios,
    /// Bytes per second.
    Bytes,
}

impl SteadyRate {
    /// fio's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ios => "iops",
            Self::Bytes => "bw",
        }
    }
}

impl SteadyState {
    /// The criterion's value for these rates, and whether it is within the limit.
    #[must_use]
    pub fn judge(&self, rates: &[f64]) -> (f64, bool) {
        let mean = mean(rates);
        let strayed = if self.slope { slope(rates).abs() } else { deviation_max(rates) };
        let value =
            if self.percent { 100.0 * strayed / mean.max(f64::MIN_POSITIVE) } else { strayed };
        (value, mean > 0.0 && value < self.limit)
    }
}

/// As fio writes it: `iops_slope:0.300000%`.
impl fmt::Display for SteadyState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slope = if self.slope { "_slope" } else { "" };
        let percent = if self.percent { "%" } else { "" };
        write!(formatter, "{}{slope}:{:.6}{percent}", self.rate.name(), self.limit)
    }
}

/// The mean of some rates; 0 without any.
#[must_use]
pub fn mean(rates: &[f64]) -> f64 {
    rates.iter().sum::<f64>() / rates.len().max(1) as f64
}

/// How far the farthest of some rates is from their mean.
#[must_use]
pub fn deviation_max(rates: &[f64]) -> f64 {
    let mean = mean(rates);
    rates.iter().map(|rate| (rate - mean).abs()).fold(0.0, f64::max)
}

/// The slope of the straight line through some rates (least squares), per step.
#[must_use]
pub fn slope(rates: &[f64]) -> f64 {
    let middle = (rates.len() as f64 - 1.0) / 2.0;
    let steps = (0..rates.len()).map(|step| step as f64 - middle);
    let squares: f64 = steps.clone().map(|step| step * step).sum();
    let products: f64 = steps.zip(rates).map(|(step, rate)| step * rate).sum();
    if squares > 0.0 { products / squares } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn criterion(slope: bool, limit: f64, percent: bool) -> SteadyState {
        SteadyState {
            rate: SteadyRate::Ios,
            slope,
            limit,
            percent,
            seconds: 3,
            ramp: Duration::ZERO,
        }
    }

    #[test]
    fn deviations_and_slopes_are_judged_by_rate_or_percent() {
        // These rates and what came of them are from a report of fio's.
        let rates = [31_507.0, 23_390.0, 24_406.0];
        let (value, is_steady) = criterion(false, 50.0, true).judge(&rates);
        assert!((value - 19.189_690).abs() < 0.005 && is_steady, "{value}");
        assert!(!criterion(false, 5072.0, false).judge(&rates).1);
        let rising = [100.0, 110.0, 120.0, 130.0];
        assert_eq!(criterion(true, 10.5, false).judge(&rising), (10.0, true));
        let (percent, is_steady) = criterion(true, 5.0, true).judge(&rising);
        assert!((percent - 1000.0 / 115.0).abs() < 1e-9 && !is_steady, "{percent}");
        assert!(!criterion(true, 5.0, true).judge(&[0.0; 3]).1, "nothing at all is not steady");
    }

    #[test]
    fn a_criterion_is_written_as_fio_writes_it() {
        assert_eq!(criterion(true, 0.3, true).to_string(), "iops_slope:0.300000%");
        assert_eq!(criterion(false, 10.0, false).to_string(), "iops:10.000000");
    }
}
