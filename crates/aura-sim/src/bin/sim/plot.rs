//! A run of the controller as a picture: limit and in-flight, p99, throughput.

use aura_aimd::Phase;
use aura_sim::catalogue::{Contender, Prepared, Scenario};
use aura_sim::{MS, Trace};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use std::error::Error;
use std::path::Path;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Outcome = Result<(), Box<dyn Error>>;
/// Seconds, and whatever the panel shows.
type Points = Vec<(f64, f64)>;

const LIMIT: RGBColor = RGBColor(31, 90, 166);
const OBSERVED: RGBColor = RGBColor(140, 140, 140);
const GOAL: RGBColor = RGBColor(200, 40, 40);

/// Draws the first seed's run into a file.
pub(crate) fn draw(path: &Path, scenario: &Scenario, prepared: &Prepared) -> Outcome {
    let trace = prepared.trace(Contender::Controller, 1);
    let root = SVGBackend::new(path, (1_000, 900)).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.titled(
        &format!("{}: {}", scenario.name, scenario.about),
        ("sans-serif", 20).into_font(),
    )?;
    let panels = root.split_evenly((3, 1));
    if let [limits, latency, throughput] = panels.as_slice() {
        draw_limits(limits, &trace)?;
        draw_latency(latency, &trace, prepared.target_p99_ns())?;
        draw_throughput(throughput, &trace, prepared)?;
    }
    root.present()?;
    Ok(())
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// A line, and its name in the legend unless it continues another.
struct Line {
    name: Option<&'static str>,
    color: RGBColor,
    points: Points,
}

/// Smallest positive and largest value of some lines.
fn extremes(lines: &[Line]) -> (f64, f64) {
    let values = || lines.iter().flat_map(|line| line.points.iter().map(|point| point.1));
    let low = values().filter(|&value| value > 0.0).fold(f64::INFINITY, f64::min).min(1e9);
    (low, values().fold(low * 2.0, f64::max))
}

/// A range whose parts are equally far apart if their ratios are equal.
fn logarithmic((low, high): (f64, f64)) -> LogCoord<f64> {
    (low * 0.8..high * 1.25).log_scale().into()
}

/// Lines over time, and marks on them.
fn panel<Y>(
    area: &Area<'_>,
    (trace, unit, range): (&Trace, &str, Y),
    lines: Vec<Line>,
    marks: Vec<(Phase, Points)>,
) -> Outcome
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let low = extremes(&lines).0;
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .margin_right(24)
        .x_label_area_size(30)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..seconds(trace.duration_ns), range)?;
    chart
        .configure_mesh()
        .x_desc("seconds")
        .y_desc(unit)
        .y_labels(8)
        .light_line_style(WHITE)
        .draw()?;
    for Line { name, color, points } in lines {
        let points = points.into_iter().map(|(x, y)| (x, y.max(low)));
        let series = chart.draw_series(LineSeries::new(points, color.stroke_width(2)))?;
        let Some(name) = name else { continue };
        series
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
    }
    for (phase, points) in marks {
        let color = color(phase);
        chart
            .draw_series(points.into_iter().map(|at| Circle::new(at, 4, color.filled())))?
            .label(phase.name())
            .legend(move |(x, y)| Circle::new((x + 8, y), 4, color.filled()));
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

fn draw_limits(area: &Area<'_>, trace: &Trace) -> Outcome {
    let steps = &trace.steps;
    let mut limit: Points = Vec::new();
    for step in steps {
        let at_s = seconds(step.at_ns);
        limit.extend(limit.last().map(|before| (at_s, before.1))); // A limit holds until the next.
        limit.push((at_s, f64::from(step.decision.limit)));
    }
    let in_flight = steps.iter().map(|s| (seconds(s.at_ns), s.window.in_flight_avg)).collect();
    let lines = vec![
        Line { name: Some("in-flight"), color: OBSERVED, points: in_flight },
        Line { name: Some("limit"), color: LIMIT, points: limit },
    ];
    // Decisions that changed the limit, by the phase they led to.
    let marks = (0..7).filter_map(Phase::from_i32).map(|phase| {
        let changes = steps.iter().filter(|s| s.decision.limit_changed);
        let of_phase = changes.filter(|s| s.decision.phase == phase);
        let points: Points =
            of_phase.map(|s| (seconds(s.at_ns), f64::from(s.decision.limit))).collect();
        (phase, points)
    });
    let marks = marks.filter(|(_, points)| !points.is_empty()).collect();
    let range = logarithmic(extremes(&lines));
    panel(area, (trace, "operations", range), lines, marks)
}

fn draw_latency(area: &Area<'_>, trace: &Trace, target_ns: Option<u64>) -> Outcome {
    let known = trace.steps.iter().filter(|s| s.window.latency.samples > 0);
    let p99 = known.map(|s| (seconds(s.at_ns), s.window.latency.p99_ns as f64 / 1e6)).collect();
    let mut lines = vec![Line { name: Some("p99 of the window"), color: LIMIT, points: p99 }];
    if let Some(target_ns) = target_ns {
        let target_ms = target_ns as f64 / 1e6;
        let points = vec![(0.0, target_ms), (seconds(trace.duration_ns), target_ms)];
        lines.push(Line { name: Some("target"), color: GOAL, points });
    }
    let range = logarithmic(extremes(&lines));
    panel(area, (trace, "milliseconds", range), lines, Vec::new())
}

fn draw_throughput(area: &Area<'_>, trace: &Trace, prepared: &Prepared) -> Outcome {
    // Not by window: the first one after a change is a round of the fastest operations.
    let step_ns = (trace.duration_ns / 400).max(20 * MS);
    let slices = (0..trace.duration_ns / step_ns).map(|index| index * step_ns);
    let points = slices.map(|at_ns| (seconds(at_ns), trace.rate(at_ns, at_ns + step_ns))).collect();
    let mut lines = vec![Line { name: Some("throughput"), color: LIMIT, points }];
    let mut name = Some("best fixed depth");
    for (from_ns, to_ns, best) in prepared.spans() {
        let Some(rate) = best else { continue };
        let points = vec![(seconds(from_ns), rate), (seconds(to_ns), rate)];
        lines.push(Line { name: name.take(), color: GOAL, points });
    }
    let range = 0.0..extremes(&lines).1 * 1.25;
    panel(area, (trace, "operations/s", range), lines, Vec::new())
}

fn color(phase: Phase) -> RGBColor {
    match phase {
        Phase::Baseline => RGBColor(120, 60, 160),
        Phase::Probing => RGBColor(230, 150, 20),
        Phase::Steady => RGBColor(40, 150, 90),
        Phase::Backoff => RGBColor(200, 40, 40),
        Phase::Settling => RGBColor(90, 170, 210),
        Phase::Converged => RGBColor(20, 100, 50),
        Phase::Passthrough => RGBColor(60, 60, 60),
    }
}
