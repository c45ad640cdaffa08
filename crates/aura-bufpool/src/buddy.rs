//! Places for slabs: a buddy allocator over the granules of the arena.
//!
//! Pure bookkeeping: no memory is touched here. Sets ordered by address are used instead of linked
//! lists so that low places are preferred (tables and mappings stay dense) and neighbours merge.

use std::collections::BTreeSet;

/// Free runs of `2^order` granules, each at a multiple of its length.
#[derive(Debug)]
pub(crate) struct Buddy {
    free: Vec<BTreeSet<u32>>,
}

impl Buddy {
    /// All of `2^max_order` granules, free.
    pub(crate) fn new(max_order: u32) -> Self {
        let mut free = vec![BTreeSet::new(); max_order as usize + 1];
        free[max_order as usize].insert(0);
        Self { free }
    }

    /// The first granule of a run of `2^order`, `None` when no run is long enough.
    pub(crate) fn take(&mut self, order: u32) -> Option<u32> {
        // Among the runs that are long enough the lowest address wins within the smallest order.
        let found =
            (order as usize..self.free.len()).find(|&order| !self.free[order].is_empty())?;
        let first = self.free[found].pop_first()?;
        for split in (order as usize..found).rev() {
            self.free[split].insert(first + (1 << split));
        }
        Some(first)
    }

    /// Gives a run back that `take(order)` returned.
    pub(crate) fn give(&mut self, mut first: u32, order: u32) {
        let mut order = order as usize;
        while order + 1 < self.free.len() && self.free[order].remove(&(first ^ (1 << order))) {
            first &= !(1 << order);
            order += 1;
        }
        let fresh = self.free[order].insert(first);
        debug_assert!(fresh, "granule {first} was free already");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_are_aligned_disjoint_and_merge_completely(
            steps in prop::collection::vec((0u32..6, any::<prop::sample::Index>(), any::<bool>()), 1..200)
        ) {
            let mut buddy = Buddy::new(6);
            let mut live: Vec<(u32, u32)> = Vec::new();
            for (order, pick, take) in steps {
                if take || live.is_empty() {
                    if let Some(first) = buddy.take(order) {
                        let end = first + (1 << order);
                        prop_assert!(first % (1 << order) == 0 && end <= 64);
                        prop_assert!(live.iter().all(|&(other, o)| end <= other || other + (1 << o) <= first));
                        live.push((first, order));
                    } else {
                        // Refused only if no aligned run of that length is untouched.
                        let fits = (0..64 >> order).any(|run| live.iter().all(|&(other, o)| {
                            let first = run << order;
                            first + (1 << order) <= other || other + (1 << o) <= first
                        }));
                        prop_assert!(!fits);
                    }
                } else {
                    let (first, order) = live.swap_remove(pick.index(live.len()));
                    buddy.give(first, order);
                }
            }
            for (first, order) in live {
                buddy.give(first, order);
            }
            prop_assert_eq!(buddy.take(6), Some(0));
        }
    }
}
