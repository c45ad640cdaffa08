//! Pictures of a made-up run.

use std::time::Duration;

use super::*;
use crate::job::PerDirection;
use crate::watch::{SweepPoint, TracePoint};

/// A run with a search.
fn run() -> Trace {
    let ms = Duration::from_millis;
    let phases = ["BASELINE", "PROBING", "PROBING", "BACKOFF", "SETTLING", "STEADY", "CONVERGED"];
    let points = (0..60_u32).map(|index| TracePoint {
        elapsed: ms(u64::from(index) * 50),
        limit: [4, 8, 16, 64, 32, 40, 42][(index / 3).min(6) as usize],
        in_flight: index.min(42),
        p99: Duration::from_micros(300 + u64::from(index % 7) * 100),
        ios_per_s: 20_000.0 + f64::from(index) * 300.0,
        phase: phases[(index / 3).min(6) as usize],
    });
    let percentiles = [1.0, 50.0, 90.0, 99.0, 99.9, 99.99];
    let percentiles = percentiles.iter().zip([80, 120, 300, 700, 1500, 4000]);
    let job = JobTrace {
        name: "seek & find".to_owned(),
        target: Some(ms(2)),
        points: points.collect(),
        answer: Some(point(42, 36_000.0, 900, false)),
        answered_after: Some(ms(1200)),
        percentiles: PerDirection {
            read: percentiles.map(|(percent, us)| (*percent, Duration::from_micros(us))).collect(),
            write: Vec::new(),
        },
    };
    Trace { jobs: vec![job], sweep: Vec::new() }
}

fn sweep() -> Trace {
    let sweep = vec![
        point(1, 9_000.0, 150, false),
        point(4, 22_000.0, 300, false),
        point(16, 34_000.0, 700, true),
        point(64, 36_500.0, 3_000, false),
    ];
    Trace { sweep, ..run() }
}

fn point(depth: u32, ios_per_s: f64, p99_us: u64, knee: bool) -> SweepPoint {
    let p99 = Duration::from_micros(p99_us);
    SweepPoint { depth, ios_per_s, bytes_per_s: ios_per_s * 4096.0, p99, knee }
}

/// Draws the trace; returns the picture's source.
fn drawn(trace: &Trace) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.svg");
    draw(&path, trace).unwrap();
    let picture = std::fs::read_to_string(&path).unwrap();
    assert!(picture.trim_end().ends_with("</svg>"));
    picture
}

#[test]
fn each_panel_says_what_it_shows() {
    let picture = drawn(&run());
    for expected in [
        "seek &amp; find",
        "target 2.00ms",
        "answer after 1.2 s: depth 42",
        "backoff",
        "percent of the I/Os",
    ] {
        assert!(picture.contains(expected), "{expected}");
    }
}

#[test]
fn a_sweep_is_one_curve_with_its_knee() {
    let picture = drawn(&sweep());
    assert!(
        picture.contains("Throughput and latency by depth") && picture.contains("knee: depth 16")
    );
    assert!(
        !picture.contains("percent of the I/Os"),
        "jobs of a sweep have no panels of their own"
    );
}

#[test]
fn nothing_to_draw_and_no_place_for_it_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let error = draw(&folder.path().join("empty.svg"), &Trace::default()).unwrap_err();
    assert!(error.to_string().contains("too short"), "{error}");
    let error = draw(&folder.path().join("no/such/place.svg"), &run()).unwrap_err();
    assert!(error.to_string().contains("place.svg"), "{error}");
}
