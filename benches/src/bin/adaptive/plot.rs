//! A recording as a picture: limit and in-flight, p99, throughput.

use std::path::Path;
use std::time::Duration;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use crate::recording::Recording;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Outcome = Result<(), Box<dyn std::error::Error>>;
/// Seconds, and whatever the panel shows.
type Points = Vec<(f64, f64)>;

const LIMIT: RGBColor = RGBColor(31, 90, 166);
const OBSERVED: RGBColor = RGBColor(140, 140, 140);
const GOAL: RGBColor = RGBColor(200, 40, 40);
/// Points per picture: more cannot be told apart.
const POINTS: usize = 400;

pub(crate) fn draw(
    path: &Path,
    title: &str,
    recording: &Recording,
    target: Option<Duration>,
    changes: &[f64],
) -> Outcome {
    let root = SVGBackend::new(path, (1_000, 800)).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.titled(title, ("sans-serif", 20).into_font())?;
    let step = (recording.slices.len() / POINTS).max(2);
    let steps = (0..recording.slices.len() / step).map(|index| index * step..(index + 1) * step);
    let steps: Vec<_> = steps.collect();
    let points = |value: &dyn Fn(&std::ops::Range<usize>) -> f64| -> Points {
        steps.iter().map(|span| (span.start as f64 / 100.0, value(span))).collect()
    };
    let end_s = recording.slices.len() as f64 / 100.0;
    let in_flight = points(&|span| f64::from(recording.slices[span.end - 1].in_flight));
    let mut limits = vec![("in flight", OBSERVED, in_flight)];
    if recording.limit(&recording.all()).is_some() {
        let limit = points(&|span| f64::from(recording.slices[span.end - 1].limit));
        limits.push(("limit", LIMIT, limit));
    }
    let p99 = points(&|span| recording.p99_ns(span) as f64 / 1e6);
    let mut latencies = vec![("p99", LIMIT, p99)];
    if let Some(target) = target {
        let target_ms = target.as_secs_f64() * 1e3;
        latencies.push(("target", GOAL, vec![(0.0, target_ms), (end_s, target_ms)]));
    }
    let throughput = points(&|span| recording.byte_rate(span) / 1e6);
    let throughput = vec![("throughput", LIMIT, throughput)];
    let panels = root.split_evenly((3, 1));
    if let [first, second, third] = panels.as_slice() {
        panel(first, "operations", (end_s, changes), limits, logarithmic)?;
        panel(second, "ms", (end_s, changes), latencies, logarithmic)?;
        panel(third, "MB/s", (end_s, changes), throughput, |_, high| 0.0..high * 1.2)?;
    }
    root.present()?;
    Ok(())
}

/// A range whose parts are equally far apart if their ratios are equal.
fn logarithmic(low: f64, high: f64) -> LogCoord<f64> {
    (low * 0.8..high * 1.25).log_scale().into()
}

/// Lines over time, and vertical ones where conditions changed.
fn panel<Y>(
    area: &Area<'_>,
    unit: &str,
    (end_s, changes): (f64, &[f64]),
    lines: Vec<(&str, RGBColor, Points)>,
    range: impl Fn(f64, f64) -> Y,
) -> Outcome
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let values = || lines.iter().flat_map(|line| line.2.iter().map(|point| point.1));
    let low = values().filter(|&value| value > 0.0).fold(f64::INFINITY, f64::min).min(1e9);
    let high = values().fold(low * 2.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .margin_right(24)
        .x_label_area_size(30)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..end_s, range(low, high))?;
    chart
        .configure_mesh()
        .x_desc("seconds")
        .y_desc(unit)
        .y_labels(8)
        .light_line_style(WHITE)
        .draw()?;
    for &change in changes {
        let line = vec![(change, low), (change, high)];
        chart.draw_series(LineSeries::new(line, BLACK.mix(0.4)))?;
    }
    for (name, color, points) in lines {
        let points = points.into_iter().map(|(x, y)| (x, y.max(low)));
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperMiddle)
        .label_font(("sans-serif", 11))
        .background_style(WHITE.mix(0.8))
        .border_style(OBSERVED)
        .draw()?;
    Ok(())
}
