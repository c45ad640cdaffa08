//! `cargo xtask bench overhead`: what an operation costs through Aura, over a raw io_uring loop.
//!
//! All rows run in one process and in turns, round after round, so that whatever disturbs the machine
//! disturbs all alike. Shares and overheads compare a row with its raw row *within* each round; the
//! median over the rounds is reported. Only such ratios mean something on a shared machine.
//!
//! The raw loops and the callbacks are in [`aura_bench::row`], where other benchmarks find them too.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `batch` | the same job in batches that are awaited as one |
//! | `c_callback` | the same job as the callbacks, through the C interface |
//! | `cpp_coroutine` | the same job through the C++ layer, with coroutines |
//! | `future` | the same job through files, owned buffers and futures |
//! | `two_threads` | the same job on two threads, which share an engine |
//! | `results` | medians, the table and the JSON |

mod batch;
mod c_callback;
#[cfg(has_cpp)]
mod cpp_coroutine;
mod future;
mod results;
mod two_threads;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use aura_bench::interrupt;
use aura_bench::machine::Machine;
use aura_bench::row::callback::{Callbacks, Mode};
use aura_bench::row::raw::RawLoop;
use aura_bench::row::{Row, Settings};
use aura_bench::subject::{self, Direct, Subject};
use aura_bench::{Error, conclude, report, units};
use batch::Batches;
use c_callback::CCallbacks;
use clap::Parser;
use future::Futures;
use indicatif::ProgressBar;
use results::{Description, Results};
use two_threads::{RawPair, TwoThreads};

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
    let mut results = Results::new(rows.iter().map(|(description, _)| *description));
    let turn = arguments.seconds / arguments.rounds;
    let progress = ProgressBar::new(u64::from(arguments.rounds)); // Hidden without a terminal.
    // A round that is not counted fills caches and lets the engine's controller settle.
    for (_, row) in &mut rows {
        row.warm_up(turn.min(Duration::from_millis(200)))?;
    }
    for round in 0..arguments.rounds as usize {
        let count = rows.len();
        // Another row begins each time: none always follows the same neighbour's heat.
        for index in (0..count).map(|place| (place + round) % count) {
            let done = rows[index].1.turn(turn)?;
            results.add(index, done);
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    for (_, row) in &mut rows {
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
fn chosen(rows: Vec<Named>, only: &[String]) -> Result<Vec<Named>, Error> {
    let all: Vec<Description> = rows.iter().map(|(description, _)| *description).collect();
    if let Some(unknown) = only.iter().find(|name| all.iter().all(|row| row.name != **name)) {
        let names: Vec<_> = all.iter().map(|row| row.name).collect();
        return Err(format!("there is no row {unknown}; there are {}", names.join(", ")).into());
    }
    let asked = |row: &Description| only.is_empty() || only.iter().any(|name| name == row.name);
    let wanted: Vec<_> = all.iter().filter(|row| asked(row)).collect();
    let is_wanted = |name| wanted.iter().any(|row| row.name == name || row.baseline == name);
    Ok(rows.into_iter().filter(|(row, _)| is_wanted(row.name)).collect())
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

/// A row and what it is called.
type Named = (Description, Box<dyn Row>);

/// All rows that can run here. What cannot is said, not dropped silently.
fn rows(subject: &Subject, settings: Settings) -> Result<Vec<Named>, Error> {
    let mut rows = vec![
        named("raw-nop", "raw-nop", RawLoop::nop(settings)?),
        named("raw-plain", "raw-plain", RawLoop::plain(subject, settings)?),
    ];
    match RawLoop::fixed(subject, settings) {
        Ok(row) => rows.push(named("raw-fixed", "raw-fixed", row)),
        Err(error) => println!("skipped: raw-fixed: {error}"),
    }
    let nop = |mode| Callbacks::nop(mode, subject, settings);
    let read = |mode| Callbacks::read(mode, subject, settings);
    let c_nop = |mode| CCallbacks::nop(mode, subject, settings);
    let c_read = |mode| CCallbacks::read(mode, subject, settings);
    rows.extend([
        named("callback-nop-single", "raw-nop", nop(Mode::Single)?),
        named("callback-nop-default", "raw-nop", nop(Mode::Default)?),
        named("callback-single", "raw-plain", read(Mode::Single)?),
        named("callback-default", "raw-plain", read(Mode::Default)?),
        named("callback-watched", "raw-plain", read(Mode::Watched)?),
        named("callback-controlled", "raw-plain", read(Mode::Controlled(settings.depth))?),
        named("callback-fixed", "raw-plain", Callbacks::fixed(subject, settings)?),
        named("c-callback-nop-single", "raw-nop", c_nop(Mode::Single)?),
        named("c-callback-nop-default", "raw-nop", c_nop(Mode::Default)?),
        named("c-callback", "raw-plain", c_read(Mode::Single)?),
        named("c-callback-default", "raw-plain", c_read(Mode::Default)?),
        named("future-single", "raw-plain", Futures::new(Mode::Single, subject, settings)?),
        named("future-default", "raw-plain", Futures::new(Mode::Default, subject, settings)?),
        named("future-fixed", "raw-plain", Futures::fixed(subject, settings)?),
        named("batch-single", "raw-plain", Batches::new(subject, settings)?),
        named("raw-two-threads", "raw-two-threads", RawPair::new(subject, settings)?),
        named("two-threads", "raw-two-threads", TwoThreads::new(subject, settings)?),
    ]);
    #[cfg(has_cpp)]
    {
        let cpp = |mode| cpp_coroutine::CppCoroutines::new(mode, subject, settings);
        rows.extend([
            named("cpp-coroutine", "raw-plain", cpp(Mode::Single)?),
            named("cpp-coroutine-default", "raw-plain", cpp(Mode::Default)?),
        ]);
    }
    #[cfg(not(has_cpp))]
    println!("skipped: cpp-coroutine: no C++20 compiler when this was built: apt-get install g++");
    Ok(rows)
}

fn named(name: &'static str, baseline: &'static str, row: impl Row + 'static) -> Named {
    (Description { name, baseline }, Box::new(row))
}
