//! A histogram whose writer opens windows while a reader looks.

use std::sync::Arc;

use loom::thread;

use super::Snapshot;
use super::histogram::LatencyHistogram;
use super::layout::NS_PER_US;
use crate::models::check;

const SHORT_NS: u64 = 10;
const LONG_NS: u64 = 2 * NS_PER_US;
const LONGEST_NS: u64 = 3 * NS_PER_US;
/// As many as there are places for totals, so that every place has been used.
const WINDOWS_BEFORE: u64 = 4;

/// With some windows behind it: a short sample and a long one in each.
fn histogram() -> Arc<LatencyHistogram> {
    let histogram = LatencyHistogram::new();
    for _ in 0..WINDOWS_BEFORE {
        histogram.record(SHORT_NS);
        histogram.record(LONG_NS);
        histogram.swap_window();
    }
    Arc::new(histogram)
}

/// Two more windows, one with a short sample, the other with the longest one.
fn write(histogram: &LatencyHistogram) {
    histogram.record(SHORT_NS);
    histogram.swap_window();
    histogram.record(LONGEST_NS);
    histogram.swap_window();
}

fn totals(snapshot: &Snapshot) -> (u64, u64, Option<u64>) {
    (snapshot.count(), snapshot.sum_ns(), snapshot.max_ns())
}

/// A closed window is seen whole, and alone.
pub fn closed_windows() {
    check(4, || {
        let histogram = histogram();
        let writer = {
            let histogram = Arc::clone(&histogram);
            thread::spawn(move || write(&histogram))
        };
        let seen = totals(&histogram.closed_window());
        let there_were = [
            (2, SHORT_NS + LONG_NS, Some(LONG_NS)),
            (1, SHORT_NS, Some(SHORT_NS)),
            (1, LONGEST_NS, Some(LONGEST_NS)),
        ];
        assert!(there_were.contains(&seen), "there was no such window: {seen:?}");
        writer.join().unwrap();
    });
}

/// No sample that is counted exceeds the maximum read with it.
pub fn maxima() {
    check(4, || {
        let histogram = histogram();
        let writer = {
            let histogram = Arc::clone(&histogram);
            thread::spawn(move || histogram.record(LONGEST_NS))
        };
        let seen = histogram.cumulative();
        if seen.overflow() > WINDOWS_BEFORE {
            assert_eq!(seen.max_ns(), Some(LONGEST_NS), "counted, but longer than the maximum");
        }
        writer.join().unwrap();
    });
}
