//! Extremes, mean and deviation of a quantity.

/// What is known about values that were added one by one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moments {
    count: u64,
    min: u64,
    max: u64,
    sum: u64,
    /// 128 bits: squares of minutes in nanoseconds do not fit 64.
    sum_of_squares: u128,
}

impl Moments {
    /// Adds a value.
    #[inline]
    pub fn add(&mut self, value: u64) {
        if self.count == 0 || value < self.min {
            self.min = value;
        }
        self.max = self.max.max(value);
        self.count += 1;
        self.sum += value;
        self.sum_of_squares += u128::from(value) * u128::from(value);
    }

    /// Adds another's values.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.min = if self.count == 0 { other.min } else { self.min.min(other.min) };
        self.max = self.max.max(other.max);
        self.count += other.count;
        self.sum += other.sum;
        self.sum_of_squares += other.sum_of_squares;
    }

    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The smallest; 0 without values.
    #[must_use]
    pub fn min(&self) -> u64 {
        self.min
    }

    /// The largest; 0 without values.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The mean; 0 without values.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }

    /// The standard deviation of a sample; 0 for fewer than two values.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        if self.count < 2 {
            return 0.0;
        }
        // n·Σx² − (Σx)² in integers: in floats it would lose the digits that matter. It does not fit
        // 128 bits for the longest of runs; then floats have to do.
        let (n, sum) = (u128::from(self.count), u128::from(self.sum));
        let scaled = match (n.checked_mul(self.sum_of_squares), sum.checked_mul(sum)) {
            (Some(squares), Some(square)) => squares.saturating_sub(square) as f64,
            _ => n as f64 * self.sum_of_squares as f64 - sum as f64 * sum as f64,
        };
        let n = self.count as f64;
        (scaled.max(0.0) / (n * (n - 1.0))).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_definition() {
        let mut moments = Moments::default();
        assert_eq!((moments.mean(), moments.deviation(), moments.min()), (0.0, 0.0, 0));
        [2, 4, 4, 4, 5, 5, 7, 9].into_iter().for_each(|value| moments.add(value));
        assert_eq!((moments.count(), moments.min(), moments.max()), (8, 2, 9));
        assert_eq!(moments.mean(), 5.0);
        assert!((moments.deviation() - (32.0_f64 / 7.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn close_values_far_from_zero_keep_their_deviation() {
        let mut moments = Moments::default();
        for value in [10_000_000_000_u64, 10_000_000_002] {
            (0..1000).for_each(|_| moments.add(value));
        }
        assert!((moments.deviation() - 1.0).abs() < 1e-3, "{}", moments.deviation());
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let (mut whole, mut even, mut odd) = <(Moments, Moments, Moments)>::default();
        for value in 10..50 {
            whole.add(value);
            if value % 2 == 0 { even.add(value) } else { odd.add(value) }
        }
        let mut merged = Moments::default();
        merged.merge(&even);
        merged.merge(&Moments::default());
        merged.merge(&odd);
        assert_eq!((merged.min(), merged.max(), merged.count()), (10, 49, 40));
        assert_eq!(merged.deviation(), whole.deviation());
    }
}
