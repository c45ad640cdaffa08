//! `cargo xtask bench adaptive`: does the engine find the right depth on a real disk, how fast, and
//! does it stay there?
//!
//! The mark is an oracle: fixed depths, measured on the same file in the same minutes. Latencies and rates
//! are measured here, apart from the engine's own statistics. Shares compare what was measured side by side;
//! on a shared machine absolute figures mean little.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `load` | the closed loop that keeps an engine busy |
//! | `recording` | what a loop saw, and the figures taken from it |
//! | `sweep` | the oracle |
//! | `steady` | nothing changes: no target, and targets |
//! | `neighbour` | a second process comes and goes |
//! | `phases` | small reads, large reads, writes |
//! | `throttle` | a loop device whose rate the kernel changes |
//! | `row` | the table |
//! | `gates` | what was promised, and whether it held |
//! | `plot` | pictures |

mod gates;
mod load;
mod neighbour;
mod phases;
mod plot;
mod recording;
mod row;
mod steady;
mod sweep;
mod throttle;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use aura_bench::machine::Machine;
use aura_bench::subject::{self, Direct, Subject};
use aura_bench::{Error, conclude, interrupt, report, units};
use clap::{Parser, ValueEnum};
use gates::Gate;
use load::{Decided, Limit};
use recording::Recording;
use row::Row;
use serde::Serialize;
use sweep::Marks;

/// How close a self-tuning engine comes to the best fixed depth: steady, beside a neighbour, when the
/// work changes, and under a throttle.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench adaptive")]
struct Arguments {
    /// Read this file or block device, which is never written to, instead of making a file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Size of the file to make
    #[arg(long, value_name = "BYTES", default_value = "1GiB", value_parser = units::parse_size)]
    size: u64,
    /// Folder of the file to make [default: the target folder]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Seconds of each engine while nothing changes, over all rounds
    #[arg(long, value_name = "S", default_value = "16", value_parser = units::parse_seconds)]
    seconds: Duration,
    /// Rounds of that; the oracle is measured before and after the engines in each
    #[arg(long, value_name = "R", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Only this experiment; may be given more than once
    #[arg(long, value_enum, value_name = "NAME")]
    only: Vec<Experiment>,
    /// Write settings and figures to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw limit, in-flight, p99 and throughput over time into this folder, as SVG
    #[arg(long, value_name = "DIR")]
    plot: Option<PathBuf>,
    /// Be the neighbour: the second process of that experiment
    #[arg(long, hide = true, value_name = "FILE")]
    neighbour_on: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Experiment {
    /// Nothing changes
    Steady,
    /// A second process comes and goes
    Neighbour,
    /// The work changes
    Phases,
    /// The kernel changes the disk's rate
    Throttle,
}

/// What the experiments share.
pub(crate) struct Context {
    pub(crate) seconds: Duration,
    pub(crate) rounds: u32,
    pub(crate) rows: Vec<Row>,
    /// Operations whose data was checked.
    pub(crate) checked: u64,
    pub(crate) skipped: Vec<String>,
    /// The engines' last decisions, each with what the engine was there for.
    pub(crate) decisions: Vec<(String, Vec<Decided>)>,
    plot: Option<PathBuf>,
}

impl Context {
    /// Notes, and says, that something could not be done here.
    pub(crate) fn skip(&mut self, reason: &str) {
        eprintln!("SKIP: {reason}");
        self.skipped.push(reason.to_owned());
    }

    /// Draws a recording, if pictures are wanted. `changes` are seconds at which conditions changed.
    pub(crate) fn draw(
        &self,
        name: &str,
        recording: &Recording,
        limit: Limit,
        changes: &[f64],
    ) -> Result<(), Error> {
        let Some(folder) = &self.plot else { return Ok(()) };
        let path = folder.join(format!("{name}.svg"));
        plot::draw(&path, name, recording, limit.target(), changes)
            .map_err(|error| format!("{}: {error}", path.display()).into())
    }
}

/// The report for programs.
#[derive(Debug, Serialize)]
struct Json<'a> {
    bench: &'static str,
    machine: &'a Machine,
    file: subject::Description,
    seconds: f64,
    rounds: u32,
    rows: &'a [Row],
    oracles: &'a [(&'static str, Marks)],
    gates: &'a [Gate],
    decisions: &'a [(String, Vec<Decided>)],
    skipped: &'a [String],
    operations_checked: u64,
}

fn main() -> ExitCode {
    conclude(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    if let Some(link) = &arguments.neighbour_on {
        return neighbour::live(link);
    }
    interrupt::install()?;
    let machine = Machine::describe();
    println!("{machine}");
    if let Some(folder) = &arguments.plot {
        let explain = |error| format!("{}: {error}", folder.display());
        std::fs::create_dir_all(folder).map_err(explain)?;
    }
    let subject = match &arguments.file {
        Some(file) => Subject::take(file, Direct::Auto)?,
        None => {
            let folder = arguments.dir.clone().unwrap_or_else(subject::default_folder);
            Subject::make(&folder, arguments.size, Direct::Auto)?
        }
    };
    println!("file: {subject}");
    subject.notes.iter().for_each(|note| println!("note: {note}"));

    let wanted = |what| arguments.only.is_empty() || arguments.only.contains(&what);
    let mut context = Context {
        seconds: arguments.seconds,
        rounds: arguments.rounds,
        rows: Vec::new(),
        checked: 0,
        skipped: Vec::new(),
        decisions: Vec::new(),
        plot: arguments.plot.clone(),
    };
    let mut oracles = Vec::new();
    if wanted(Experiment::Steady) {
        oracles.push(("steady", steady::run(&subject, &mut context)?));
    }
    if wanted(Experiment::Neighbour) {
        oracles.extend(neighbour::run(&subject, &mut context)?);
    }
    if wanted(Experiment::Phases) {
        oracles.extend(phases::run(&subject, &mut context)?);
    }
    if wanted(Experiment::Throttle) {
        throttle::run(&subject, &mut context)?;
    }
    for (name, marks) in &oracles {
        println!("oracle, {name}:");
        for mark in marks.iter() {
            println!(
                "  depth {:4} {:>8} IOPS {:>6.0} MB/s  p99 {}",
                mark.depth,
                units::rate(mark.iops),
                mark.bytes_per_second / 1e6,
                units::latency(mark.p99_ns)
            );
        }
    }
    println!("{}", row::table(&context.rows));
    let steady = oracles.iter().find(|(name, _)| *name == "steady");
    let gates = gates::judge(&context.rows, steady.map(|(_, marks)| marks));
    gates.iter().for_each(|gate| println!("{gate}"));
    println!("{} operations checked", context.checked);
    if let Some(file) = &arguments.json {
        let json = Json {
            bench: "adaptive",
            machine: &machine,
            file: subject.describe(),
            seconds: arguments.seconds.as_secs_f64(),
            rounds: arguments.rounds,
            rows: &context.rows,
            oracles: &oracles,
            gates: &gates,
            decisions: &context.decisions,
            skipped: &context.skipped,
            operations_checked: context.checked,
        };
        report::write_json(file, &json)?;
    }
    Ok(())
}
