//! The text format of Prometheus, version 0.0.4.

use std::fmt::{self, Write};

use crate::family::{Family, Label, Point, Type, Value, seconds};
use crate::reading::{Durations, Metrics};

/// What an HTTP server says of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Writes all families as text. Ends with a line feed.
///
/// ```
/// let metrics = aura_metrics::Metrics { spills: 7, ..Default::default() };
/// let mut text = String::new();
/// aura_metrics::prometheus::render(&metrics, &mut text).expect("a string takes everything");
/// assert!(text.contains("\naura_ring_spills_total 7\n"));
/// ```
///
/// # Errors
///
/// Those of the writer.
pub fn render(metrics: &Metrics, out: &mut impl Write) -> fmt::Result {
    metrics.families().iter().try_for_each(|family| family_into(family, out))
}

fn family_into(family: &Family<'_>, out: &mut impl Write) -> fmt::Result {
    let kind = match family.kind {
        Type::Counter => "counter",
        // The format has no word for an info.
        Type::Gauge | Type::Info => "gauge",
        Type::Histogram => "histogram",
    };
    writeln!(out, "# HELP {} {}", family.name, Escaped(family.help))?;
    writeln!(out, "# TYPE {} {kind}", family.name)?;
    family.points.iter().try_for_each(|point| point_into(family.name, point, out))
}

fn point_into(name: &str, point: &Point<'_>, out: &mut impl Write) -> fmt::Result {
    let labels = &point.labels;
    match point.value {
        Value::Integer(number) => writeln!(out, "{name}{} {number}", Labels(labels, None)),
        Value::Float(number) => writeln!(out, "{name}{} {number}", Labels(labels, None)),
        Value::Durations(durations) => durations_into(name, labels, durations, out),
    }
}

fn durations_into(
    name: &str,
    labels: &[Label],
    durations: &Durations,
    out: &mut impl Write,
) -> fmt::Result {
    for (bound_ns, count) in durations.cumulative() {
        writeln!(out, "{name}_bucket{} {count}", Labels(labels, Some(seconds(bound_ns))))?;
    }
    let count = durations.count();
    writeln!(out, "{name}_bucket{} {count}", Labels(labels, Some(f64::INFINITY)))?;
    writeln!(out, "{name}_sum{} {}", Labels(labels, None), seconds(durations.sum_ns))?;
    writeln!(out, "{name}_count{} {count}", Labels(labels, None))
}

/// Labels in braces, with the bound of a bucket if there is one.
struct Labels<'a>(&'a [Label], Option<f64>);

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = '{';
        for label in self.0 {
            write!(f, "{before}{}=\"{}\"", label.name, Escaped(&label.value))?;
            before = ',';
        }
        match self.1 {
            None => {}
            Some(bound) if bound.is_infinite() => write!(f, "{before}le=\"+Inf\"")?,
            Some(bound) => write!(f, "{before}le=\"{bound}\"")?,
        }
        if self.0.is_empty() && self.1.is_none() { Ok(()) } else { f.write_char('}') }
    }
}

/// As the format wants values of labels; help texts are read alike, quotes apart, which ours have
/// none of.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                plain => f.write_char(plain)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_bounds_come_last() {
        let labels = [Label::new("op", "a\\b\"c\nd")];
        assert_eq!(Labels(&labels, None).to_string(), "{op=\"a\\\\b\\\"c\\nd\"}");
        assert_eq!(Labels(&[], Some(5e-6)).to_string(), "{le=\"0.000005\"}");
        assert!(Labels(&labels, Some(f64::INFINITY)).to_string().ends_with(",le=\"+Inf\"}"));
        assert_eq!(Labels(&[], None).to_string(), "");
    }
}
