//! What recording costs: nanoseconds per sample, over a loop that does everything but record.
//!
//! The loops take turns within each round and every round is a sample of its own, so that a noisy
//! machine disturbs all alike; medians are printed. The counts are verified afterwards. Run with
//! `cargo run --release -p aura-histogram --example record_cost`.

use std::hint::black_box;
use std::time::Instant;

use aura_histogram::LatencyHistogram;

const ROUNDS: usize = 101;
const PASSES: u64 = 25;
/// Latencies per pass: they fit the first-level cache (32 KiB) and are too many for a branch predictor
/// to learn by heart.
const LATENCIES: usize = 4_096;

fn main() {
    println!(
        "{:<44}{:>8}{:>12}{:>12}",
        "ns per sample, loop deducted", "record", "cumulative", "swap"
    );
    report("one bucket (page cache, 1 to 9 µs)", |random| 1_000 + random % 8_000);
    report("a few buckets (flash, 60 to 160 µs)", |random| 60_000 + random % 100_000);
    report("all buckets at random (0 to 110 ms)", |random| random % 110_000_000);
    report("all tiers alike, at random", |random| {
        [9_000, 2_000_000, 9_000_000, 40_000_000, 200_000_000][random as usize % 5]
    });
}

/// Measures one mix of latencies, made from random numbers by `latency_ns`, and prints a line.
fn report(mix: &str, latency_ns: impl Fn(u64) -> u64) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let latencies_ns: Vec<u64> = (0..LATENCIES).map(|_| latency_ns(xorshift(&mut state))).collect();
    let histogram = LatencyHistogram::new();
    let mut costs = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        costs[0].push(time(&latencies_ns, |ns| {
            black_box(ns);
        }));
        costs[1].push(time(&latencies_ns, |ns| histogram.record(ns)));
        costs[2].push(time(&latencies_ns, |ns| histogram.record_cumulative_only(ns)));
        costs[3].push(time(&latencies_ns, |_| histogram.swap_window()));
    }
    let recorded = 2 * ROUNDS as u64 * PASSES * LATENCIES as u64;
    assert_eq!(histogram.cumulative().count(), recorded, "samples were lost");
    assert!(histogram.recent().is_empty(), "each round ended with empty windows");

    let [base, record, cumulative, swap] = costs.map(median);
    println!("{mix:<44}{:>8.2}{:>12.2}{:>12.2}", record - base, cumulative - base, swap - base);
}

/// Nanoseconds per call of `each` over all latencies.
fn time(latencies_ns: &[u64], each: impl Fn(u64)) -> f64 {
    let start = Instant::now();
    for _ in 0..PASSES {
        // Hidden from the optimiser, or it would see that every pass does the same.
        black_box(latencies_ns).iter().for_each(|&ns| each(ns));
    }
    start.elapsed().as_nanos() as f64 / (PASSES as f64 * latencies_ns.len() as f64)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
