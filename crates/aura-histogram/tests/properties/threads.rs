//! One writer that records and swaps as fast as it can, readers that look meanwhile.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use aura_histogram::layout::{BUCKETS, bucket_lower_us};
use aura_histogram::{LatencyHistogram, Snapshot};

const SAMPLES_PER_WINDOW: u64 = 2_000;
const WINDOWS: u64 = 1_500;
/// Windows that follow each other fill different buckets, so that a view shows which ones it mixes.
const KINDS: u64 = 60;

/// The one latency that all samples of a window have; those of the last kind are overflow.
fn latency_ns(window: u64) -> u64 {
    (window % KINDS) * 1_700_000
}

fn write_all(histogram: &LatencyHistogram) {
    for window in 0..WINDOWS {
        if window > 0 {
            histogram.swap_window();
        }
        (0..SAMPLES_PER_WINDOW).for_each(|_| histogram.record(latency_ns(window)));
    }
}

/// Lower edges (in microseconds) of the buckets in use, with their counts.
fn used(snapshot: &Snapshot) -> Vec<(u64, u64)> {
    (0..=BUCKETS)
        .map(|bucket| match bucket_lower_us(bucket) {
            Some(us) => (u64::from(us), snapshot.bucket(bucket)),
            None => (100_000, snapshot.overflow()),
        })
        .filter(|&(_, count)| count > 0)
        .collect()
}

fn check_cumulative(histogram: &LatencyHistogram, previous: &mut Snapshot) {
    let now = histogram.cumulative();
    assert!(now.count() <= SAMPLES_PER_WINDOW * WINDOWS);
    assert!(now.overflow() >= previous.overflow(), "the overflow fell");
    assert!(now.max_ns() >= previous.max_ns(), "the maximum fell");
    assert!(now.sum_ns() >= previous.sum_ns(), "the sum fell");
    for (now, previous) in now.counts().iter().zip(previous.counts()) {
        assert!(now >= previous, "a cumulative count fell");
    }
    *previous = now;
}

fn check_windows(histogram: &LatencyHistogram) {
    for (view, windows) in
        [(histogram.window(), 1), (histogram.closed_window(), 1), (histogram.recent(), 2)]
    {
        let used = used(&view);
        assert!(used.len() <= windows, "samples of {} windows in one view: {view:?}", used.len());
        for &(lower_us, count) in &used {
            assert!(count <= SAMPLES_PER_WINDOW, "more than was recorded: {view:?}");
            assert!(view.max_ns().unwrap() >= lower_us * 1_000, "maximum behind counts: {view:?}");
        }
    }
}

/// The closed window is complete unless the reader had to give up, which needs eight swaps in a row
/// within its eight attempts: with windows of 2 000 samples that hardly ever happens.
fn closed_window_is_whole(histogram: &LatencyHistogram) -> bool {
    let closed = histogram.closed_window();
    let count = closed.count();
    count == 0
        || (count == SAMPLES_PER_WINDOW && closed.sum_ns() == count * closed.max_ns().unwrap())
}

#[test]
fn readers_see_each_sample_at_most_once_and_never_the_wrong_window() {
    let histogram = LatencyHistogram::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut previous = Snapshot::new();
                let (mut looks, mut whole) = (0_u32, 0_u32);
                while !done.load(Relaxed) {
                    check_cumulative(&histogram, &mut previous);
                    check_windows(&histogram);
                    looks += 1;
                    whole += u32::from(closed_window_is_whole(&histogram));
                }
                assert!(
                    whole >= looks - looks / 10,
                    "only {whole} of {looks} closed windows whole"
                );
            });
        }
        write_all(&histogram);
        done.store(true, Relaxed);
    });
    assert_eq!(histogram.cumulative().count(), SAMPLES_PER_WINDOW * WINDOWS);
    assert!(closed_window_is_whole(&histogram));
}

#[test]
fn a_reader_finishes_even_if_windows_are_swapped_without_pause() {
    let histogram = LatencyHistogram::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0.. {
                histogram.record(latency_ns(round));
                histogram.swap_window();
                if done.load(Relaxed) {
                    break;
                }
            }
        });
        for _ in 0..2_000 {
            let recent = histogram.recent();
            assert!(recent.count() <= 2, "{recent:?}");
            if let Some(percentile) = recent.percentile(100.0) {
                assert!(percentile.upper_us.unwrap() >= percentile.lower_us);
            }
        }
        done.store(true, Relaxed);
    });
}
