//! What only the inside can arrange: numbers about to wrap around, and writes in the middle of a read.

use super::*;

#[test]
fn windows_stay_apart_when_tag_and_sequence_wrap_around() {
    for start in [0, 0xfffe, 0xffff, u64::MAX - 1, u64::MAX] {
        let histogram = LatencyHistogram::starting_at(start);
        let mut previous = Snapshot::new();
        for round in 0..6 {
            let mut expected = Snapshot::new();
            for sample in 0..=round {
                histogram.record(sample * 400_000);
                expected.record_ns(sample * 400_000);
            }
            assert_eq!(histogram.window(), expected, "window {round} from {start}");
            assert_eq!(histogram.closed_window(), previous, "window {round} from {start}");
            previous = expected;
            histogram.swap_window();
        }
    }
}

#[test]
fn untouched_counts_do_not_come_back_when_their_tag_does() {
    let histogram = LatencyHistogram::new();
    for latency_ns in [0, 10_000, 4_000_000, 100_000_000] {
        histogram.record(latency_ns);
    }
    histogram.swap_window();
    assert_eq!(histogram.closed_window().count(), 4);
    for opened in 2..=2 * 65_536_u64 + 2 {
        histogram.swap_window();
        // Only windows whose tag is the first one's, or its neighbours', are worth the look.
        if (opened + 1) % 65_536 <= 2 {
            assert!(histogram.recent().is_empty(), "window {opened}");
        }
    }
}

#[test]
fn a_window_opened_while_reading_is_noticed() {
    for wanted in [ACTIVE, CLOSED, BOTH] {
        let histogram = LatencyHistogram::new();
        histogram.record(1_000_000);
        histogram.swap_window();
        histogram.record(2_000_000);
        let mut writes = 0..2;
        let mut view = Snapshot::new();
        histogram.windows_into(&mut view, wanted, || {
            if let Some(write) = writes.next() {
                histogram.swap_window();
                histogram.record(3_000_000 + write);
            }
        });
        let mut expected = Snapshot::new();
        histogram.windows_into(&mut expected, wanted, || ());
        assert_eq!(view, expected);
    }
}

#[test]
fn a_reader_that_gives_up_reports_no_sample_twice_and_bounds_that_hold() {
    for (wanted, count) in [(ACTIVE, 1), (CLOSED, 1), (BOTH, 2)] {
        let histogram = LatencyHistogram::new();
        // Falling latencies: totals of a later window are too low for the counts of an earlier one.
        let mut latency_ns = 90_000_000;
        let mut view = Snapshot::new();
        histogram.windows_into(&mut view, wanted, || {
            for _ in 0..3 {
                histogram.record(latency_ns);
                histogram.swap_window();
                latency_ns -= 1_000_000;
            }
        });
        assert_eq!(view.count(), count);
        assert_eq!(view.max_ns(), Some(90_000_000));
        assert!(view.sum_ns() <= count * 90_000_000, "{view:?}");
    }
}
