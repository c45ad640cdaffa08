//! Properties of the public interface, checked against naive models: a sorted vector for percentiles,
//! a plain list of windows for the histogram.

mod percentiles;
mod threads;
mod windows;

use aura_histogram::layout::{BUCKETS, bucket_lower_us};
use proptest::prelude::*;

/// Latencies in nanoseconds that favour the places where something changes: every edge and its
/// neighbours, the first buckets (where most real samples are), the overflow.
fn any_latency_ns() -> impl Strategy<Value = u64> {
    let edge_ns = (0..=BUCKETS).prop_map(|bucket| match bucket_lower_us(bucket) {
        Some(us) => u64::from(us) * 1_000,
        None => 100_000_000,
    });
    prop_oneof![
        4 => 0..300_000_u64,
        4 => 0..110_000_000_u64,
        2 => (edge_ns, -1..=1_i64).prop_map(|(ns, step)| ns.saturating_add_signed(step)),
        1 => 100_000_000..10_000_000_000_u64,
    ]
}
