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
//! | `future` | the same job through files, owned buffers and futures |
//! | `native` | the same job in C, through the C interface, and in C++, with coroutines |
//! | `two_threads` | the same job on two threads, which share an engine |
//! | `results` | medians, the table and the JSON |

mod batch;
mod future;
#[cfg(any(has_c, has_cpp))]
mod native;
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
use clap::Parser;
use future::Futures;
use indicatif::ProgressBar;
#[cfg(any(has_c, has_cpp))]
use native::Native;
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
    let mut rows = chosen(rows(&subject, settings), &arguments.only)?;
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

/// Makes the rows that were asked for, by name, and their raw rows; all if none were. What cannot be made is said, not
/// dropped silently.
fn chosen(rows: Vec<Named<'_>>, only: &[String]) -> Result<Vec<Made>, Error> {
    let all: Vec<Description> = rows.iter().map(|(description, _)| *description).collect();
    if let Some(unknown) = only.iter().find(|name| all.iter().all(|row| row.name != **name)) {
        let names: Vec<_> = all.iter().map(|row| row.name).collect();
        return Err(format!("there is no row {unknown}; there are {}", names.join(", ")).into());
    }
    let asked = |row: &Description| only.is_empty() || only.iter().any(|name| name == row.name);
    let wanted: Vec<_> = all.iter().filter(|row| asked(row)).collect();
    let is_wanted = |name| wanted.iter().any(|row| row.name == name || row.baseline == name);
    let mut made = Vec::new();
    for (row, make) in rows.into_iter().filter(|(row, _)| is_wanted(row.name)) {
        match make() {
            Ok(made_row) => made.push((row, made_row)),
            // There may be a limit to what is locked into memory.
            Err(error) if row.name == RAW_FIXED => println!("skipped: {RAW_FIXED}: {error}"),
            Err(error) => return Err(format!("{}: {error}", row.name).into()),
        }
    }
    Ok(made)
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

/// What a row is called, and how it is made.
type Named<'a> = (Description, Box<dyn FnOnce() -> Result<Box<dyn Row>, Error> + 'a>);
type Made = (Description, Box<dyn Row>);

const RAW_FIXED: &str = "raw-fixed";

/// All rows that were compiled.
fn rows(subject: &Subject, at: Settings) -> Vec<Named<'_>> {
    use Mode::{Controlled, Default, Single, Watched};
    let nop = |name, mode| named(name, "raw-nop", move || Callbacks::nop(mode, subject, at));
    let read = |name, mode| named(name, "raw-plain", move || Callbacks::read(mode, subject, at));
    let future = |name, mode| named(name, "raw-plain", move || Futures::new(mode, subject, at));
    let mut rows = vec![
        named("raw-nop", "raw-nop", move || RawLoop::nop(at)),
        named("raw-plain", "raw-plain", move || RawLoop::plain(subject, at)),
        named(RAW_FIXED, RAW_FIXED, move || RawLoop::fixed(subject, at)),
        nop("callback-nop-single", Single),
        nop("callback-nop-default", Default),
        read("callback-single", Single),
        read("callback-default", Default),
        read("callback-watched", Watched),
        read("callback-controlled", Controlled(at.depth)),
        named("callback-fixed", "raw-plain", move || Callbacks::fixed(subject, at)),
        future("future-single", Single),
        future("future-default", Default),
        named("future-fixed", "raw-plain", move || Futures::fixed(subject, at)),
        named("batch-single", "raw-plain", move || Batches::new(subject, at)),
        named("raw-two-threads", "raw-two-threads", move || RawPair::new(subject, at)),
        named("two-threads", "raw-two-threads", move || TwoThreads::new(subject, at)),
    ];
    #[cfg(has_c)]
    {
        let nop = |name, mode| named(name, "raw-nop", move || Native::nops(mode, subject, at));
        let read =
            |name, mode| named(name, "raw-plain", move || Native::callbacks(mode, subject, at));
        rows.extend([
            nop("c-callback-nop-single", Single),
            nop("c-callback-nop-default", Default),
            read("c-callback", Single),
            read("c-callback-default", Default),
        ]);
    }
    #[cfg(has_cpp)]
    {
        let read =
            |name, mode| named(name, "raw-plain", move || Native::coroutines(mode, subject, at));
        rows.extend([read("cpp-coroutine", Single), read("cpp-coroutine-default", Default)]);
    }
    #[cfg(not(all(has_c, has_cpp)))]
    println!("skipped: rows in C or C++: no compiler when this was built: apt-get install g++");
    rows
}

fn named<'a, R: Row + 'static>(
    name: &'static str,
    baseline: &'static str,
    make: impl FnOnce() -> Result<R, Error> + 'a,
) -> Named<'a> {
    let make = move || make().map(|row| Box::new(row) as Box<dyn Row>);
    (Description { name, baseline }, Box::new(make))
}
