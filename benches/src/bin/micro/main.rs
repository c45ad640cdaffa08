//! `cargo xtask bench micro`: single parts by themselves, beside a known reference where there is one.
//!
//! Criterion measures; what it found is gathered into one table and the JSON.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `parts` | what is measured |
//! | `threads` | the pool among several threads |

mod parts;
mod threads;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use aura_bench::machine::Machine;
use aura_bench::{Error, conclude, report, units};
use clap::Parser;
use comfy_table::Table;
use criterion::Criterion;
use serde::Serialize;

/// Nanoseconds of single parts: histogram, pool, slots, ring selection, controller.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench micro")]
struct Arguments {
    /// Only those whose names contain this text
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Seconds per measurement
    #[arg(long, value_name = "S", default_value = "2", value_parser = units::parse_seconds)]
    seconds: Duration,
    /// Write the figures to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What one measurement came to.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    /// Median over the samples.
    ns: f64,
    /// The bounds that hold the median with a probability of 95 %.
    ns_low: f64,
    ns_high: f64,
}

#[derive(Debug, Serialize)]
struct Json<'a> {
    bench: &'static str,
    machine: &'a Machine,
    rows: Vec<Line>,
}

fn main() -> ExitCode {
    conclude(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let machine = Machine::describe();
    println!("{machine}");
    let folder = tempfile::tempdir()?; // Of this run only: no figures of an earlier one.
    let mut criterion = Criterion::default()
        .output_directory(folder.path())
        .without_plots()
        .sample_size(50)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(arguments.seconds);
    if let Some(text) = &arguments.only {
        criterion = criterion.with_filter(text.clone());
    }
    parts::measure(&mut criterion)?;
    let rows = gather(folder.path())?;
    if rows.is_empty() {
        return Err("no measurement has such a name".into());
    }
    println!("{}", table(&rows));
    if let Some(file) = &arguments.json {
        report::write_json(file, &Json { bench: "micro", machine: &machine, rows })?;
    }
    Ok(())
}

/// Reads what Criterion wrote: `GROUP/NAME/new/estimates.json`.
fn gather(folder: &Path) -> Result<Vec<Line>, Error> {
    let mut lines = Vec::new();
    for group in folders(folder)? {
        for measurement in folders(&group)? {
            let Ok(text) = std::fs::read(measurement.join("new/estimates.json")) else { continue };
            let estimates: serde_json::Value = serde_json::from_slice(&text)?;
            let median = &estimates["median"];
            let number = |value: &serde_json::Value| {
                value.as_f64().ok_or("Criterion's estimates have another form than expected")
            };
            let parts = [&group, &measurement].map(|path| path.file_name().unwrap_or_default());
            lines.push(Line {
                name: parts.map(|part| part.to_string_lossy().into_owned()).join("/"),
                ns: number(&median["point_estimate"])?,
                ns_low: number(&median["confidence_interval"]["lower_bound"])?,
                ns_high: number(&median["confidence_interval"]["upper_bound"])?,
            });
        }
    }
    lines.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(lines)
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    Ok(entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_dir()).collect())
}

fn table(lines: &[Line]) -> Table {
    let mut table = aura_bench::table::new(["part", "ns", "95 % of medians"], &[0]);
    for line in lines {
        table.add_row([
            line.name.clone(),
            format!("{:.2}", line.ns),
            format!("{:.2}–{:.2}", line.ns_low, line.ns_high),
        ]);
    }
    table
}
