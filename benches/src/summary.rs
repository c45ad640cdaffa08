//! Medians and spreads of repeated measurements.

/// The median; the mean of the two in the middle for an even number. `NaN` for none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// Half the distance between the quartiles as a share of the median: what a repetition is likely to
/// differ by. Robust against one disturbed round, unlike the standard deviation.
#[must_use]
pub fn spread(values: &[f64]) -> f64 {
    (quantile(values, 0.75) - quantile(values, 0.25)) / 2.0 / median(values)
}

/// Linear between the two nearest values.
fn quantile(values: &[f64], at: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let position = at * last as f64;
    let below = sorted[position.floor() as usize];
    let above = sorted[position.ceil() as usize];
    below + (above - below) * position.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_ignores_an_outlier() {
        assert_eq!(median(&[3.0, 1.0, 2.0, 1e9, 0.0]), 2.0);
        assert_eq!(median(&[1.0, 2.0]), 1.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_spread_is_relative() {
        assert_eq!(spread(&[10.0, 10.0, 10.0]), 0.0);
        assert_eq!(spread(&[9.0, 10.0, 11.0]), 0.05);
        assert_eq!(spread(&[90.0, 100.0, 110.0]), 0.05);
    }
}
