//! `cargo xtask deny`: what may be in Cargo.lock, as deny.toml has it.
//!
//! Where cargo-deny is installed it does the work. Compiling it takes minutes, so it is not installed for the
//! purpose: without it, licences and sources are checked here, against the same file, and advisories are
//! skipped, which is said.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `own` | the checks without cargo-deny |
//! | `licence` | whether an SPDX expression can be satisfied |

mod licence;
mod own;

use std::process::{Command, ExitCode, Stdio};

use crate::{Outcome, cargo};

/// The checks that need nothing from elsewhere.
const OFFLINE: [&str; 3] = ["licenses", "bans", "sources"];
/// What cargo-deny says when it cannot get the advisories.
const UNREACHABLE: &str = "failed to fetch advisory database";

pub(crate) fn run() -> Outcome {
    if is_installed() {
        with_cargo_deny()
    } else {
        println!("SKIP: no advisories: no cargo-deny here: cargo install cargo-deny --locked");
        own::check(&cargo::workspace_root())
    }
}

fn is_installed() -> bool {
    let mut question = cargo::cargo();
    question.args(["deny", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    question.status().is_ok_and(|status| status.success())
}

fn with_cargo_deny() -> Outcome {
    let offline = cargo::status(deny().args(OFFLINE))?;
    let advisories = deny().arg("advisories").output()?;
    let said = String::from_utf8_lossy(&advisories.stderr);
    if said.contains(UNREACHABLE) {
        println!("SKIP: no advisories: their database is not reachable from here");
        return Ok(offline);
    }
    eprint!("{said}");
    Ok(if advisories.status.success() { offline } else { ExitCode::FAILURE })
}

fn deny() -> Command {
    let mut command = cargo::cargo();
    // Duplicates are warnings, which name hundreds of dependents.
    command.args(["deny", "--color", "never", "--log-level", "error", "check"]);
    command
}
