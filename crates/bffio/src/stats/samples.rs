//! Samples of bandwidth or IOPS, one for each half second or so.

/// Samples, as they are summed up.
///
/// Two workers' samples are not averaged but added: together they had the sum of their bandwidths. fio
/// does the same with counts and deviations, and so does this.
#[derive(Clone, Copy, Debug, Default)]
pub struct Samples {
    count: u64,
    min: u64,
    max: u64,
    mean: f64,
    /// Sum of squared distances from the mean.
    squares: f64,
}

impl Samples {
    /// Adds a sample.
    pub fn add(&mut self, value: u64) {
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = self.max.max(value);
        self.count += 1;
        let distance = value as f64 - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (value as f64 - self.mean);
    }

    /// Adds another worker's samples, taken at the same time.
    pub fn join(&mut self, other: &Self) {
        self.min += other.min;
        self.max += other.max;
        self.count += other.count;
        self.mean += other.mean;
        self.squares += other.squares;
    }

    /// How many samples there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The smallest; 0 without samples.
    #[must_use]
    pub fn min(&self) -> u64 {
        self.min
    }

    /// The largest; 0 without samples.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The mean; 0 without samples.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The standard deviation; 0 for fewer than two samples.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        if self.count < 2 { 0.0 } else { (self.squares / (self.count - 1) as f64).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_add_up() {
        let mut one = Samples::default();
        [100, 110, 120].into_iter().for_each(|value| one.add(value));
        assert_eq!((one.mean(), one.deviation()), (110.0, 10.0));
        let mut both = Samples::default();
        both.join(&one);
        both.join(&one);
        assert_eq!((both.min(), both.max(), both.count(), both.mean()), (200, 240, 6, 220.0));
        assert_eq!(Samples::default().deviation(), 0.0);
    }
}
