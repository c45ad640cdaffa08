//! What it costs to count an operation, on this machine: durations as a disk has them.

use std::hint::black_box;
use std::time::Instant;

use aura_metrics::{OperationMeter, Operations};

const OPERATIONS: u64 = 20_000_000;

fn main() {
    let meters: [OperationMeter; 16] = Default::default();
    let duration_ns = |number: u64| 60_000 + (number.wrapping_mul(0x9e37_79b9) & 0x3_ffff);
    let empty = time(|number| _ = black_box(duration_ns(number)));
    let counted = time(|number| meters[black_box(0)].record(black_box(duration_ns(number))));
    let mut seen = Operations::new("read");
    meters[0].add_to(&mut seen);
    assert_eq!(seen.durations.count(), OPERATIONS);
    println!("{:.2} ns per operation", (counted - empty).max(0.0));
}

/// Nanoseconds per call.
fn time(mut each: impl FnMut(u64)) -> f64 {
    let began = Instant::now();
    (0..OPERATIONS).for_each(&mut each);
    began.elapsed().as_nanos() as f64 / OPERATIONS as f64
}
