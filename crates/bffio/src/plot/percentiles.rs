//! Latencies by percentile, with as much room for the rarest as for the common ones.

use plotters::prelude::*;

use super::Outcome;
use super::chart::{self, Area, Axis, Line, Points, SECOND, STRONG, extremes, logarithmic};
use crate::watch::JobTrace;

/// Reads and writes, each a line.
pub(super) fn draw(area: &Area<'_>, job: &JobTrace) -> Outcome {
    let lines: Vec<_> =
        [("reads", STRONG, &job.percentiles.read), ("writes", SECOND, &job.percentiles.write)]
            .into_iter()
            .filter(|(.., percentiles)| !percentiles.is_empty())
            .map(|(name, color, percentiles)| Line {
                name: name.to_owned(),
                color,
                points: percentiles
                    .iter()
                    .map(|(percent, latency)| (rarity(*percent), latency.as_secs_f64() * 1e6))
                    .collect::<Points>(),
            })
            .collect();
    let values = lines.iter().flat_map(|line| line.points.iter().map(|point| point.1));
    let y = Axis {
        name: "microseconds",
        range: logarithmic(extremes(values)),
        label: |value| format!("{value:.0}"),
    };
    let rarest = lines.iter().flat_map(|line| line.points.iter().map(|point| point.0));
    let most = rarest.fold(100.0, f64::max);
    let range = (1.0..most).log_scale().with_key_points(rarities(most));
    let x = Axis { name: "percent of the I/Os", range, label: percent };
    chart::draw(area, (x, y), lines, Vec::new(), SeriesLabelPosition::UpperLeft)
}

/// One in how many I/Os takes longer: 1 for 0 %, 10 for 90 %, 100 for 99 %.
fn rarity(percent: f64) -> f64 {
    100.0 / (100.0 - percent.min(99.9999))
}

/// 0 %, 50 %, 90 %, 99 %, 99.9 %, …
fn rarities(most: f64) -> Vec<f64> {
    let tens = (0..6).map(|nines| 10_f64.powi(nines)).filter(|rarity| *rarity <= most);
    tens.chain([rarity(50.0)]).collect()
}

fn percent(rarity: &f64) -> String {
    chart::short(&(100.0 - 100.0 / rarity))
}
