//! The bins in which fio counts latencies: exact below 128 ns, then 64 to each power of two.
//!
//! Layout and order are fio's, so that the `bins` of json+ and the percentiles can be compared with its
//! own: [`BIN_COUNT`] bins in 29 groups, the last of which also takes everything above.

/// Bits of precision: 64 bins to a power of two, an error of less than 0.8 %.
const PRECISION_BITS: u32 = 6;
/// Bins in a group.
const GROUP_BINS: usize = 1 << PRECISION_BITS;
/// Number of bins.
pub const BIN_COUNT: usize = 29 * GROUP_BINS;

/// Counts of latencies.
#[derive(Clone, Debug)]
pub struct Bins {
    counts: Box<[u64; BIN_COUNT]>,
}

impl Default for Bins {
    fn default() -> Self {
        Self { counts: Box::new([0; BIN_COUNT]) }
    }
}

/// The bin that a value belongs to.
#[inline]
#[must_use]
pub fn index(value: u64) -> usize {
    let msb = (value | 1).ilog2();
    if msb <= PRECISION_BITS {
        return value as usize;
    }
    let dropped_bits = msb - PRECISION_BITS;
    let group = dropped_bits as usize + 1;
    let within = (value >> dropped_bits) as usize & (GROUP_BINS - 1);
    (group * GROUP_BINS + within).min(BIN_COUNT - 1)
}

/// The value that stands for a bin: its middle.
#[must_use]
pub fn value(index: usize) -> u64 {
    if index < 2 * GROUP_BINS {
        return index as u64;
    }
    let dropped_bits = index / GROUP_BINS - 1;
    let within = (index % GROUP_BINS) as u64;
    ((GROUP_BINS as u64 + within) << dropped_bits) + (1 << dropped_bits) / 2
}

impl Bins {
    /// Counts a value.
    #[inline]
    pub fn add(&mut self, value: u64) {
        self.counts[index(value)] += 1;
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts.iter()) {
            *count += more;
        }
    }

    /// What was counted since `before`, a copy made then.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut difference = self.clone();
        for (count, less) in difference.counts.iter_mut().zip(before.counts.iter()) {
            *count -= less;
        }
        difference
    }

    /// The counts, by bin.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts[..]
    }

    /// Bins that hold something, by the value that stands for them.
    pub fn occupied(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let occupied = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        occupied.map(|(index, count)| (value(index), *count))
    }

    /// How many values there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// For each percentage (ascending) the value that so many percent do not exceed. Empty without values.
    #[must_use]
    pub fn percentiles(&self, percents: &[f64]) -> Vec<u64> {
        let total = self.total();
        let mut values = Vec::with_capacity(percents.len());
        if total == 0 {
            return values;
        }
        let mut wanted = percents.iter().map(|percent| percent / 100.0 * total as f64).peekable();
        let (mut seen, mut last) = (0, 0);
        for (value, count) in self.occupied() {
            (seen, last) = (seen + count, value);
            while wanted.next_if(|wanted| seen as f64 >= *wanted).is_some() {
                values.push(value);
            }
        }
        // A percentage of 100 may be missed by a rounding.
        values.resize(percents.len(), last);
        values
    }

    /// One percentile; 0 without values.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> u64 {
        self.percentiles(&[percent]).first().copied().unwrap_or(0)
    }

    /// How many values lie in bins above that of `value`.
    #[must_use]
    pub fn above(&self, value: u64) -> u64 {
        self.counts[(index(value) + 1).min(BIN_COUNT)..].iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bin_stands_for_the_values_it_counts() {
        for bin in 0..BIN_COUNT {
            assert_eq!(index(value(bin)), bin);
        }
        for exponent in 7..34 {
            for value_ns in [1_u64 << exponent, (1 << exponent) + 77, (2 << exponent) - 1] {
                let error = value(index(value_ns)).abs_diff(value_ns);
                assert!(error * 128 <= value_ns, "{value_ns}: off by {error}");
            }
        }
        assert_eq!(index(u64::MAX), BIN_COUNT - 1);
    }

    #[test]
    fn bins_are_those_of_fio() {
        // From fio's json+: the middles of bins that it printed.
        for known in [110, 141, 251, 270, 19840, 32384, 59136, 67072, 130560, 1368064, 9240576] {
            let bin = index(known);
            assert_eq!(value(bin), known, "bin {bin}");
        }
    }

    #[test]
    fn percentiles_of_even_values_are_their_shares() {
        let mut bins = Bins::default();
        (1..=100).for_each(|value| bins.add(value));
        assert_eq!(bins.percentiles(&[1.0, 50.0, 99.0, 100.0]), [1, 50, 99, 100]);
        assert_eq!((bins.above(99), bins.above(100)), (1, 0));
        assert!(Bins::default().percentiles(&[50.0]).is_empty());
    }

    #[test]
    fn a_difference_holds_what_came_after() {
        let mut bins = Bins::default();
        bins.add(5);
        let before = bins.clone();
        bins.add(700);
        let after = bins.since(&before);
        assert_eq!(after.occupied().collect::<Vec<_>>(), [(value(index(700)), 1)]);
        let mut both = before;
        both.merge(&after);
        assert_eq!(both.counts(), bins.counts());
    }
}
