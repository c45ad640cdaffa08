//! `cargo xtask bench overhead`: what an operation costs through Aura, over a raw io_uring loop.
//!
//! All rows run in one process and in turns, round after round, so that whatever disturbs the machine
//! disturbs all alike. Shares and overheads compare a row with its raw row *within* each round; the
//! median over the rounds is reported. Only such ratios mean something on a shared machine.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `row` | what a row is |
//! | `raw` | the loop written by hand, as good as we can make it |
//! | `callback` | the same job through Aura's callbacks |
//! | `future` | the same job through files, owned buffers and futures |
//! | `results` | medians, the table and the JSON |

mod callback;
mod future;
mod raw;
mod results;
mod row;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use aura_bench::interrupt;
use aura_bench::machine::Machine;
use aura_bench::subject::{self, Direct, Subject};
use aura_bench::{Error, conclude, report, units};
use clap::Parser;
use indicatif::ProgressBar;
use results::Results;
use row::{Description, Row, Settings};

/// Nanoseconds per operation: 4 KiB random reads through Aura and through a raw io_uring loop.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench overhead")]
struct Arguments {
    /// Read this file, which is never written to, instead of making one
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Size of the file to make; it has to fit the page cache
    #[arg(long, value_name = "BYTES", default_value = "256MiB", value_parser = units::parse_size)]
    size: u64,
    /// Folder of the file to make [default: the target folder]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Seconds per row, over all rounds
    #[arg(long, value_name = "S", default_value = "3", value_parser = units::parse_seconds)]
    seconds: Duration,
    /// Rounds; each row has one turn in each
    #[arg(long, value_name = "R", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Operations in flight
    #[arg(long, value_name = "D", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=1024))]
    depth: u32,
    /// Operations that the raw loop submits per system call
    #[arg(long, value_name = "B", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1024))]
    batch: u32,
    /// Read past the page cache (O_DIRECT); by default reads are served by it
    #[arg(long)]
    direct: bool,
    /// Only these rows, and the raw rows they are compared with
    #[arg(long, value_name = "ROW,...", value_delimiter = ',')]
    only: Vec<String>,
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
    let subject = subject(arguments)?;
    println!("file: {subject}");
    subject.notes.iter().for_each(|note| println!("note: {note}"));

    let settings = Settings { depth: arguments.depth, batch: arguments.batch.min(arguments.depth) };
    let mut rows = chosen(rows(&subject, settings)?, &arguments.only)?;
    let mut results = Results::new(rows.iter().map(|row| row.description()));
    let turn = arguments.seconds / arguments.rounds;
    let progress = ProgressBar::new(u64::from(arguments.rounds)); // Hidden without a terminal.
    // A round that is not counted fills caches and lets the engine's controller settle.
    for row in &mut rows {
        row.turn(turn.min(Duration::from_millis(200)))?;
    }
    for round in 0..arguments.rounds as usize {
        let count = rows.len();
        // Another row begins each time: none always follows the same neighbour's heat.
        for index in (0..count).map(|place| (place + round) % count) {
            let done = rows[index].turn(turn)?;
            results.add(index, done);
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    for row in &mut rows {
        row.finish(&subject)?;
    }
    println!("depth {}, raw batch {}", settings.depth, settings.batch);
    println!("checked: {}", subject.verifier().description());
    println!("{}", results.table());
    if let Some(file) = &arguments.json {
        report::write_json(file, &results.json(&machine, &subject, settings, arguments.rounds))?;
    }
    Ok(())
}

/// The rows that were asked for, by name, with their raw rows; all if none were.
fn chosen<'s>(
    rows: Vec<Box<dyn Row + 's>>,
    only: &[String],
) -> Result<Vec<Box<dyn Row + 's>>, Error> {
    let all: Vec<Description> = rows.iter().map(|row| row.description()).collect();
    if let Some(unknown) = only.iter().find(|name| all.iter().all(|row| row.name != **name)) {
        let names: Vec<_> = all.iter().map(|row| row.name).collect();
        return Err(format!("there is no row {unknown}; there are {}", names.join(", ")).into());
    }
    let asked = |row: &Description| only.is_empty() || only.iter().any(|name| name == row.name);
    let wanted: Vec<_> = all.iter().filter(|row| asked(row)).collect();
    let is_wanted = |name| wanted.iter().any(|row| row.name == name || row.baseline == name);
    Ok(rows.into_iter().filter(|row| is_wanted(row.description().name)).collect())
}

fn subject(arguments: &Arguments) -> Result<Subject, Error> {
    let direct = if arguments.direct { Direct::Yes } else { Direct::No };
    match &arguments.file {
        Some(file) => Subject::take(file, direct),
        None => {
            let folder = arguments.dir.clone().unwrap_or_else(subject::default_folder);
            Subject::make(&folder, arguments.size, direct)
        }
    }
}

/// All rows that can run here. What cannot is said, not dropped silently.
fn rows(subject: &Subject, settings: Settings) -> Result<Vec<Box<dyn Row + '_>>, Error> {
    let mut rows: Vec<Box<dyn Row + '_>> = vec![
        Box::new(raw::RawLoop::nop(settings)?),
        Box::new(raw::RawLoop::plain(subject, settings)?),
    ];
    match raw::RawLoop::fixed(subject, settings) {
        Ok(row) => rows.push(Box::new(row)),
        Err(error) => println!("skipped: raw-fixed: {error}"),
    }
    for row in callback::Callbacks::rows(subject, settings)? {
        rows.push(Box::new(row));
    }
    for row in future::Futures::rows(subject, settings)? {
        rows.push(Box::new(row));
    }
    Ok(rows)
}
