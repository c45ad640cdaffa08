//! Snapshots against a sorted vector of the same samples.

use aura_histogram::layout::{BUCKETS, bucket_lower_us};
use aura_histogram::{Percentile, Snapshot};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::any_latency_ns;

fn snapshot_of(latencies_ns: &[u64]) -> Snapshot {
    let mut snapshot = Snapshot::new();
    latencies_ns.iter().for_each(|&ns| snapshot.record_ns(ns));
    snapshot
}

/// The true nearest-rank percentile in microseconds, for a percentile given in thousandths.
fn nearest_rank_us(sorted_ns: &[u64], p_thousandths: usize) -> f64 {
    let rank = (p_thousandths * sorted_ns.len()).div_ceil(100_000).max(1);
    sorted_ns[rank - 1] as f64 / 1_000.0
}

fn assert_contains(percentile: Percentile, true_us: f64) {
    let Percentile { value_us, lower_us, upper_us, .. } = percentile;
    let upper_us = upper_us.expect("the longest latency is known");
    assert!(lower_us <= true_us && true_us <= upper_us, "{true_us} not in {percentile:?}");
    assert!(lower_us <= value_us && value_us <= upper_us, "{percentile:?}");
    assert!((value_us - true_us).abs() <= percentile.error_us(), "{true_us}, {percentile:?}");
}

/// The error that the documentation allows for a true percentile of this many microseconds.
fn documented_error_us(true_us: f64) -> f64 {
    match true_us {
        us if us < 1_000.0 => 10.0,
        us if us < 5_000.0 => 50.0,
        us if us < 20_000.0 => 250.0,
        us if us < 100_000.0 => 1_000.0,
        _ => f64::INFINITY,
    }
}

proptest! {
    #[test]
    fn true_percentile_lies_within_the_bounds(
        mut latencies_ns in vec(any_latency_ns(), 1..400),
        p_thousandths in 0..=100_000_usize,
    ) {
        let snapshot = snapshot_of(&latencies_ns);
        latencies_ns.sort_unstable();
        for p_thousandths in [p_thousandths, 0, 50_000, 99_000, 99_900, 100_000] {
            let percentile = snapshot.percentile(p_thousandths as f64 / 1_000.0).unwrap();
            let true_us = nearest_rank_us(&latencies_ns, p_thousandths);
            assert_contains(percentile, true_us);
            prop_assert!(percentile.error_us() <= documented_error_us(true_us));
        }
    }

    #[test]
    fn percentiles_do_not_fall_as_p_rises(latencies_ns in vec(any_latency_ns(), 1..100)) {
        let snapshot = snapshot_of(&latencies_ns);
        let values_us: Vec<f64> =
            (0..=1_000).map(|p| snapshot.percentile(f64::from(p) / 10.0).unwrap().value_us).collect();
        prop_assert!(values_us.is_sorted());
    }

    #[test]
    fn merging_is_recording_everything_into_one(parts in vec(vec(any_latency_ns(), 0..50), 0..6)) {
        let mut merged = Snapshot::new();
        parts.iter().for_each(|part| merged.merge(&snapshot_of(part)));
        prop_assert_eq!(merged, snapshot_of(&parts.concat()));
    }

    #[test]
    fn count_sum_and_maximum_are_exact(latencies_ns in vec(any_latency_ns(), 0..200)) {
        let snapshot = snapshot_of(&latencies_ns);
        let sum_ns: u64 = latencies_ns.iter().sum();
        prop_assert_eq!(snapshot.count(), latencies_ns.len() as u64);
        prop_assert_eq!(snapshot.is_empty(), latencies_ns.is_empty());
        prop_assert_eq!(snapshot.sum_ns(), sum_ns);
        prop_assert_eq!(snapshot.max_ns(), latencies_ns.iter().max().copied());
        let mean_us =
            (!latencies_ns.is_empty()).then(|| sum_ns as f64 / latencies_ns.len() as f64 / 1_000.0);
        prop_assert_eq!(snapshot.mean_us(), mean_us);
    }

    #[test]
    fn samples_over_a_target_are_bracketed_and_exact_on_edges(
        latencies_ns in vec(any_latency_ns(), 0..300),
        target_us in prop_oneof![0..2_000_u64, 0..120_000_u64],
        bucket in 0..BUCKETS,
    ) {
        let snapshot = snapshot_of(&latencies_ns);
        let over = |target_us: u64| {
            latencies_ns.iter().filter(|&&ns| ns >= target_us * 1_000).count() as u64
        };
        prop_assert!(snapshot.count_over(target_us) <= over(target_us));
        prop_assert!(over(target_us) <= snapshot.count_over_at_most(target_us));
        for edge_us in [u64::from(bucket_lower_us(bucket).unwrap()), 100_000] {
            prop_assert_eq!(snapshot.count_over(edge_us), over(edge_us));
            prop_assert_eq!(snapshot.count_over_at_most(edge_us), over(edge_us));
        }
    }

    #[test]
    fn counts_alone_still_bound_the_percentile(
        mut latencies_ns in vec(0..100_000_000_u64, 1..100),
        p_thousandths in 0..=100_000_usize,
    ) {
        let full = snapshot_of(&latencies_ns);
        let rebuilt = Snapshot::from_counts(full.counts(), full.overflow());
        prop_assert_eq!(rebuilt.counts(), full.counts());
        latencies_ns.sort_unstable();
        let percentile = rebuilt.percentile(p_thousandths as f64 / 1_000.0).unwrap();
        assert_contains(percentile, nearest_rank_us(&latencies_ns, p_thousandths));
        // Each sample is taken as the middle of its bucket, at most half a millisecond away.
        let off_us = rebuilt.mean_us().unwrap() - full.mean_us().unwrap();
        prop_assert!(off_us.abs() <= 500.0);
    }
}
