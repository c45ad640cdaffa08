//! What one kind of operation is counted by.
//!
//! # Synchronization
//!
//! One thread at a time writes, any number read. The writer updates by load and store, never by a
//! read-modify-write instruction. Everything is relaxed but for `errors`: it is stored (release) after the
//! bucket of the same operation and loaded (acquire) before the buckets, so that a reader never sees
//! more errors than operations.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use crate::buckets::{BUCKETS, bucket_of_ns};
use crate::reading::{Durations, Operations};

/// Operations of one kind: how many, how long they took, how many failed. Never reset.
///
/// Recording is for one thread at a time; two at once lose operations, and nothing worse happens.
/// The number of operations is the sum of the buckets, which saves the hot path a counter.
///
/// ```
/// use aura_metrics::{OperationMeter, Operations};
///
/// let reads = OperationMeter::default();
/// reads.record(80_000);
/// reads.record(90_000);
/// reads.record_error();
///
/// let mut seen = Operations::new("read");
/// reads.add_to(&mut seen);
/// assert_eq!((seen.durations.count(), seen.errors, seen.durations.sum_ns), (2, 1, 170_000));
/// ```
#[derive(Debug, Default)]
pub struct OperationMeter {
    /// Operations by duration.
    buckets: [AtomicU64; BUCKETS],
    /// Wraps around after 584 years' worth of durations.
    sum_ns: AtomicU64,
    errors: AtomicU64,
}

impl OperationMeter {
    /// *Writer only.* Counts an operation, whatever became of it.
    #[inline]
    pub fn record(&self, duration_ns: u64) {
        add(&self.buckets[bucket_of_ns(duration_ns)], 1, Relaxed);
        add(&self.sum_ns, duration_ns, Relaxed);
    }

    /// *Writer only.* Says of the operation recorded last that it failed.
    #[cold]
    pub fn record_error(&self) {
        add(&self.errors, 1, Release);
    }

    /// Operations that failed so far. As with the rest, operations that are recorded meanwhile may be
    /// missing.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors.load(Acquire)
    }

    /// Adds what was counted so far, while counting goes on. From one call to the next nothing falls.
    pub fn add_to(&self, operations: &mut Operations) {
        operations.errors += self.errors.load(Acquire); // Pairs with the store in `record_error`.
        let Durations { counts, sum_ns } = &mut operations.durations;
        for (count, bucket) in counts.iter_mut().zip(&self.buckets) {
            *count += bucket.load(Relaxed);
        }
        *sum_ns = sum_ns.wrapping_add(self.sum_ns.load(Relaxed));
    }
}

/// Adds to a counter that has one writer.
#[inline]
fn add(counter: &AtomicU64, amount: u64, order: std::sync::atomic::Ordering) {
    counter.store(counter.load(Relaxed).wrapping_add(amount), order);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn a_reader_never_sees_more_errors_than_operations_nor_anything_fall() {
        let (meter, done) = (OperationMeter::default(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for duration_ns in 0..200_000 {
                    meter.record(duration_ns);
                    meter.record_error();
                }
                done.store(true, Release);
            });
            let mut before = Operations::new("read");
            while !done.load(Acquire) {
                let mut now = Operations::new("read");
                meter.add_to(&mut now);
                assert!(now.errors <= now.durations.count());
                assert!(now.errors >= before.errors);
                assert!(now.durations.count() >= before.durations.count());
                before = now;
            }
        });
        let mut last = Operations::new("read");
        meter.add_to(&mut last);
        assert_eq!((last.errors, last.durations.count()), (200_000, 200_000));
        assert_eq!(last.durations.sum_ns, (0..200_000).sum::<u64>());
    }
}
