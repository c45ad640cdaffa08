//! An OTLP export request for metrics, in its JSON encoding.
//!
//! As the protocol's mapping has it: names in lowerCamelCase, 64-bit integers as strings, enumerations
//! as numbers. Counters and histograms are cumulative since the engine was created.

use std::fmt::{self, Write};

use crate::buckets::BOUNDS_NS;
use crate::family::{Family, Label, Point, Type, Value, seconds};
use crate::json::{Text, list};
use crate::reading::{Durations, Metrics};

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u32 = 2;

/// Writes the body of a POST to `/v1/metrics`.
///
/// ```
/// let metrics = aura_metrics::Metrics { spills: 7, ..Default::default() };
/// let mut text = String::new();
/// aura_metrics::otlp_json::render(&metrics, &mut text).expect("a string takes everything");
/// assert!(text.contains(r#""asInt":"7""#));
/// ```
///
/// # Errors
///
/// Those of the writer.
pub fn render(metrics: &Metrics, out: &mut impl Write) -> fmt::Result {
    let families = metrics.families();
    out.write_str(r#"{"resourceMetrics":[{"resource":{"attributes":["#)?;
    // A service that wants its own name has it put there by the collector, or uses the Rust exporter.
    let resource = [
        ("service.name", "aura"),
        ("telemetry.sdk.name", "aura"),
        ("telemetry.sdk.version", metrics.version),
        ("aura.metrics.schema.version", crate::SCHEMA_VERSION),
    ];
    list(out, resource, |out, (key, value)| attribute_into(key, value, out))?;
    let version = Text(metrics.version);
    write!(
        out,
        r#"]}},"scopeMetrics":[{{"scope":{{"name":"aura","version":{version}}},"metrics":["#
    )?;
    let named = families.iter().filter_map(|family| Some((family.otel_name?, family)));
    list(out, named, |out, (name, family)| family_into(metrics, name, family, out))?;
    out.write_str("]}]}]}")
}

fn attribute_into(key: &str, value: &str, out: &mut impl Write) -> fmt::Result {
    write!(out, r#"{{"key":{},"value":{{"stringValue":{}}}}}"#, Text(key), Text(value))
}

fn family_into(
    metrics: &Metrics,
    name: &str,
    family: &Family<'_>,
    out: &mut impl Write,
) -> fmt::Result {
    let (help, unit) = (Text(family.help), Text(family.otel_unit));
    write!(out, r#"{{"name":{},"description":{help},"unit":{unit},"#, Text(name))?;
    let cumulative = format_args!(r#""aggregationTemporality":{CUMULATIVE},"#).to_string();
    match family.kind {
        Type::Counter => write!(out, r#""sum":{{{cumulative}"isMonotonic":true,"#)?,
        Type::Histogram => write!(out, r#""histogram":{{{cumulative}"#)?,
        Type::Gauge | Type::Info => out.write_str(r#""gauge":{"#)?,
    }
    out.write_str(r#""dataPoints":["#)?;
    list(out, &family.points, |out, point| point_into(metrics, point, out))?;
    out.write_str("]}}")
}

fn point_into(metrics: &Metrics, point: &Point<'_>, out: &mut impl Write) -> fmt::Result {
    out.write_str(r#"{"attributes":["#)?;
    list(out, &point.labels, |out, Label { otel_name, value, .. }| {
        attribute_into(otel_name, value, out)
    })?;
    let Metrics { started_unix_ns, taken_unix_ns, .. } = metrics;
    write!(out, r#"],"startTimeUnixNano":"{started_unix_ns}","timeUnixNano":"{taken_unix_ns}","#)?;
    match point.value {
        Value::Integer(number) => write!(out, r#""asInt":"{number}""#)?,
        Value::Float(number) => write!(out, r#""asDouble":{number}"#)?,
        Value::Durations(durations) => durations_into(durations, out)?,
    }
    out.write_char('}')
}

fn durations_into(durations: &Durations, out: &mut impl Write) -> fmt::Result {
    let (count, sum) = (durations.count(), seconds(durations.sum_ns));
    write!(out, r#""count":"{count}","sum":{sum},"bucketCounts":["#)?;
    list(out, durations.counts, |out, count| write!(out, "\"{count}\""))?;
    out.write_str(r#"],"explicitBounds":["#)?;
    list(out, BOUNDS_NS, |out, bound_ns| write!(out, "{}", seconds(bound_ns)))?;
    out.write_char(']')
}
