//! `cargo xtask bench peers`: the same job through Aura, a raw io_uring loop, and other libraries.
//!
//! 4 KiB random reads of one file, at several depths. All rows run in turns, round after round, so that
//! whatever disturbs the machine disturbs all alike. Each turn starts its runtime anew, so that none idles
//! beside another's turn; start-up and a short warm-up are not measured. Shares compare a row with the raw
//! loop *within* each round; the median over the rounds is reported.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `peer` | the rows, one file per peer |
//! | `worker` | the part of the job that is the same for every peer |
//! | `buffer` | the memory of one read |
//! | `arguments` | the command line |
//! | `results` | medians, the tables and the JSON |
//! | `versions` | which releases of the peers run |

mod arguments;
mod buffer;
mod peer;
mod results;
mod versions;
mod worker;

use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use arguments::Arguments;
use aura_bench::content::mix;
use aura_bench::interrupt::{self, Interrupted};
use aura_bench::machine::{Machine, cpu_seconds};
use aura_bench::row::{Settings, Turn};
use aura_bench::subject::Subject;
use aura_bench::{Error, conclude, report};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use peer::Peer;
use results::Results;

/// A turn's warm-up: a quarter of its time, but no longer than this.
const WARM_UP_MAX: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    conclude(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    interrupt::install()?;
    let machine = Machine::describe();
    println!("{machine}");
    let versions = versions::all();
    println!("peers: {}", versions::line(&versions));
    let subject = arguments.subject()?;
    println!("file: {subject}");
    subject.notes.iter().for_each(|note| println!("note: {note}"));
    println!("checked: {}", subject.verifier().description());

    let mut results = Results::new(&arguments.depths, &arguments.peers());
    let measured = measure(arguments, &subject, &mut results);
    let is_interrupted = measured.as_ref().is_err_and(|error| error.is::<Interrupted>());
    if measured.is_ok() || is_interrupted {
        if is_interrupted {
            println!("interrupted: what follows is what was measured until then");
        }
        println!("{results}");
        if let Some(file) = &arguments.json {
            report::write_json(file, &results.json(&machine, &subject, &versions, arguments))?;
        }
    }
    measured
}

/// All rounds.
fn measure(arguments: &Arguments, subject: &Subject, results: &mut Results) -> Result<(), Error> {
    let turn = arguments.seconds / arguments.rounds;
    let cells = results.cells();
    let style = "{bar:30} {pos}/{len} {msg} (about {eta} left)";
    let turns = u64::from(arguments.rounds) * cells.iter().map(|row| row.len() as u64).sum::<u64>();
    let progress = ProgressBar::new(turns); // Hidden without a terminal.
    progress.set_style(ProgressStyle::with_template(style)?);
    for round in 0..arguments.rounds {
        // Depth by depth, so that a row and the raw loop it is compared with are seconds apart. In another
        // order each time, so that none always follows the same neighbour: one that sleeps or leaves a
        // hot processor behind, say.
        for cell in cells.iter().flat_map(|row| shuffled(row, round)) {
            let (peer, depth) = results.what(cell);
            progress.set_message(format!("{} at depth {depth}", peer.name));
            let settings = Settings { depth, batch: arguments.batch.min(depth) };
            match one_turn(&peer, subject, settings, turn) {
                Ok(Outcome::Measured(turn)) => results.add(cell, turn),
                Ok(Outcome::Cannot(why)) => {
                    if results.skip(cell, &why) {
                        progress.suspend(|| eprintln!("SKIP: {}: {why}", peer.name));
                    }
                }
                Err(error) => {
                    progress.finish_and_clear();
                    return Err(error);
                }
            }
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    Ok(())
}

/// In an order that depends on the round.
fn shuffled(cells: &[usize], round: u32) -> Vec<usize> {
    let mut cells = cells.to_vec();
    cells.sort_by_key(|cell| mix(mix(u64::from(round)) ^ *cell as u64));
    cells
}

/// What came of a turn.
enum Outcome {
    Measured(Turn),
    /// The peer does not run here.
    Cannot(String),
}

fn one_turn(
    peer: &Peer,
    subject: &Subject,
    settings: Settings,
    time: Duration,
) -> Result<Outcome, Error> {
    let mut row = match (peer.start)(subject, settings) {
        Ok(row) => row,
        Err(error) if peer.name == peer::BASELINE => return Err(error),
        Err(error) => return Ok(Outcome::Cannot(error.to_string())),
    };
    let explain = |error: Error| match error {
        error if error.is::<Interrupted>() => error,
        error => format!("{} at depth {}: {error}", peer.name, settings.depth).into(),
    };
    row.warm_up((time / 4).min(WARM_UP_MAX)).map_err(explain)?;
    let before = cpu_seconds();
    let turn = row.turn(time).map_err(explain)?;
    let ours = cpu_seconds() - before;
    row.finish(subject).map_err(explain)?;
    Ok(Outcome::Measured(Turn { cpu_seconds: turn.cpu_seconds.or(Some(ours)), ..turn }))
}

/// A name for the file, which may have none of its own, for peers and programs that open files by name.
fn subject_path(subject: &Subject) -> PathBuf {
    format!("/proc/{}/fd/{}", std::process::id(), subject.file.as_raw_fd()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_all_rows_in_an_order_of_its_own() {
        let cells: Vec<usize> = (0..20).collect();
        let (one, other) = (shuffled(&cells, 0), shuffled(&cells, 1));
        assert_ne!(one, other);
        for mut order in [one, other] {
            order.sort_unstable();
            assert_eq!(order, cells);
        }
    }
}
