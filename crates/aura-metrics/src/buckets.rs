//! The buckets of durations: 1, 2, 5, 10, … from a microsecond to ten seconds.
//!
//! The same for every kind of operation, so that histograms can be added up. A bucket holds its upper
//! bound, as Prometheus (`le`) and OpenTelemetry want it.

/// Upper bounds in nanoseconds. What is longer goes to a bucket of its own.
pub const BOUNDS_NS: [u64; 22] = bounds();
/// Buckets, with the one for what exceeds every bound.
pub const BUCKETS: usize = BOUNDS_NS.len() + 1;

const SHORTEST_NS: u64 = 1_000;

const fn bounds() -> [u64; 22] {
    let mut bounds = [0; 22];
    let (mut at, mut decade_ns) = (0, SHORTEST_NS);
    while at < bounds.len() {
        bounds[at] = decade_ns * [1, 2, 5][at % 3];
        if at % 3 == 2 {
            decade_ns *= 10;
        }
        at += 1;
    }
    bounds
}

/// What is known of a duration from the number of its bits: how many bounds are certainly below, and
/// the one bound that may be, as neighbouring bounds are a factor of two apart at least.
#[derive(Clone, Copy)]
struct Step {
    below: usize,
    bound_ns: u64,
}

static STEPS: [Step; 65] = steps();

const fn steps() -> [Step; 65] {
    let mut steps = [Step { below: 0, bound_ns: u64::MAX }; 65];
    let mut bits = 1;
    while bits < steps.len() {
        let least_ns = 1_u64 << (bits - 1);
        let mut below = 0;
        while below < BOUNDS_NS.len() && BOUNDS_NS[below] < least_ns {
            below += 1;
        }
        steps[bits].below = below;
        if below < BOUNDS_NS.len() {
            steps[bits].bound_ns = BOUNDS_NS[below];
        }
        bits += 1;
    }
    steps
}

/// The bucket of a duration: the first whose bound is not below it.
///
/// ```
/// use aura_metrics::buckets::{BUCKETS, bucket_of_ns};
///
/// assert_eq!([0, 1_000, 1_001, 2_000].map(bucket_of_ns), [0, 0, 1, 1]);
/// assert_eq!(bucket_of_ns(10_000_000_001), BUCKETS - 1);
/// ```
#[inline]
#[must_use]
pub fn bucket_of_ns(duration_ns: u64) -> usize {
    let step = &STEPS[(u64::BITS - duration_ns.leading_zeros()) as usize];
    step.below + usize::from(duration_ns > step.bound_ns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_search(duration_ns: u64) -> usize {
        BOUNDS_NS.partition_point(|bound_ns| *bound_ns < duration_ns)
    }

    #[test]
    fn bounds_reach_from_a_microsecond_to_ten_seconds() {
        assert_eq!((BOUNDS_NS[0], BOUNDS_NS[21]), (1_000, 10_000_000_000));
        assert!(BOUNDS_NS.windows(2).all(|pair| pair[0] * 2 <= pair[1]));
    }

    #[test]
    fn every_bound_belongs_to_its_bucket_and_what_follows_to_the_next() {
        for (bucket, bound_ns) in BOUNDS_NS.into_iter().enumerate() {
            assert_eq!(bucket_of_ns(bound_ns), bucket);
            assert_eq!(bucket_of_ns(bound_ns + 1), bucket + 1);
        }
        assert_eq!((bucket_of_ns(0), bucket_of_ns(u64::MAX)), (0, BUCKETS - 1));
    }

    proptest! {
        #[test]
        fn the_table_agrees_with_a_search(bits in 0u32..64, low in any::<u64>()) {
            let duration_ns = low >> bits;
            prop_assert_eq!(bucket_of_ns(duration_ns), by_search(duration_ns));
        }
    }
}
