//! Carrying out a plan.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `supervise` | which worker runs when, ticks, partial reports |
//! | `worker` | one worker from start to result |
//! | `io` | its loop: submit, wait, account; think |
//! | `monitor` | what it counts, and what it looks after now and then |
//! | `queue` | its engine and memory |
//! | `workload` | what the next I/O is |
//! | `pace`, `verify`, `open` | throttling; checking what was written; files |
//! | `aggregate` | the log of all jobs' bandwidth together |
//! | `steady` | ending jobs whose rate has become steady |
//! | `control` | what supervisor and worker tell each other |
//! | `outcome`, `trace` | what is left of it |

mod aggregate;
pub(crate) mod clock;
mod control;
mod failure;
mod interrupt;
mod io;
mod monitor;
mod open;
mod outcome;
mod pace;
mod queue;
mod sleep;
mod steady;
mod supervise;
mod trace;
mod verify;
mod worker;
mod workload;

use std::fmt;
use std::path::Path;

use crate::job::Plan;
use crate::layout;
use crate::search::{Team, sweep};
use crate::stats::disk::Disks;
use crate::watch::Observer;
use control::Board;
use supervise::Supervisor;

pub use failure::Failure;
pub use outcome::{Outcome, WorkerResult};
pub use steady::Steadiness;
pub(crate) use trace::p99;

/// Why a run did not begin: cause and remedy.
#[derive(Clone, Debug)]
pub struct Error {
    message: String,
}

impl Error {
    pub(crate) fn new(message: String) -> Self {
        Self { message }
    }

    pub(crate) fn of(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::new(format!("cannot {doing} {}: {error}", path.display()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Lays out files and runs all jobs. `report` is given what there is so far every `--status-interval`.
///
/// Ctrl-C ends the jobs early; what they have counted by then is the outcome.
///
/// # Errors
///
/// Whatever is wrong before any I/O of a job. A worker's failure is part of the outcome instead.
pub fn run(
    plan: &Plan,
    observer: &mut dyn Observer,
    report: &mut dyn FnMut(&Outcome),
) -> Result<Outcome, Error> {
    let unfolded;
    let plan = match &plan.settings.sweep {
        Some(depths) => {
            unfolded = sweep::unfold(plan, depths);
            &unfolded
        }
        None => plan,
    };
    let interrupted = interrupt::install();
    let workers = layout::prepare(plan, observer, interrupted)?;
    let paths = workers.iter().flat_map(|worker| &worker.files).map(|file| file.path.as_path());
    let disks = Disks::below(paths);
    let boards: Vec<Board> = workers.iter().map(|_| Board::default()).collect();
    let teams: Vec<Team> = workers.iter().map(|_| Team::default()).collect();
    Supervisor::new(plan, &workers, &boards, &teams, interrupted, &disks, report).run(observer)
}
