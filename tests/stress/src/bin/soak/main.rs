//! `cargo xtask soak`: as many operations as asked for, with faults and threads that come and go.
//!
//! The run is a row of *shifts*. A shift takes an engine (a new one, or the standing one that lives as long
//! as the run), drives it in one of several ways, and has two foremen send in workers: threads that submit
//! some hundred operations and end at once, with operations in flight. Every operation has a number and is
//! counted exactly once; every byte that is read is compared. After each shift all is quiet, and the
//! process is measured: what is held then must not grow.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `site` | the file, descriptors that fail, memory to register |
//! | `blocks` | who may read or write which block, and what must be in it |
//! | `ledger` | every operation by number |
//! | `account` | what was given to one engine, against what the engine says |
//! | `shift`, `engines` | one engine for a while: its options, how it is driven, who works |
//! | `work` | one operation with a callback: what it does and what may come of it |
//! | `stints` | what one worker does: callbacks, futures, chains through the C interface |
//! | `gauges`, `trend` | what the process holds, and whether it grows |
//! | `tally` | counts and findings |
//! | `report` | progress, table, JSON |
//! | `plant` | mistakes made on purpose, which the soak has to find |

mod account;
mod blocks;
mod engines;
mod gauges;
mod ledger;
mod plant;
mod report;
mod shift;
mod site;
mod stints;
mod tally;
mod trend;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aura::Engine;
use aura_stress::arguments::{parse_count, parse_seconds, parse_seed};
use aura_stress::verdict::{EXIT_FAILURE, Verdict};
use aura_stress::{interrupt, random::mix};
use clap::Parser;

use gauges::Sample;
use plant::Plant;
use report::{Outcome, Progress};
use shift::{Shift, Terms};
use site::Site;
use tally::Tally;

/// Runs operations with faults and thread churn, verifies all data, and checks that nothing grows.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask soak")]
struct Arguments {
    /// Operations, for example 1e8
    #[arg(long, value_name = "N", default_value = "1e7", value_parser = parse_count)]
    ops: u64,
    /// End after this time, if the operations take longer
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    seconds: Option<Duration>,
    /// What every random choice follows from; threads still run as they like
    #[arg(long, value_name = "SEED", default_value = "1", value_parser = parse_seed)]
    seed: u64,
    /// Write settings, counts and gauges to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Folder of the files that are read and written [default: the target folder]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Make a mistake on purpose, to see it found
    #[arg(long, hide = true, value_enum)]
    plant: Option<Plant>,
}

/// Shifts that a run has at least: enough samples to see growth.
const SHIFTS_MIN: u64 = 24;
/// Operations of a shift at most; it is the ledger's size in bytes, too.
const SHIFT_OPERATIONS_MAX: u64 = 500_000;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(verdict) => verdict.into(),
        Err(error) => {
            eprintln!("error: {error}");
            EXIT_FAILURE.into()
        }
    }
}

fn run(arguments: &Arguments) -> Result<Verdict, stints::Failure> {
    interrupt::install()?;
    plant::silence_planned_panics();
    let folder = arguments.dir.clone().map_or_else(folder_of_this_program, Ok)?;
    let site = Arc::new(Site::set_up(&folder)?);
    let tally = Arc::new(Tally::default());
    let standing = Arc::new(Engine::new()?);
    let begun = Instant::now();
    let deadline = arguments.seconds.map(|seconds| begun + seconds);
    let progress = Progress::begin(arguments.ops, &tally);

    let share = (arguments.ops / SHIFTS_MIN).clamp(1, SHIFT_OPERATIONS_MAX);
    let mut samples: Vec<Sample> = Vec::new();
    let mut number = 0;
    let verdict = loop {
        let done = tally.operations();
        if tally.has_findings() {
            break Verdict::Failed;
        }
        if interrupt::requested() {
            break Verdict::Interrupted;
        }
        if done >= arguments.ops || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            break Verdict::Held;
        }
        let terms = Terms {
            seed: mix(arguments.seed ^ mix(number)),
            operations: share.min(arguments.ops - done) as usize,
            deadline,
            plant: arguments.plant,
        };
        if let Err(error) = Shift::new(&site, &tally, terms).run(&standing, number) {
            tally.finding(format!("shift {number} could not go on: {error}"));
            continue;
        }
        samples.push(gauges::quiet_sample(&standing, samples.last())?);
        number += 1;
    };
    progress.end();

    let mut outcome = Outcome::new(arguments.seed, begun.elapsed(), number, &tally, &samples);
    outcome.judge(verdict);
    println!("{}", outcome.table());
    if let Some(file) = &arguments.json {
        outcome.write_json(file)?;
    }
    Ok(outcome.verdict)
}

/// The folder of the build: a real file system more often than the one for temporary files.
fn folder_of_this_program() -> std::io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.parent().map_or_else(std::env::temp_dir, Into::into))
}
