//! Telling what happened: a line per step, the output of what failed, every skip with its reason,
//! and the counts as the last line.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use super::plan::Step;
use super::tally::Tally;

/// How much of a failed step's output is repeated; the log holds all of it.
const LINES_SHOWN: usize = 200;

/// What one step came to.
#[derive(Debug, Serialize)]
pub(super) struct StepReport {
    name: String,
    verdict: &'static str,
    seconds: f64,
    passed: usize,
    failed: usize,
    skipped: Vec<String>,
    command: String,
    log: Option<PathBuf>,
    problem: Option<String>,
}

impl StepReport {
    pub(super) fn skipped(step: &Step, reason: String) -> Self {
        Self {
            name: step.name.clone(),
            verdict: "skipped",
            seconds: 0.0,
            passed: 0,
            failed: 0,
            skipped: vec![reason],
            command: step.repeat(),
            log: None,
            problem: None,
        }
    }

    /// The tests of a step count one by one; a step without tests counts as one. A step that fails
    /// for another reason than its tests counts as one failure more.
    pub(super) fn ran(
        step: &Step,
        log: &Path,
        seconds: f64,
        problem: Option<String>,
        tally: &Tally,
    ) -> Self {
        let is_ok = problem.is_none();
        Self {
            verdict: if is_ok { "ok" } else { "failed" },
            seconds,
            passed: tally.passed + usize::from(is_ok && !tally.has_results),
            failed: tally.failed + usize::from(!is_ok && tally.failed == 0),
            skipped: tally.skipped.clone(),
            log: Some(log.into()),
            problem,
            ..Self::skipped(step, String::new())
        }
    }

    pub(super) fn is_ok(&self) -> bool {
        self.verdict == "ok"
    }

    /// The end of the step's line.
    fn line(&self) -> String {
        let mut line = format!("{} ({:.1} s", self.verdict, self.seconds);
        if self.passed + self.failed > 1 {
            line += &format!(", {} passed", self.passed);
        }
        if self.failed > 0 && self.passed + self.failed > 1 {
            line += &format!(", {} failed", self.failed);
        }
        if !self.skipped.is_empty() {
            line += &format!(", {} skipped", self.skipped.len());
        }
        line + ")"
    }
}

/// All steps so far.
#[derive(Debug)]
pub(super) struct Report {
    begun: Instant,
    steps: Vec<StepReport>,
}

#[derive(Serialize)]
struct Json<'a> {
    passed: usize,
    failed: usize,
    skipped: usize,
    seconds: f64,
    steps: &'a [StepReport],
}

impl Report {
    pub(super) fn begin() -> Self {
        Self { begun: Instant::now(), steps: Vec::new() }
    }

    pub(super) fn announce(&self, number: usize, total: usize, name: &str) {
        print!("[{number:2}/{total}] {name} … ");
        // A terminal that is gone must not end the tests.
        let _ = std::io::stdout().flush();
    }

    pub(super) fn add(&mut self, step: StepReport) {
        println!("{}", step.line());
        if step.verdict == "failed" {
            show_failure(&step);
        }
        self.steps.push(step);
    }

    /// Prints the summary, the counts last, and returns whether nothing failed.
    pub(super) fn finish(&self) -> bool {
        let skips =
            self.steps.iter().flat_map(|step| step.skipped.iter().map(move |why| (step, why)));
        for (step, reason) in skips {
            println!("skipped: {}: {reason}", step.name);
        }
        for step in self.steps.iter().filter(|step| step.verdict == "failed") {
            println!("failed: {}; repeat with: {}", step.name, step.command);
        }
        let (passed, failed, skipped) = self.counts();
        println!("{} steps in {:.0} s", self.steps.len(), self.begun.elapsed().as_secs_f64());
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        failed == 0
    }

    pub(super) fn write_json(&self, file: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let (passed, failed, skipped) = self.counts();
        let seconds = self.begun.elapsed().as_secs_f64();
        let json = Json { passed, failed, skipped, seconds, steps: &self.steps };
        std::fs::write(file, serde_json::to_string_pretty(&json)? + "\n")
            .map_err(|error| format!("{}: {error}", file.display()).into())
    }

    fn counts(&self) -> (usize, usize, usize) {
        self.steps.iter().fold((0, 0, 0), |(passed, failed, skipped), step| {
            (passed + step.passed, failed + step.failed, skipped + step.skipped.len())
        })
    }
}

fn show_failure(step: &StepReport) {
    let output = step.log.as_deref().and_then(|log| std::fs::read(log).ok()).unwrap_or_default();
    let output = String::from_utf8_lossy(&output);
    let lines: Vec<&str> = output.lines().collect();
    let hidden = lines.len().saturating_sub(LINES_SHOWN);
    println!("---- output of `{}`", step.command);
    if let (1.., Some(log)) = (hidden, &step.log) {
        println!("({hidden} lines before these are in {})", log.display());
    }
    for line in &lines[hidden..] {
        println!("{line}");
    }
    println!("---- {}: {}", step.name, step.problem.as_deref().unwrap_or("failed"));
    println!("---- repeat with: {}", step.command);
}
