//! `cargo xtask demo`: a self-tuning engine at work on a real disk, beside depths set by hand.
//!
//! Two engines that were told nothing but, in one case, a latency target, and three closed loops of a
//! fixed depth read the same file at random, in turns, so that drift of the disk meets all alike.
//! Latencies and rates are measured here, apart from the engine's own statistics.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `contestant` | who takes part |
//! | `load` | the closed loop that keeps an engine busy |
//! | `state` | what the loop keeps and counts |
//! | `live` | the line that shows what is going on |
//! | `outcome` | what it came to: table, verdict, JSON |

mod contestant;
mod live;
mod load;
mod outcome;
mod state;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use aura_bench::interrupt;
use aura_bench::machine::Machine;
use aura_bench::subject::{self, Direct, Subject};
use aura_bench::{Error, conclude, report, units};
use clap::Parser;

use contestant::Contestant;
use live::Live;
use load::{Load, Turn};
use outcome::Outcome;

/// Shows a self-tuning engine at work: random 4 KiB reads, beside fixed depths 1, 32 and 128.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask demo")]
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
    /// Seconds per configuration, over all rounds
    #[arg(long, value_name = "S", default_value = "5", value_parser = units::parse_seconds)]
    seconds: Duration,
    /// Rounds; each configuration has one turn in each
    #[arg(long, value_name = "R", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Time that 99 % of reads should stay under, for the engine with a target
    #[arg(long, value_name = "TIME", default_value = "1ms", value_parser = units::parse_latency)]
    target_p99: Duration,
    /// Whether to read past the page cache
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    direct: Direct,
    /// Write settings and figures to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    conclude(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    interrupt::install()?;
    let machine = Machine::describe();
    println!("{machine}");
    let subject = match &arguments.file {
        Some(file) => Subject::take(file, arguments.direct)?,
        None => {
            let folder = arguments.dir.clone().unwrap_or_else(subject::default_folder);
            Subject::make(&folder, arguments.size, arguments.direct)?
        }
    };
    println!("file: {subject}");
    subject.notes.iter().for_each(|note| println!("note: {note}"));

    let contestants = Contestant::all(arguments.target_p99);
    let loads: Vec<Load> = contestants
        .iter()
        .map(|contestant| Load::new(contestant, &subject))
        .collect::<Result<_, _>>()?;
    let turn = Turn::of(arguments.seconds, arguments.rounds);
    println!(
        "{} rounds of {:.1} s per configuration, after {:.1} s (first round) or {:.1} s not counted",
        arguments.rounds,
        turn.measured.as_secs_f64(),
        turn.first_warm_up.as_secs_f64(),
        turn.warm_up.as_secs_f64(),
    );
    play(&contestants, &loads, turn, arguments.rounds)?;

    let mut outcomes = Vec::new();
    for (contestant, load) in contestants.iter().zip(&loads) {
        outcomes.push(Outcome::new(contestant, load.finish(&subject)?));
    }
    println!("checked: {}", subject.verifier().description());
    println!("{}", outcome::table(&outcomes));
    outcome::verdicts(&outcomes).iter().for_each(|verdict| println!("{verdict}"));
    if let Some(file) = &arguments.json {
        report::write_json(file, &outcome::Json::new(&machine, &subject, turn, &outcomes))?;
    }
    Ok(())
}

/// All rounds. Another configuration begins each time, so that none always follows the same one.
fn play(contestants: &[Contestant], loads: &[Load], turn: Turn, rounds: u32) -> Result<(), Error> {
    let live = Live::new();
    let count = loads.len();
    for round in 0..rounds as usize {
        for index in (0..count).map(|place| (place + round) % count) {
            let show = |now| live.show(round + 1, &contestants[index].name, &now);
            loads[index].turn(turn, round == 0, show)?;
        }
    }
    Ok(())
}
