//! `cargo xtask test`: every check and test, one line and one verdict per step.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `plan` | which steps there are |
//! | `lanes` | running them, some beside others |
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
mod lanes;
mod plan;
mod report;
mod tally;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::{Outcome, cargo};
use faults::Results;
use lanes::Lanes;
use plan::Step;
use report::StepReport;
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

    let lanes = Lanes::new(plan::first(&metadata, arguments.extent()), &logs);
    if lanes.run()? == lanes::Outcome::Interrupted {
        println!("interrupted");
        return Ok(EXIT_INTERRUPTED.into());
    }
    let (mut report, results) = lanes.finish();
    report.add_last(fault_table(&results, &logs)?);
    if let Some(file) = &arguments.json {
        report.write_json(file)?;
    }
    Ok(if report.finish() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
