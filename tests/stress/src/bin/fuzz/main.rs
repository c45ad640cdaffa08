//! `cargo xtask fuzz`: random sequences of calls of the C interface, right and wrong ones, with an oracle
//! that knows what each may answer.
//!
//! A *case* follows from its seed alone: each of its steps draws what to call and with which arguments from
//! a seed of its own, and from the engines, requests and buffers that are there. So any subset of the steps
//! is a case, too, and a failing one can be made smaller by leaving steps out. Cases run in child processes,
//! many in one; a child that crashes, hangs, or finds something broken has said which seed it was at.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `parent` | children, their endings, the summary |
//! | `minimise` | leaving steps out of a failing case |
//! | `child` | running cases; replaying one with its calls shown |
//! | `world` | what there is: engines, operations, buffers, descriptors |
//! | `oracle` | how a call may answer; what is broken |
//! | `calls` | drawing and making each call |
//! | `completion` | the callback: exactly once, with a result that may be |
//! | `plant` | mistakes made on purpose, which the fuzzer has to find |

mod calls;
mod child;
mod completion;
mod minimise;
mod oracle;
mod parent;
mod plant;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use aura_stress::arguments::{parse_count, parse_seconds, parse_seed};
use aura_stress::verdict::EXIT_FAILURE;
use clap::Parser;

use plant::Plant;

/// Calls the C interface at random, in child processes, and checks every answer.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo xtask fuzz")]
struct Arguments {
    /// End after this time [default: 10, without --cases]
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    seconds: Option<Duration>,
    /// End after so many cases
    #[arg(long, value_name = "N", value_parser = parse_count)]
    cases: Option<u64>,
    /// Of the first case; the others follow
    #[arg(long, value_name = "SEED", default_value = "1", value_parser = parse_seed)]
    seed: u64,
    /// Run one case, showing every call
    #[arg(long, value_name = "SEED", value_parser = parse_seed, conflicts_with_all = ["seconds", "cases"])]
    replay: Option<u64>,
    /// With --replay: only these steps
    #[arg(long, value_name = "STEPS", value_delimiter = ',', requires = "replay")]
    steps: Option<Vec<u32>>,
    /// Write the summary to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Make a mistake on purpose, to see it found
    #[arg(long, hide = true, value_enum)]
    plant: Option<Plant>,
    /// Be a child that runs so many cases
    #[arg(long, hide = true)]
    child: Option<u64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    plant::set(arguments.plant);
    let outcome = match (arguments.replay, arguments.child) {
        (Some(seed), _) => {
            child::replay(seed, arguments.steps.as_deref());
            Ok(ExitCode::SUCCESS)
        }
        (None, Some(cases)) => {
            child::run(arguments.seed, cases);
            Ok(ExitCode::SUCCESS)
        }
        (None, None) => parent::run(&arguments).map(Into::into),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        EXIT_FAILURE.into()
    })
}
