//! `cargo xtask bench fio`: bffio beside fio, on the same jobs and the same file, in turns.
//!
//! Two comparisons. *Jobs*: I/Os per second and p99 of jobs at fixed depths. *Targets*: how much the
//! storage can do while 99 % of the I/Os stay under a latency, as bffio finds it, as fio finds it, and as
//! trying depth after depth does.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `program` | running either program, and what its report says |
//! | `jobs` | jobs at fixed depths, ratios |
//! | `targets` | searches for a depth |
//! | `windows` | how often a target was missed, from histogram logs |

mod jobs;
mod program;
mod targets;
mod windows;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use aura_bench::machine::Machine;
use aura_bench::{Error, conclude, interrupt, report, subject, units};
use clap::{Parser, ValueEnum};
use program::Bench;
use serde::Serialize;

/// bffio beside fio: throughput and p99 of the same jobs, and searches for a depth under a target.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench fio")]
struct Arguments {
    /// Folder of the file to work on [default: the target folder]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Size of that file; it has to fit the page cache
    #[arg(long, value_name = "BYTES", default_value = "256MiB", value_parser = units::parse_size)]
    size: u64,
    /// Seconds per turn
    #[arg(long, value_name = "S", default_value = "0.5", value_parser = units::parse_seconds)]
    seconds: Duration,
    /// Seconds of each turn that do not count, before those that do: storage that is shared gives credit for
    /// the pause before, and the programs take different times to start
    #[arg(long, value_name = "S", default_value = "0.3", value_parser = units::parse_seconds)]
    ramp: Duration,
    /// Rounds; each program has one turn per job in each. The interval of a ratio has 95 % confidence from six
    /// on; of fewer it is the range
    #[arg(long, value_name = "R", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Depths of the jobs
    #[arg(long, value_name = "D,...", value_delimiter = ',', default_values_t = [1, 32, 128])]
    depths: Vec<u32>,
    /// Only jobs whose name contains this, such as "direct randread"
    #[arg(long, value_name = "TEXT", default_value = "")]
    jobs: String,
    /// Latencies for the searches
    #[arg(long, value_name = "TIME,...", value_delimiter = ',', default_values = ["0.5ms", "1ms", "2ms"], value_parser = units::parse_latency)]
    targets: Vec<Duration>,
    /// Only one of the comparisons
    #[arg(long)]
    only: Option<Part>,
    /// Write all figures to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Part {
    Jobs,
    Targets,
}

#[derive(Serialize)]
struct Report {
    machine: Machine,
    fio: String,
    seconds: f64,
    rounds: u32,
    jobs: Option<jobs::Results>,
    targets: Option<targets::Results>,
}

fn main() -> ExitCode {
    conclude(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    interrupt::install()?;
    let machine = Machine::describe();
    println!("{machine}");
    let fio = program::fio_version()?;
    println!("{fio}");
    let folder = arguments.dir.clone().unwrap_or_else(subject::default_folder);
    let bench = Bench::prepare(&folder, arguments.size, arguments.seconds, arguments.ramp)?;
    let is_wanted = |part| arguments.only.is_none_or(|only| only == part);
    let Arguments { depths, rounds, jobs: containing, .. } = arguments;
    let extent = jobs::Extent { depths, rounds: *rounds, containing };
    let jobs = is_wanted(Part::Jobs).then(|| jobs::run(&bench, &extent));
    let jobs = jobs.transpose()?;
    let targets =
        is_wanted(Part::Targets).then(|| targets::run(&bench, &arguments.targets, *rounds));
    let targets = targets.transpose()?;
    if let Some(file) = &arguments.json {
        let (seconds, rounds) = (arguments.seconds.as_secs_f64(), arguments.rounds);
        report::write_json(file, &Report { machine, fio, seconds, rounds, jobs, targets })?;
    }
    Ok(())
}
