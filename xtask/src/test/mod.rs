//! `cargo xtask test`: every check and test, one line and one verdict per step.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `plan` | which steps there are |
//! | `child` | running one, with a time limit for it and all it starts |
//! | `tally` | reading counts and skips from what it printed |
//! | `each` | running tests, each in a process of its own |
//! | `faults` | the fault table of docs/reliability.md against the results |
//! | `gates` | steps for what no single test can say: soak, fuzz, interfaces, dependencies |
//! | `kernel_log` | what the kernel complained of meanwhile |
//! | `report` | telling, on the terminal and as JSON |

mod child;
pub(crate) mod each;
mod faults;
mod gates;
pub(crate) mod kernel_log;
mod plan;
mod report;
mod tally;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::{Outcome, cargo};
use child::Ending;
use faults::Results;
use plan::Step;
use report::{Report, StepReport};
use tally::Tally;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Only formatting, clippy, tidy and the tests of the workspace
    #[arg(long, conflicts_with = "long")]
    quick: bool,
    /// What takes too long for every day, too: the other libraries of `bench peers`, more of everything
    #[arg(long)]
    long: bool,
    /// Write the verdicts to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// How much is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Quick,
    Usual,
    Long,
}

impl Arguments {
    fn extent(&self) -> Extent {
        match (self.quick, self.long) {
            (true, _) => Extent::Quick,
            (false, true) => Extent::Long,
            (false, false) => Extent::Usual,
        }
    }
}

/// What a shell reports for a command that was interrupted.
const EXIT_INTERRUPTED: u8 = 130;

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    child::install_interrupt_handler()?;
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(cargo::workspace_root().join("Cargo.toml"))
        .no_deps()
        .exec()?;
    let logs = metadata.target_directory.as_std_path().join("xtask-test");
    std::fs::create_dir_all(&logs)?;

    let mut report = Report::begin();
    let mut steps = plan::first(&metadata, arguments.extent());
    let mut number = 0;
    let mut results = Results::default();
    while !steps.is_empty() {
        let step = steps.remove(0);
        number += 1;
        report.announce(number, number + steps.len(), &step.name);
        let log = logs.join(format!("{number:02}-{}.log", file_name(&step.name)));
        let Some(done) = perform(&step, &log, &mut results)? else {
            println!("interrupted");
            return Ok(EXIT_INTERRUPTED.into());
        };
        if step.builds_examples && done.is_ok() {
            steps.splice(0..0, plan::examples(&log, &logs)?);
        }
        report.add(done);
    }
    report.announce(number + 1, number + 1, FAULT_TABLE);
    report.add(fault_table(&results, &logs)?);
    if let Some(file) = &arguments.json {
        report.write_json(file)?;
    }
    Ok(if report.finish() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs one step; `None` if the user interrupted it.
fn perform(
    step: &Step,
    log: &Path,
    results: &mut Results,
) -> Result<Option<StepReport>, Box<dyn std::error::Error>> {
    if let Some(reason) = (step.unavailable)() {
        return Ok(Some(StepReport::skipped(step, reason)));
    }
    let run = child::run(&mut step.command(), step.time_limit, log)
        .map_err(|error| format!("{}: {error}", step.name))?;
    let output = std::fs::read(log)?;
    let output = String::from_utf8_lossy(&output);
    results.read(&output);
    let problem = match run.ending {
        Ending::Exited(status) if status.success() => None,
        Ending::Exited(status) => Some(status.to_string()),
        Ending::TimedOut => Some(format!("killed after {} s", step.time_limit.as_secs())),
        Ending::Interrupted => return Ok(None),
    };
    Ok(Some(StepReport::ran(step, log, run.seconds, problem, &tally::read(&output))))
}

const FAULT_TABLE: &str = "fault table";

/// Whether the page about faults says the truth about the tests.
fn fault_table(results: &Results, logs: &Path) -> std::io::Result<StepReport> {
    let page = std::fs::read_to_string(cargo::workspace_root().join("docs/reliability.md"))?;
    let (text, problem) = faults::tell(&results.rows(&page));
    println!("{text}");
    let log = logs.join("fault-table.log");
    std::fs::write(&log, text)?;
    let step = Step::cargo(FAULT_TABLE, ["xtask", "test"]);
    Ok(StepReport::ran(&step, &log, 0.0, problem, &Tally::default()))
}

/// The step's name as part of a file name.
fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}
