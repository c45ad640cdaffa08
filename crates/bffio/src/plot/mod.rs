//! A run as a picture (SVG): the controller over time, throughput over latency, percentiles.

mod chart;
mod over_time;
mod percentiles;
mod sweep;
#[cfg(test)]
mod tests;

use std::path::Path;

use plotters::prelude::*;

use crate::watch::{JobTrace, Trace};
use chart::Area;

/// Why a picture could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw {path}: {cause}")]
pub struct Error {
    path: String,
    cause: String,
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A part of the picture: how high it is, and what draws it.
struct Panel<'a> {
    height_px: u32,
    draw: Box<dyn Fn(&Area<'_>) -> Outcome + 'a>,
}

const WIDTH_PX: u32 = 1000;
const TITLE_PX: u32 = 36;

/// Draws everything the trace has something to show of, one panel below the other.
///
/// # Errors
///
/// The file cannot be written, or the trace is empty.
pub fn draw(path: &Path, trace: &Trace) -> Result<(), Error> {
    let error = |cause: String| Error { path: path.display().to_string(), cause };
    let panels = panels(trace);
    if panels.is_empty() {
        return Err(error("the run was too short to leave anything to draw".to_owned()));
    }
    let height: u32 = panels.iter().map(|panel| panel.height_px).sum();
    let root = SVGBackend::new(path, (WIDTH_PX, height)).into_drawing_area();
    draw_panels(root, panels).map_err(|cause| error(cause.to_string()))
}

fn draw_panels(root: Area<'_>, panels: Vec<Panel<'_>>) -> Outcome {
    root.fill(&WHITE)?;
    let mut rest = root.clone();
    for panel in panels {
        let (area, below) = rest.split_vertically(panel.height_px);
        (panel.draw)(&area)?;
        rest = below;
    }
    root.present()?;
    Ok(())
}

fn panels(trace: &Trace) -> Vec<Panel<'_>> {
    if trace.sweep.len() > 1 {
        // Each depth is a job; the curve says what they have to say.
        let curve = Panel { height_px: 460, draw: Box::new(|area| sweep::draw(area, trace)) };
        return vec![title("Throughput and latency by depth".to_owned()), curve];
    }
    trace.jobs.iter().flat_map(job_panels).collect()
}

fn job_panels(job: &JobTrace) -> Vec<Panel<'_>> {
    let mut panels = Vec::new();
    if job.points.len() > 1 {
        panels.push(title(job.name.clone()));
        panels.push(Panel { height_px: 260, draw: Box::new(|area| over_time::limit(area, job)) });
        panels.push(Panel { height_px: 220, draw: Box::new(|area| over_time::latency(area, job)) });
        panels.push(Panel {
            height_px: 220,
            draw: Box::new(|area| over_time::throughput(area, job)),
        });
    }
    if !job.percentiles.read.is_empty() || !job.percentiles.write.is_empty() {
        panels.push(title(format!("{}: completion latencies", job.name)));
        panels.push(Panel { height_px: 260, draw: Box::new(|area| percentiles::draw(area, job)) });
    }
    panels
}

fn title(text: String) -> Panel<'static> {
    let draw = move |area: &Area<'_>| -> Outcome {
        let style = ("sans-serif", 20).into_font().color(&BLACK);
        area.draw(&Text::new(text.as_str(), (16, 12), style))?;
        Ok(())
    };
    Panel { height_px: TITLE_PX, draw: Box::new(draw) }
}
