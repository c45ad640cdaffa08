//! Cases of a check, counted and printed as cargo does, so that `cargo xtask test` understands them.

use std::process::{Command, ExitCode};

use super::build::Failure;

/// What a case came to, if it did not fail.
#[derive(Debug)]
pub(super) enum Verdict {
    Passed,
    /// It cannot run here, for this reason, which says what to do.
    Skipped(String),
}

pub(super) type Case = Result<Verdict, Failure>;

#[derive(Debug, Default)]
pub(super) struct Verdicts {
    passed: usize,
    failed: usize,
}

impl Verdicts {
    pub(super) fn add(&mut self, name: &str, case: Case) {
        match case {
            Ok(Verdict::Passed) => println!("case {name}: ok"),
            Ok(Verdict::Skipped(reason)) => println!("SKIP: {name}: {reason}"),
            Err(error) => {
                println!("case {name}: FAILED: {error}");
                self.failed += 1;
                return;
            }
        }
        self.passed += 1; // A skip too: that is how cargo counts them.
    }

    pub(super) fn finish(self) -> ExitCode {
        let Self { passed, failed } = self;
        let word = if failed == 0 { "ok" } else { "FAILED" };
        println!("test result: {word}. {passed} passed; {failed} failed; 0 ignored");
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Whether a program is there; on CI it is installed if it is not. The error says what to do.
pub(super) fn program(name: &str, package: &str) -> Result<(), String> {
    available(|| starts(name), name, package)
}

/// As [`program`], for what is there when the question says so.
pub(super) fn available(
    is_there: impl Fn() -> bool,
    name: &str,
    package: &str,
) -> Result<(), String> {
    if is_there() {
        return Ok(());
    }
    let remedy = format!("no {name} here: apt-get install {package}");
    if std::env::var_os("CI").is_none() {
        return Err(remedy);
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command.stdout(std::process::Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let installed = apt(&["update", "-qq"])
        && apt(&["install", "-y", "-qq", "--no-install-recommends", package]);
    if installed && is_there() { Ok(()) } else { Err(remedy) }
}

fn starts(name: &str) -> bool {
    let mut command = Command::new(name);
    command.arg("--version").stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::null()).status().is_ok()
}
