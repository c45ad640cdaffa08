//! A job over time: limit and in-flight with the controller's decisions, p99 with the target, IOPS.

use std::time::Duration;

use plotters::prelude::*;

use super::Outcome;
use super::chart::{
    Area, Axis, FAINT, FOUND, GOAL, Line, Marks, Points, STRONG, draw, extremes, logarithmic, short,
};
use crate::units;
use crate::watch::{JobTrace, TracePoint};

/// Phases of the controller, and their colours.
const PHASES: [(&str, RGBColor); 7] = [
    ("BASELINE", RGBColor(120, 60, 160)),
    ("PROBING", RGBColor(230, 150, 20)),
    ("STEADY", RGBColor(40, 150, 90)),
    ("BACKOFF", RGBColor(200, 40, 40)),
    ("SETTLING", RGBColor(90, 170, 210)),
    ("CONVERGED", RGBColor(20, 100, 50)),
    ("PASSTHROUGH", RGBColor(60, 60, 60)),
];

/// In-flight limit and operations in flight. A dot is a decision: another limit or another phase.
pub(super) fn limit(area: &Area<'_>, job: &JobTrace) -> Outcome {
    let limits = steps(job, |point| f64::from(point.limit));
    let in_flight = series(job, |point| f64::from(point.in_flight));
    let values = limits.iter().chain(&in_flight).map(|point| point.1);
    let axis = Axis { name: "operations", range: logarithmic(extremes(values)), label: short };
    let floor = extremes(limits.iter().chain(&in_flight).map(|point| point.1)).0;
    let lines = vec![
        Line { name: "in flight".to_owned(), color: FAINT, points: raised(in_flight, floor) },
        Line { name: "limit".to_owned(), color: STRONG, points: raised(limits, floor) },
    ];
    draw(area, (time_axis(job), axis), lines, decisions(job), SeriesLabelPosition::UpperRight)
}

/// p99 between two points of the trace, and the target.
pub(super) fn latency(area: &Area<'_>, job: &JobTrace) -> Outcome {
    let p99 = series(job, |point| milliseconds(point.p99))
        .into_iter()
        .filter(|point| point.1 > 0.0)
        .collect::<Points>();
    let mut lines = vec![Line { name: "p99".to_owned(), color: STRONG, points: p99 }];
    if let Some(target) = job.target {
        let level = milliseconds(target);
        let name = format!("target {}", units::latency(target));
        lines.push(Line { name, color: GOAL, points: vec![(0.0, level), (end_s(job), level)] });
    }
    let values = lines.iter().flat_map(|line| line.points.iter().map(|point| point.1));
    let axis = Axis { name: "milliseconds", range: logarithmic(extremes(values)), label: short };
    draw(area, (time_axis(job), axis), lines, Vec::new(), SeriesLabelPosition::LowerRight)
}

/// I/Os per second, and where the search had its answer.
pub(super) fn throughput(area: &Area<'_>, job: &JobTrace) -> Outcome {
    let ios = series(job, |point| point.ios_per_s);
    let high = extremes(ios.iter().map(|point| point.1)).1;
    let lines = vec![Line { name: "IOPS".to_owned(), color: STRONG, points: ios }];
    let found = job.answer.zip(job.answered_after).map(|(answer, after)| Marks {
        name: format!(
            "answer after {:.1} s: depth {}, p99 {}",
            after.as_secs_f64(),
            answer.depth,
            units::latency(answer.p99)
        ),
        color: FOUND,
        points: vec![(after.as_secs_f64(), answer.ios_per_s)],
        texts: Vec::new(),
    });
    let axis = Axis { name: "I/Os per second", range: 0.0..high * 1.25, label: prefixed };
    draw(
        area,
        (time_axis(job), axis),
        lines,
        found.into_iter().collect(),
        SeriesLabelPosition::LowerRight,
    )
}

fn series(job: &JobTrace, value: impl Fn(&TracePoint) -> f64) -> Points {
    job.points.iter().map(|point| (point.elapsed.as_secs_f64(), value(point))).collect()
}

/// As `series`, for what holds until it changes.
fn steps(job: &JobTrace, value: impl Fn(&TracePoint) -> f64) -> Points {
    let mut points = Points::new();
    for (at_s, level) in series(job, value) {
        points.extend(points.last().map(|before| (at_s, before.1)));
        points.push((at_s, level));
    }
    points
}

/// A logarithmic axis has no zero.
fn raised(points: Points, floor: f64) -> Points {
    points.into_iter().map(|(x, y)| (x, y.max(floor))).collect()
}

/// Points at which the limit or the phase is another than before, by the phase they lead to.
fn decisions(job: &JobTrace) -> Vec<Marks> {
    let changes = || {
        let pairs =
            job.points.windows(2).filter_map(|pair| <&[TracePoint; 2]>::try_from(pair).ok());
        pairs.filter(|[before, after]| before.limit != after.limit || before.phase != after.phase)
    };
    let marks = PHASES.iter().map(|(phase, color)| Marks {
        name: phase.to_lowercase(),
        color: *color,
        points: changes()
            .filter(|[_, after]| after.phase == *phase)
            .map(|[_, after]| (after.elapsed.as_secs_f64(), f64::from(after.limit.max(1))))
            .collect(),
        texts: Vec::new(),
    });
    marks.filter(|marks| !marks.points.is_empty()).collect()
}

fn time_axis(job: &JobTrace) -> Axis<std::ops::Range<f64>> {
    Axis { name: "seconds", range: 0.0..end_s(job), label: short }
}

fn end_s(job: &JobTrace) -> f64 {
    job.points.last().map_or(1.0, |point| point.elapsed.as_secs_f64()).max(0.001)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn prefixed(value: &f64) -> String {
    units::count(*value)
}
