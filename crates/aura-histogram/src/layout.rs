//! The bucket layout: four tiers whose buckets grow wider as latencies grow longer.
//!
//! | tier | latencies | bucket width | buckets |
//! | --- | --- | --- | --- |
//! | 0 | 0 – 1 ms | 10 µs | 0 – 99 |
//! | 1 | 1 – 5 ms | 50 µs | 100 – 179 |
//! | 2 | 5 – 20 ms | 250 µs | 180 – 239 |
//! | 3 | 20 – 100 ms | 1 ms | 240 – 319 |
//!
//! # Edges
//!
//! There is one rule: a bucket holds its lower edge and not its upper one. A latency of exactly 10 µs
//! is in bucket 1, and one of exactly 100 ms is past the last bucket, so it is *overflow*. Without an
//! exception at 100 ms, "how many took at least this long" has an exact answer at every edge. Edges
//! are compared in nanoseconds; nothing is rounded to a microsecond first.

/// Number of buckets. The overflow is not one of them.
pub const BUCKETS: usize = 320;

/// Where the overflow begins, in microseconds: latencies of 100 ms or more have no bucket.
pub const MAX_TRACKED_US: u32 = 100_000;

/// A run of buckets of equal width, which ends where the next one starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Lower edge of the tier's first bucket, in microseconds.
    pub start_us: u32,
    /// Width of each of its buckets, in microseconds.
    pub width_us: u32,
    /// Index of its first bucket.
    pub base_bucket: usize,
}

/// The tiers, from short latencies to long ones.
pub const TIERS: [Tier; 4] = [
    Tier { start_us: 0, width_us: 10, base_bucket: 0 },
    Tier { start_us: 1_000, width_us: 50, base_bucket: 100 },
    Tier { start_us: 5_000, width_us: 250, base_bucket: 180 },
    Tier { start_us: 20_000, width_us: 1_000, base_bucket: 240 },
];

/// The bucket of a latency in nanoseconds, or `None` if it is overflow (100 ms or more).
#[inline]
#[must_use]
pub const fn bucket_of_ns(latency_ns: u64) -> Option<usize> {
    let slot = slot_of_ns(latency_ns);
    if slot == OVERFLOW_SLOT { None } else { Some(slot) }
}

/// The lower edge of a bucket in microseconds (it belongs to the bucket), or `None` if there is no
/// such bucket.
#[must_use]
pub const fn bucket_lower_us(bucket: usize) -> Option<u32> {
    if bucket >= BUCKETS {
        return None;
    }
    let mut tier = TIERS.len() - 1;
    while bucket < TIERS[tier].base_bucket {
        tier -= 1;
    }
    let Tier { start_us, width_us, base_bucket } = TIERS[tier];
    Some(start_us + (bucket - base_bucket) as u32 * width_us)
}

/// The upper edge of a bucket in microseconds (it belongs to the next bucket, or to the overflow), or
/// `None` if there is no such bucket.
#[must_use]
pub const fn bucket_upper_us(bucket: usize) -> Option<u32> {
    if bucket >= BUCKETS {
        None
    } else if bucket + 1 == BUCKETS {
        Some(MAX_TRACKED_US)
    } else {
        bucket_lower_us(bucket + 1)
    }
}

/// Counters a histogram needs: one per bucket, and one for the overflow at [`OVERFLOW_SLOT`]. Giving
/// the overflow a slot of its own spares the hot path a branch.
pub(crate) const SLOTS: usize = BUCKETS + 1;

/// The slot after the last bucket, which counts the overflow.
pub(crate) const OVERFLOW_SLOT: usize = BUCKETS;

/// The lower edge of a slot in nanoseconds; that of the overflow slot, and beyond, is 100 ms.
pub(crate) const fn slot_lower_ns(slot: usize) -> u64 {
    match bucket_lower_us(slot) {
        Some(us) => us as u64 * NS_PER_US,
        None => MAX_TRACKED_US as u64 * NS_PER_US,
    }
}

/// The slot of a latency. Every completion comes through here.
///
/// The first tier has a branch of its own, since most latencies are there or else most are not. Beyond
/// it there are neither branches, which a mix of latencies would make unpredictable, nor divisions.
#[inline]
pub(crate) const fn slot_of_ns(latency_ns: u64) -> usize {
    if latency_ns < SCALES[1].start_ns {
        return (latency_ns / (TIERS[0].width_us as u64 * NS_PER_US)) as usize;
    }
    let scale = &SCALES[1
        + (latency_ns >= SCALES[2].start_ns) as usize
        + (latency_ns >= SCALES[3].start_ns) as usize
        + (latency_ns >= SCALES[4].start_ns) as usize];
    // In the overflow this product is zero whatever the latency: its reciprocal is zero.
    let offset = ((latency_ns - scale.start_ns) * scale.reciprocal) >> RECIPROCAL_SHIFT;
    let slot = scale.base_slot + offset as usize;
    // Never taken; it proves to the compiler that indexing an array of `SLOTS` needs no check.
    if slot < SLOTS { slot } else { OVERFLOW_SLOT }
}

pub(crate) const NS_PER_US: u64 = 1_000;

/// A tier made ready for dividing by its width: `n / width == (n * reciprocal) >> RECIPROCAL_SHIFT`.
struct Scale {
    start_ns: u64,
    reciprocal: u64,
    base_slot: usize,
}

/// With a reciprocal rounded up, the quotient is exact as long as `n * width < 2^shift` (both in ns).
/// The worst tier has 80 ms × 1 ms = 8e13 < 2^48, and no product reaches 2^64; the checks below
/// prove both on every edge.
const RECIPROCAL_SHIFT: u32 = 48;

/// The tiers, and the overflow as a fifth one.
static SCALES: [Scale; 5] =
    [scale(TIERS[0]), scale(TIERS[1]), scale(TIERS[2]), scale(TIERS[3]), OVERFLOW_SCALE];

const OVERFLOW_SCALE: Scale =
    Scale { start_ns: MAX_TRACKED_US as u64 * NS_PER_US, reciprocal: 0, base_slot: OVERFLOW_SLOT };

const fn scale(tier: Tier) -> Scale {
    Scale {
        start_ns: tier.start_us as u64 * NS_PER_US,
        reciprocal: (1_u64 << RECIPROCAL_SHIFT).div_ceil(tier.width_us as u64 * NS_PER_US),
        base_slot: tier.base_bucket,
    }
}

// The tiers join without gaps and add up to the number of buckets.
const _: () = {
    let mut tier = 0;
    while tier < TIERS.len() {
        let (end_us, end_bucket) = if tier + 1 < TIERS.len() {
            (TIERS[tier + 1].start_us, TIERS[tier + 1].base_bucket)
        } else {
            (MAX_TRACKED_US, BUCKETS)
        };
        let Tier { start_us, width_us, base_bucket } = TIERS[tier];
        assert!(start_us + (end_bucket - base_bucket) as u32 * width_us == end_us);
        tier += 1;
    }
};

// Both ends of every bucket map back to it. The quotient never decreases inside a tier, so this
// proves it for every latency in between.
const _: () = {
    let mut slot = 0;
    while slot < BUCKETS {
        assert!(slot_of_ns(slot_lower_ns(slot)) == slot);
        assert!(slot_of_ns(slot_lower_ns(slot + 1) - 1) == slot);
        slot += 1;
    }
    assert!(slot_of_ns(slot_lower_ns(OVERFLOW_SLOT)) == OVERFLOW_SLOT);
    assert!(slot_of_ns(u64::MAX) == OVERFLOW_SLOT);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edge_is_the_first_of_its_bucket_and_follows_the_last_of_the_one_before() {
        for bucket in 0..BUCKETS {
            let lower_ns = u64::from(bucket_lower_us(bucket).unwrap()) * NS_PER_US;
            let upper_ns = u64::from(bucket_upper_us(bucket).unwrap()) * NS_PER_US;
            assert!(lower_ns < upper_ns);
            assert_eq!(bucket_of_ns(lower_ns), Some(bucket));
            assert_eq!(bucket_of_ns(upper_ns - 1), Some(bucket));
            assert_eq!(bucket_of_ns(upper_ns), (bucket + 1 < BUCKETS).then_some(bucket + 1));
        }
    }

    #[test]
    fn documented_edges_are_where_the_documentation_says() {
        let bucket_of_us = |us: u64| bucket_of_ns(us * NS_PER_US);
        assert_eq!(bucket_of_us(0), Some(0));
        assert_eq!(bucket_of_us(10), Some(1));
        assert_eq!(bucket_of_us(1_000), Some(100));
        assert_eq!(bucket_of_us(5_000), Some(180));
        assert_eq!(bucket_of_us(20_000), Some(240));
        assert_eq!(bucket_of_ns(99_999_999), Some(319));
        assert_eq!(bucket_of_us(100_000), None);
    }

    #[test]
    fn buckets_that_do_not_exist_have_no_edges() {
        for bucket in [BUCKETS, BUCKETS + 1, usize::MAX] {
            assert_eq!(bucket_lower_us(bucket), None);
            assert_eq!(bucket_upper_us(bucket), None);
        }
    }

    #[test]
    fn reciprocals_agree_with_division() {
        // A step that is coprime to every width visits all residues; 7 µs over 110 ms is quick.
        for latency_ns in (0..110_000_000_u64).step_by(6_991) {
            let us = (latency_ns / NS_PER_US) as u32;
            let by_division = TIERS
                .iter()
                .rev()
                .find(|tier| us >= tier.start_us)
                .filter(|_| us < MAX_TRACKED_US)
                .map(|tier| tier.base_bucket + ((us - tier.start_us) / tier.width_us) as usize);
            assert_eq!(bucket_of_ns(latency_ns), by_division, "{latency_ns} ns");
        }
    }
}
