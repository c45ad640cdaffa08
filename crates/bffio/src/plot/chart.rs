//! Lines and marks in a frame, as all panels over time have them.

use plotters::coord::Shift;
use plotters::coord::combinators::WithKeyPoints;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use super::Outcome;

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// Place on the horizontal axis, and value.
pub(super) type Points = Vec<(f64, f64)>;

pub(super) const STRONG: RGBColor = RGBColor(31, 90, 166);
pub(super) const SECOND: RGBColor = RGBColor(225, 120, 20);
pub(super) const FAINT: RGBColor = RGBColor(140, 140, 140);
pub(super) const GOAL: RGBColor = RGBColor(200, 40, 40);
pub(super) const FOUND: RGBColor = RGBColor(20, 120, 60);

/// A line and its name in the legend.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) color: RGBColor,
    pub(super) points: Points,
}

/// Dots of one meaning.
pub(super) struct Marks {
    pub(super) name: String,
    pub(super) color: RGBColor,
    pub(super) points: Points,
    /// What to write beside them, as many as there are points, or none.
    pub(super) texts: Vec<String>,
}

/// What an axis shows.
pub(super) struct Axis<R> {
    pub(super) name: &'static str,
    pub(super) range: R,
    pub(super) label: fn(&f64) -> String,
}

/// Smallest positive and largest value; something sensible if there is none.
pub(super) fn extremes(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let low = values.clone().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
    let high = values.fold(0.0, f64::max);
    if low.is_finite() { (low, high) } else { (1.0, 2.0) }
}

/// A range in which equal ratios are equally long, with some room around it, and ticks at 1, 2, 5, 10, ….
pub(super) fn logarithmic((low, high): (f64, f64)) -> WithKeyPoints<LogCoord<f64>> {
    let (low, high) = (low * 0.7, high * 1.4);
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let steps: &[f64] = match high / low {
        ratio if ratio > 5000.0 => &[1.0],
        ratio if ratio > 20.0 => &[1.0, 2.0, 5.0],
        _ => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
    };
    let ticks = decades.flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)));
    let ticks = ticks.filter(|tick| (low..high).contains(tick)).collect();
    (low..high).log_scale().with_key_points(ticks)
}

/// At most three decimals.
pub(super) fn short(value: &f64) -> String {
    format!("{value:.3}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Draws lines and marks into a frame.
pub(super) fn draw<X, Y>(
    area: &Area<'_>,
    (x, y): (Axis<X>, Axis<Y>),
    lines: Vec<Line>,
    marks: Vec<Marks>,
    legend: SeriesLabelPosition,
) -> Outcome
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .margin_right(28)
        .x_label_area_size(36)
        .y_label_area_size(80)
        .build_cartesian_2d(x.range, y.range)?;
    chart
        .configure_mesh()
        .x_desc(x.name)
        .y_desc(y.name)
        .x_label_formatter(&x.label)
        .y_label_formatter(&y.label)
        .x_labels(12)
        .y_labels(7)
        .bold_line_style(RGBColor(225, 225, 225))
        .light_line_style(WHITE)
        .draw()?;
    for Line { name, color, points } in lines {
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
    }
    for Marks { name, color, points, texts } in marks {
        let places = points.iter().zip(&texts);
        let style = ("sans-serif", 13).into_font().color(&color);
        chart.draw_series(places.map(|(at, text)| {
            EmptyElement::at(*at) + Text::new(text.clone(), (8, 4), style.clone())
        }))?;
        chart
            .draw_series(points.into_iter().map(|at| Circle::new(at, 4, color.filled())))?
            .label(name)
            .legend(move |(x, y)| Circle::new((x + 8, y), 4, color.filled()));
    }
    chart
        .configure_series_labels()
        .position(legend)
        .label_font(("sans-serif", 12))
        .background_style(WHITE.mix(0.85))
        .border_style(FAINT)
        .draw()?;
    Ok(())
}
