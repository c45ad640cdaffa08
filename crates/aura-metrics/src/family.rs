//! Metrics as every monitoring system wants them: families of points that differ by labels.

use crate::reading::{Durations, Metrics};

/// Points of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family<'a> {
    /// The name in Prometheus, with its unit and `_total`.
    pub name: &'static str,
    /// The name in OpenTelemetry, or `None` where that has resource attributes instead.
    pub otel_name: Option<&'static str>,
    /// The unit in OpenTelemetry (UCUM).
    pub otel_unit: &'static str,
    /// What it means, in one sentence.
    pub help: &'static str,
    /// What the numbers are.
    pub kind: Type,
    /// The points. A family without any is announced all the same.
    pub points: Vec<Point<'a>>,
}

/// What the numbers of a family are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Counts, which only rise.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Durations.
    Histogram,
    /// Always 1; what it says is in the labels.
    Info,
}

/// One number (or histogram) of a family.
#[derive(Clone, Debug, PartialEq)]
pub struct Point<'a> {
    /// What distinguishes it from the others.
    pub labels: Vec<Label>,
    /// The number.
    pub value: Value<'a>,
}

/// Name and value of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its name in Prometheus.
    pub name: &'static str,
    /// Its name in OpenTelemetry.
    pub otel_name: &'static str,
    /// Its value. May be any text.
    pub value: String,
}

impl Label {
    /// A label that has the same name everywhere.
    pub(crate) fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, otel_name: name, value: value.into() }
    }
}

/// The number of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A count.
    Integer(u64),
    /// A quantity; always finite.
    Float(f64),
    /// Durations, which are exported in seconds.
    Durations(&'a Durations),
}

impl Metrics {
    /// All families, in a fixed order.
    ///
    /// ```
    /// let metrics = aura_metrics::Metrics { read_bytes: 4096, ..Default::default() };
    /// let families = metrics.families();
    /// let bytes = families.iter().find(|family| family.name == "aura_io_bytes_total");
    /// let bytes = bytes.expect("is always there");
    /// assert_eq!(bytes.otel_name, Some("aura.io.bytes"));
    /// assert_eq!(bytes.points[0].value, aura_metrics::Value::Integer(4096));
    /// ```
    #[must_use]
    pub fn families(&self) -> Vec<Family<'_>> {
        crate::catalogue::families(self)
    }
}

/// Nanoseconds as seconds.
pub(crate) fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
