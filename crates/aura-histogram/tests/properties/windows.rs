//! The histogram against a plain list of windows, on one thread, where every view must be exact.

use aura_histogram::{LatencyHistogram, Snapshot};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::any_latency_ns;

#[derive(Clone, Copy, Debug)]
enum Step {
    Record(u64),
    RecordCumulativeOnly(u64),
    Swap,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any_latency_ns().prop_map(Step::Record),
        1 => any_latency_ns().prop_map(Step::RecordCumulativeOnly),
        2 => Just(Step::Swap),
    ]
}

/// What the histogram ought to contain.
#[derive(Default)]
struct Model {
    cumulative: Snapshot,
    closed: Snapshot,
    active: Snapshot,
}

fn apply(step: Step, histogram: &LatencyHistogram, model: &mut Model) {
    match step {
        Step::Record(ns) => {
            histogram.record(ns);
            model.active.record_ns(ns);
            model.cumulative.record_ns(ns);
        }
        Step::RecordCumulativeOnly(ns) => {
            histogram.record_cumulative_only(ns);
            model.cumulative.record_ns(ns);
        }
        Step::Swap => {
            histogram.swap_window();
            model.closed = std::mem::take(&mut model.active);
        }
    }
}

fn merged(one: &Snapshot, other: &Snapshot) -> Snapshot {
    let mut both = one.clone();
    both.merge(other);
    both
}

proptest! {
    #[test]
    fn every_view_is_what_was_recorded(steps in vec(any_step(), 0..300)) {
        let histogram = LatencyHistogram::new();
        let mut model = Model::default();
        for step in steps {
            apply(step, &histogram, &mut model);
            prop_assert_eq!(&histogram.window(), &model.active);
            prop_assert_eq!(&histogram.closed_window(), &model.closed);
        }
        prop_assert_eq!(histogram.recent(), merged(&model.closed, &model.active));
        prop_assert_eq!(histogram.cumulative(), model.cumulative);
    }

    #[test]
    fn cumulative_is_the_sum_of_all_windows(steps in vec(any_step(), 0..300)) {
        let histogram = LatencyHistogram::new();
        let mut left_out = Snapshot::new();
        let mut windows = Snapshot::new();
        for step in steps {
            apply(step, &histogram, &mut Model::default());
            match step {
                Step::Swap => histogram.closed_window_into(&mut windows),
                Step::RecordCumulativeOnly(ns) => left_out.record_ns(ns),
                Step::Record(_) => {}
            }
        }
        histogram.window_into(&mut windows);
        prop_assert_eq!(histogram.cumulative(), merged(&windows, &left_out));
    }

    #[test]
    fn into_forms_add_to_what_is_there(
        already in vec(any_latency_ns(), 0..20),
        steps in vec(any_step(), 0..100),
    ) {
        let mut before = Snapshot::new();
        already.iter().for_each(|&ns| before.record_ns(ns));
        let histogram = LatencyHistogram::new();
        steps.into_iter().for_each(|step| apply(step, &histogram, &mut Model::default()));

        let added = |add: fn(&LatencyHistogram, &mut Snapshot)| {
            let mut snapshot = before.clone();
            add(&histogram, &mut snapshot);
            snapshot
        };
        let expected = |view: Snapshot| merged(&before, &view);
        prop_assert_eq!(added(LatencyHistogram::cumulative_into), expected(histogram.cumulative()));
        prop_assert_eq!(added(LatencyHistogram::window_into), expected(histogram.window()));
        prop_assert_eq!(added(LatencyHistogram::closed_window_into), expected(histogram.closed_window()));
        prop_assert_eq!(added(LatencyHistogram::recent_into), expected(histogram.recent()));
    }
}

#[test]
fn closed_window_is_readable_until_the_next_swap_and_then_forgotten() {
    let histogram = LatencyHistogram::new();
    histogram.record(42_000);
    histogram.swap_window();
    let closed = histogram.closed_window();
    assert_eq!((closed.count(), closed.bucket(4), closed.max_ns()), (1, 1, Some(42_000)));
    histogram.record(1_000);
    assert_eq!(histogram.closed_window(), closed);
    histogram.swap_window();
    histogram.swap_window();
    assert!(histogram.recent().is_empty());
    assert_eq!(histogram.cumulative().count(), 2);
}

#[test]
fn absurd_latencies_are_counted_and_spoil_nothing_but_the_sum() {
    let histogram = LatencyHistogram::new();
    (0..3).for_each(|_| histogram.record(u64::MAX));
    let snapshot = histogram.cumulative();
    assert_eq!((snapshot.count(), snapshot.overflow()), (3, 3));
    assert_eq!(snapshot.percentile(50.0).unwrap().upper_us, None);
    // The running sum has wrapped; a window that opens after that is not affected.
    histogram.swap_window();
    histogram.record(7);
    assert_eq!((histogram.window().sum_ns(), histogram.window().max_ns()), (7, Some(7)));
}
