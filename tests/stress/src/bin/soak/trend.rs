//! Whether a gauge grows: a line through the samples of the last half of the run.

use serde::Serialize;

use crate::gauges::{GAUGES, Gauge, Sample};

/// How a gauge went.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Trend {
    pub(crate) gauge: &'static str,
    pub(crate) first: u64,
    /// When half of the run was over.
    pub(crate) middle: u64,
    pub(crate) last: u64,
    pub(crate) highest: u64,
    /// By how much the line rises over the last half.
    pub(crate) growth: f64,
    /// The growth that is still called flat.
    pub(crate) allowed: u64,
    pub(crate) is_flat: bool,
}

/// Samples of the last half below which nothing can be said.
const SAMPLES_MIN: usize = 4;

/// The trends of all gauges; none if the run was too short to tell.
pub(crate) fn trends(samples: &[Sample]) -> Vec<Trend> {
    let half = &samples[samples.len() / 2..];
    if half.len() < SAMPLES_MIN {
        return Vec::new();
    }
    GAUGES.iter().enumerate().map(|(at, gauge)| trend(*gauge, at, samples, half)).collect()
}

fn trend(gauge: Gauge, at: usize, samples: &[Sample], half: &[Sample]) -> Trend {
    let values = |samples: &[Sample]| -> Vec<u64> {
        samples.iter().map(|sample| sample.values[at]).collect()
    };
    let (all, late) = (values(samples), values(half));
    let middle = late[0];
    let growth = growth(&late);
    let allowed = gauge.slack + middle * gauge.slack_percent / 100;
    Trend {
        gauge: gauge.name,
        first: all[0],
        middle,
        last: late[late.len() - 1],
        highest: all.iter().copied().max().unwrap_or_default(),
        growth,
        allowed,
        is_flat: growth <= allowed as f64,
    }
}

/// The rise of the least-squares line from the first value to the last. A gauge that rests is exactly 0.
fn growth(values: &[u64]) -> f64 {
    let count = values.len() as f64;
    let mean_x = (count - 1.0) / 2.0;
    let mean_y = values.iter().map(|&y| y as f64).sum::<f64>() / count;
    let (mut covariance, mut variance) = (0.0, 0.0);
    for (x, &y) in values.iter().enumerate() {
        let dx = x as f64 - mean_x;
        covariance += dx * (y as f64 - mean_y);
        variance += dx * dx;
    }
    covariance / variance * (count - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(value: impl Fn(u64) -> u64) -> Vec<Sample> {
        let sample = |n| Sample { values: [value(n); GAUGES.len()] };
        (0..40).map(sample).collect()
    }

    fn flat(value: impl Fn(u64) -> u64) -> Vec<bool> {
        trends(&samples(value)).iter().map(|trend| trend.is_flat).collect()
    }

    #[test]
    fn what_rests_is_flat_and_what_grows_at_first_too() {
        assert_eq!(flat(|_| 7), [true; GAUGES.len()]);
        assert_eq!(flat(|n| n.min(15) * 1_000_000), [true; GAUGES.len()]);
        assert_eq!(flat(|n| 100_000 - n), [true; GAUGES.len()], "falling is fine");
    }

    #[test]
    fn one_descriptor_a_shift_is_growth() {
        let grows = flat(|n| 20 + n);
        assert!(!grows[2] && !grows[3] && !grows[5] && !grows[6], "{grows:?}");
        assert!(grows[0], "20 KiB are within what the allocator may do");
    }

    #[test]
    fn memory_that_grows_steadily_is_growth() {
        assert!(!flat(|n| 50_000 + n * 1024)[0]);
        assert!(flat(|n| 50_000 + n % 2 * 3000)[0], "up and down is none");
    }

    #[test]
    fn a_short_run_tells_nothing() {
        assert!(trends(&samples(|_| 7)[..6]).is_empty());
    }
}
