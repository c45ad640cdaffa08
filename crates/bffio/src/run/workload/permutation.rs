//! Every block once, in a random order, without a map of what was visited.

use crate::layout::RandomBytes;

/// A random order of the numbers below a count.
///
/// Bijections of the numbers of k bits (multiplying by an odd number, adding, xor with a shift) are
/// chained; what falls outside the count is sent through again, which cannot lead into a cycle that
/// does not come back inside. That is the idea of format-preserving ciphers (Black, Rogaway 2002).
#[derive(Clone, Debug)]
pub(super) struct Permutation {
    count: u64,
    mask: u64,
    shift: u32,
    rounds: [(u64, u64); 3],
}

impl Permutation {
    /// An order of the numbers below `count`, which is at least 1.
    pub(super) fn new(count: u64, random: &mut RandomBytes) -> Self {
        let bits = (64 - (count - 1).leading_zeros()).max(1);
        Self {
            count,
            mask: u64::MAX >> (64 - bits),
            shift: bits / 2 + 1,
            rounds: std::array::from_fn(|_| (random.next_u64() | 1, random.next_u64())),
        }
    }

    /// Where `index` (below the count) is in the order.
    #[inline]
    pub(super) fn at(&self, index: u64) -> u64 {
        let mut number = index;
        loop {
            for (factor, summand) in self.rounds {
                number = number.wrapping_mul(factor).wrapping_add(summand) & self.mask;
                number ^= number >> self.shift;
            }
            if number < self.count {
                return number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_once() {
        for count in [1, 2, 3, 7, 8, 1000, 1024, 4097] {
            let order = Permutation::new(count, &mut RandomBytes::new(count));
            let mut seen: Vec<u64> = (0..count).map(|index| order.at(index)).collect();
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..count), "of {count}");
        }
    }

    #[test]
    fn neighbours_are_not_neighbours() {
        let order = Permutation::new(1 << 20, &mut RandomBytes::new(7));
        let near = |index: &u64| order.at(*index).abs_diff(order.at(index + 1)) < 1 << 10;
        // By chance 0.2 %.
        assert!((0..10_000).filter(near).count() < 100);
    }
}
