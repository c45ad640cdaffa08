//! Throughput over latency: one point per depth, the knee, and what a search found.

use plotters::prelude::*;

use super::Outcome;
use super::chart::{
    self, Area, Axis, FOUND, GOAL, Line, Marks, STRONG, extremes, logarithmic, short,
};
use crate::units;
use crate::watch::{SweepPoint, Trace};

/// The curve of the sweep with its depths.
pub(super) fn draw(area: &Area<'_>, trace: &Trace) -> Outcome {
    let place = |point: &SweepPoint| (point.p99.as_secs_f64() * 1e3, point.ios_per_s);
    let points: Vec<_> = trace.sweep.iter().map(place).collect();
    let answers: Vec<_> = trace.jobs.iter().filter_map(|job| job.answer).collect();
    let all = points.iter().copied().chain(answers.iter().map(place));
    let high = all.clone().map(|point| point.1).fold(1.0, f64::max);
    let x = Axis {
        name: "p99, milliseconds",
        range: logarithmic(extremes(all.map(|point| point.0))),
        label: short,
    };
    let y = Axis {
        name: "I/Os per second",
        range: 0.0..high * 1.2,
        label: |value| units::count(*value),
    };
    let texts = trace.sweep.iter().map(|point| point.depth.to_string()).collect();
    let mut marks =
        vec![Marks { name: "depth".to_owned(), color: STRONG, points: points.clone(), texts }];
    marks.extend(trace.sweep.iter().find(|point| point.knee).map(|knee| Marks {
        name: format!(
            "knee: depth {}, {} IOPS, p99 {}",
            knee.depth,
            units::count(knee.ios_per_s),
            units::latency(knee.p99)
        ),
        color: GOAL,
        points: vec![place(knee)],
        texts: Vec::new(),
    }));
    marks.extend(answers.iter().map(|answer| Marks {
        name: format!("found: depth {}, p99 {}", answer.depth, units::latency(answer.p99)),
        color: FOUND,
        points: vec![place(answer)],
        texts: Vec::new(),
    }));
    let line = Line { name: "p99 and IOPS".to_owned(), color: STRONG, points };
    chart::draw(area, (x, y), vec![line], marks, SeriesLabelPosition::LowerRight)
}
