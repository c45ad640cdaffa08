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

/// Fewer values say nothing about a median with 95 % confidence.
pub const LEAST_FOR_INTERVAL: usize = 6;

/// Where the median of what the values were drawn from lies with 95 % confidence, whatever their
/// distribution: between two of the values themselves. For fewer than [`LEAST_FOR_INTERVAL`], their range.
#[must_use]
pub fn median_interval(values: &[f64]) -> (f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len();
    // Each value is below the median with a probability of one half: `cut` of them at most, on either
    // side, with less than 2.5 %.
    let (mut cut, mut ways, mut below) = (0, 1.0, 0.0);
    loop {
        below += ways * 0.5_f64.powi(count as i32);
        if below > 0.025 || cut >= count / 2 {
            break;
        }
        cut += 1;
        ways *= (count + 1 - cut) as f64 / cut as f64;
    }
    let first = cut.saturating_sub(1);
    match (sorted.get(first), sorted.iter().rev().nth(first)) {
        (Some(low), Some(high)) => (*low, *high),
        _ => (f64::NAN, f64::NAN),
    }
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

    #[test]
    fn the_interval_of_a_median_narrows_with_more_values() {
        let values = |count: u32| (1..=count).map(f64::from).collect::<Vec<_>>();
        // As tables of the sign test have it.
        assert_eq!(median_interval(&values(5)), (1.0, 5.0));
        assert_eq!(median_interval(&values(6)), (1.0, 6.0));
        assert_eq!(median_interval(&values(9)), (2.0, 8.0));
        assert_eq!(median_interval(&values(15)), (4.0, 12.0));
        assert_eq!(median_interval(&values(25)), (8.0, 18.0));
        assert!(median_interval(&[]).0.is_nan());
    }
}
