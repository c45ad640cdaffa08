//! The table of metrics: what each is called, in which unit, and which points it has.

use crate::family::{Family, Label, Point, Type, Value, seconds};
use crate::reading::{Metrics, Operations};
use crate::{SCHEMA_STABILITY, SCHEMA_VERSION};

/// Kinds whose histogram is there before the first such operation.
const ALWAYS: [&str; 2] = ["read", "write"];

pub(crate) fn families(metrics: &Metrics) -> Vec<Family<'_>> {
    vec![
        Family {
            name: "aura_io_operations_total",
            otel_name: Some("aura.io.operations"),
            otel_unit: "{operation}",
            help: "Operations completed, failed ones included.",
            kind: Type::Counter,
            points: by_kind(metrics, |operations| operations.durations.count()),
        },
        Family {
            name: "aura_io_errors_total",
            otel_name: Some("aura.io.errors"),
            otel_unit: "{operation}",
            help: "Operations that failed or were cancelled.",
            kind: Type::Counter,
            points: by_kind(metrics, |operations| operations.errors),
        },
        Family {
            name: "aura_io_bytes_total",
            otel_name: Some("aura.io.bytes"),
            otel_unit: "By",
            help: "Bytes moved by operations that completed.",
            kind: Type::Counter,
            points: bytes(metrics),
        },
        Family {
            name: "aura_io_duration_seconds",
            otel_name: Some("aura.io.duration"),
            otel_unit: "s",
            help: "Time from giving an operation to the kernel until its completion was taken.",
            kind: Type::Histogram,
            points: durations(metrics),
        },
        Family {
            name: "aura_inflight_operations",
            otel_name: Some("aura.inflight"),
            otel_unit: "{operation}",
            help: "Operations that the kernel has at the moment.",
            kind: Type::Gauge,
            points: by_ring(metrics, |ring| ring.in_flight),
        },
        Family {
            name: "aura_inflight_limit_operations",
            otel_name: Some("aura.inflight_limit"),
            otel_unit: "{operation}",
            help: "Operations that the kernel may have: the ring's share of the limit in force.",
            kind: Type::Gauge,
            points: by_ring(metrics, |ring| ring.limit.into()),
        },
        Family {
            name: "aura_latency_target_seconds",
            otel_name: Some("aura.latency_target"),
            otel_unit: "s",
            help: "Latency that the controller keeps 99 % of reads and writes under: \
                   the target that was set, else its own guard; 0 without a controller.",
            kind: Type::Gauge,
            points: one(Value::Float(metrics.latency_target_ns.map_or(0.0, seconds))),
        },
        Family {
            name: "aura_controller_adjustments_total",
            otel_name: Some("aura.controller.adjustments"),
            otel_unit: "{adjustment}",
            help: "Changes of the in-flight limit.",
            kind: Type::Counter,
            points: adjustments(metrics),
        },
        Family {
            name: "aura_controller_phase",
            otel_name: Some("aura.controller.phase"),
            otel_unit: "1",
            help: "1 for the phase that the controller is in, 0 for the others.",
            kind: Type::Gauge,
            points: phases(metrics),
        },
        Family {
            name: "aura_ring_spills_total",
            otel_name: Some("aura.ring.spills"),
            otel_unit: "{operation}",
            help: "Submissions that went to another ring because that of the CPU was congested.",
            kind: Type::Counter,
            points: one(Value::Integer(metrics.spills)),
        },
        Family {
            name: "aura_bufferpool_bytes",
            otel_name: Some("aura.bufferpool.bytes"),
            otel_unit: "By",
            help: "Bytes of the pool's buffers that are handed out.",
            kind: Type::Gauge,
            points: one(Value::Integer(metrics.pool_bytes)),
        },
        Family {
            name: "aura_engine_fatal_errno",
            otel_name: Some("aura.engine.fatal_errno"),
            otel_unit: "1",
            help: "The errno that made the engine unusable, 0 while it works.",
            kind: Type::Gauge,
            points: one(Value::Integer(metrics.fatal_errno.max(0) as u64)),
        },
        Family {
            name: "aura_build_info",
            otel_name: None,
            otel_unit: "",
            help: "The version of the library.",
            kind: Type::Info,
            points: info(vec![Label::new("version", metrics.version)]),
        },
        Family {
            name: "aura_metrics_schema_info",
            otel_name: None,
            otel_unit: "",
            help: "The version of these names and meanings.",
            kind: Type::Info,
            points: info(vec![
                Label::new("version", SCHEMA_VERSION),
                Label::new("stability", SCHEMA_STABILITY),
            ]),
        },
    ]
}

fn one(value: Value<'_>) -> Vec<Point<'_>> {
    vec![Point { labels: Vec::new(), value }]
}

fn info<'a>(labels: Vec<Label>) -> Vec<Point<'a>> {
    vec![Point { labels, value: Value::Integer(1) }]
}

fn by_kind(metrics: &Metrics, count: fn(&Operations) -> u64) -> Vec<Point<'_>> {
    let point = |operations: &Operations| Point {
        labels: vec![Label::new("op", operations.kind)],
        value: Value::Integer(count(operations)),
    };
    metrics.operations.iter().map(point).collect()
}

/// Of the kinds that occur: a histogram is long.
fn durations(metrics: &Metrics) -> Vec<Point<'_>> {
    let occurs = |operations: &&Operations| {
        ALWAYS.contains(&operations.kind) || operations.durations.count() > 0
    };
    metrics.operations.iter().filter(occurs).map(duration).collect()
}

fn duration(operations: &Operations) -> Point<'_> {
    Point {
        labels: vec![Label::new("op", operations.kind)],
        value: Value::Durations(&operations.durations),
    }
}

fn bytes(metrics: &Metrics) -> Vec<Point<'_>> {
    let point = |direction: &str, bytes| Point {
        // OpenTelemetry has a conventional name for this one.
        labels: vec![Label {
            otel_name: "disk.io.direction",
            ..Label::new("direction", direction)
        }],
        value: Value::Integer(bytes),
    };
    vec![point("read", metrics.read_bytes), point("write", metrics.written_bytes)]
}

fn by_ring(metrics: &Metrics, number: fn(&crate::Ring) -> u64) -> Vec<Point<'_>> {
    let point = |(index, ring): (usize, &crate::Ring)| Point {
        labels: vec![Label::new("ring", index.to_string())],
        value: Value::Integer(number(ring)),
    };
    metrics.rings.iter().enumerate().map(point).collect()
}

fn adjustments(metrics: &Metrics) -> Vec<Point<'_>> {
    let point = |adjustment: &crate::Adjustment| Point {
        labels: vec![
            Label::new("direction", adjustment.direction),
            Label::new("reason", adjustment.reason),
        ],
        value: Value::Integer(adjustment.count),
    };
    metrics.adjustments.iter().map(point).collect()
}

/// The controller is the engine's, so all rings are in the same phase; they have the label so that it can
/// be joined with what is in flight.
fn phases(metrics: &Metrics) -> Vec<Point<'_>> {
    let rings = 0..metrics.rings.len();
    let point = |ring: usize, phase: &'static str| Point {
        labels: vec![Label::new("ring", ring.to_string()), Label::new("phase", phase)],
        value: Value::Integer(u64::from(phase == metrics.phase)),
    };
    rings.flat_map(|ring| metrics.phases.iter().map(move |phase| point(ring, phase))).collect()
}
