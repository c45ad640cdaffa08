//! The two text forms say the same as the reading they are made from.

use aura_metrics::{Adjustment, Metrics, Operations, Ring, otlp_json, prometheus};
use serde_json::Value;

fn sample() -> Metrics {
    let mut read = Operations::new("read");
    read.durations.counts[5] = 90;
    read.durations.counts[22] = 10;
    (read.durations.sum_ns, read.errors) = (123_456_789, 3);
    Metrics {
        version: "0.5.0",
        started_unix_ns: 1_700_000_000_000_000_001,
        taken_unix_ns: 1_700_000_009_000_000_002,
        operations: vec![read, Operations::new("write"), Operations::new("fsync")],
        read_bytes: u64::MAX,
        written_bytes: 11,
        rings: vec![Ring { in_flight: 2, limit: 8 }, Ring { in_flight: 0, limit: 9 }],
        latency_target_ns: Some(5_000_000),
        phases: &["PROBING", "STEADY"],
        phase: "STEADY",
        adjustments: vec![Adjustment { direction: "up", reason: "gain continues", count: 4 }],
        spills: 21,
        pool_bytes: 65_536,
        fatal_errno: 0,
    }
}

#[test]
fn prometheus_text_has_every_number() {
    let mut text = String::new();
    prometheus::render(&sample(), &mut text).unwrap();
    for line in [
        "# TYPE aura_io_operations_total counter",
        "aura_io_operations_total{op=\"read\"} 100",
        "aura_io_operations_total{op=\"fsync\"} 0",
        "aura_io_errors_total{op=\"read\"} 3",
        "aura_io_bytes_total{direction=\"read\"} 18446744073709551615",
        "aura_io_bytes_total{direction=\"write\"} 11",
        "# TYPE aura_io_duration_seconds histogram",
        "aura_io_duration_seconds_bucket{op=\"read\",le=\"0.00002\"} 0",
        "aura_io_duration_seconds_bucket{op=\"read\",le=\"0.00005\"} 90",
        "aura_io_duration_seconds_bucket{op=\"read\",le=\"10\"} 90",
        "aura_io_duration_seconds_bucket{op=\"read\",le=\"+Inf\"} 100",
        "aura_io_duration_seconds_sum{op=\"read\"} 0.123456789",
        "aura_io_duration_seconds_count{op=\"read\"} 100",
        "aura_io_duration_seconds_count{op=\"write\"} 0",
        "aura_inflight_operations{ring=\"0\"} 2",
        "aura_inflight_limit_operations{ring=\"1\"} 9",
        "aura_latency_target_seconds 0.005",
        "aura_controller_adjustments_total{direction=\"up\",reason=\"gain continues\"} 4",
        "aura_controller_phase{ring=\"1\",phase=\"STEADY\"} 1",
        "aura_controller_phase{ring=\"1\",phase=\"PROBING\"} 0",
        "aura_ring_spills_total 21",
        "aura_bufferpool_bytes 65536",
        "aura_engine_fatal_errno 0",
        "aura_build_info{version=\"0.5.0\"} 1",
        "aura_metrics_schema_info{version=\"v0\",stability=\"experimental\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("duration_seconds_count{op=\"fsync\"}"), "no fsync has occurred");
}

#[test]
fn otlp_json_has_every_number() {
    let mut text = String::new();
    otlp_json::render(&sample(), &mut text).unwrap();
    let request: Value = serde_json::from_str(&text).expect("valid JSON");
    let scope = &request["resourceMetrics"][0]["scopeMetrics"][0];
    let metrics = scope["metrics"].as_array().unwrap();
    let metric = |name: &str| metrics.iter().find(|metric| metric["name"] == name).unwrap();

    let operations = &metric("aura.io.operations")["sum"];
    assert_eq!(
        (&operations["aggregationTemporality"], &operations["isMonotonic"]),
        (&2.into(), &true.into())
    );
    let read = &operations["dataPoints"][0];
    assert_eq!((&read["asInt"], &read["attributes"][0]["key"]), (&"100".into(), &"op".into()));
    assert_eq!(read["startTimeUnixNano"], "1700000000000000001");
    assert_eq!(read["timeUnixNano"], "1700000009000000002");

    let bytes = &metric("aura.io.bytes")["sum"]["dataPoints"][1];
    assert_eq!(bytes["attributes"][0]["key"], "disk.io.direction");
    assert_eq!(bytes["attributes"][0]["value"]["stringValue"], "write");

    let duration = &metric("aura.io.duration");
    assert_eq!(duration["unit"], "s");
    let read = &duration["histogram"]["dataPoints"][0];
    assert_eq!((&read["count"], &read["sum"]), (&"100".into(), &0.123_456_789.into()));
    let (counts, bounds) = (read["bucketCounts"].as_array(), read["explicitBounds"].as_array());
    assert_eq!((counts.unwrap().len(), bounds.unwrap().len()), (23, 22));
    assert_eq!(
        (&read["bucketCounts"][5], &read["explicitBounds"][5]),
        (&"90".into(), &5e-5.into())
    );
    assert_eq!(metric("aura.latency_target")["gauge"]["dataPoints"][0]["asDouble"], 0.005);
    assert!(metrics.iter().all(|metric| metric["name"] != "aura.build_info"));
}

#[test]
fn names_keep_to_the_conventions_of_prometheus() {
    for family in sample().families() {
        let is_counter = family.kind == aura_metrics::Type::Counter;
        assert_eq!(family.name.ends_with("_total"), is_counter, "{}", family.name);
        assert!(family.name.starts_with("aura_") && !family.help.contains(['"', '\\', '\n']));
    }
}
