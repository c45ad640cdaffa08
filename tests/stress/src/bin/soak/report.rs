//! Progress, the table at the end, JSON.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aura_stress::verdict::{EXIT_FAILURE, Verdict};
use comfy_table::{CellAlignment, Table};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::gauges::Sample;
use crate::stints::Failure;
use crate::tally::{Counts, Tally};
use crate::trend::{self, Trend};

/// A thread that shows how far the run is: a bar on a terminal, elsewhere a line now and then.
///
/// It also ends a run that stands still: a lost completion may be just what everybody waits for.
#[derive(Debug)]
pub(crate) struct Progress {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often a line is printed where it cannot be redrawn.
const PLAIN_EVERY: u32 = 150;
/// Looks without any operation completed, after which the run stands still. Looks, and not time: the process
/// may have been stopped.
const STILL_MAX: u32 = 900;

impl Progress {
    pub(crate) fn begin(operations: u64, tally: &Arc<Tally>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let thread = {
            let (tally, over) = (tally.clone(), over.clone());
            std::thread::spawn(move || watch(operations, &tally, &over))
        };
        Self { over, thread: Some(thread) }
    }

    pub(crate) fn end(mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join(); // What it shows is no part of the result.
        }
    }
}

fn watch(operations: u64, tally: &Tally, over: &AtomicBool) {
    let bar = ProgressBar::new(operations);
    let template = "{bar:30} {percent:>3} %  {human_pos} of {human_len}  {per_sec}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    let begun = Instant::now();
    let (mut looks, mut still, mut before) = (0_u32, 0_u32, 0);
    while !over.load(Ordering::Relaxed) {
        std::thread::park_timeout(LOOK_EVERY);
        let done = tally.operations();
        looks += 1;
        still = if done == before { still + 1 } else { 0 };
        before = done;
        bar.set_position(done);
        if bar.is_hidden() && looks.is_multiple_of(PLAIN_EVERY) {
            let seconds = begun.elapsed().as_secs_f64();
            eprintln!(
                "{done} operations in {seconds:.0} s: {:.0} K per second",
                done as f64 / seconds / 1e3
            );
        }
        if still == STILL_MAX {
            bar.finish_and_clear();
            eprintln!("error: the run stands still after {done} operations: {:?}", tally.counts());
            std::process::exit(EXIT_FAILURE.into());
        }
    }
    bar.finish_and_clear();
}

/// What the run came to.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    seed: u64,
    #[serde(serialize_with = "as_word")]
    pub(crate) verdict: Verdict,
    seconds: f64,
    operations: u64,
    operations_per_second: f64,
    shifts: u64,
    counts: Counts,
    gauges: Vec<Trend>,
    findings: Vec<String>,
}

fn as_word<S: serde::Serializer>(verdict: &Verdict, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(verdict.word())
}

impl Outcome {
    pub(crate) fn new(
        seed: u64,
        elapsed: Duration,
        shifts: u64,
        tally: &Tally,
        samples: &[Sample],
    ) -> Self {
        let operations = tally.operations();
        let gauges = trend::trends(samples);
        let mut findings = tally.findings();
        for trend in gauges.iter().filter(|trend| !trend.is_flat) {
            findings.push(format!(
                "{}: grew by {:.0} over the last half of the run; {} is allowed",
                trend.gauge, trend.growth, trend.allowed
            ));
        }
        Self {
            seed,
            verdict: Verdict::Held,
            seconds: elapsed.as_secs_f64(),
            operations,
            operations_per_second: operations as f64 / elapsed.as_secs_f64(),
            shifts,
            counts: tally.counts(),
            gauges,
            findings,
        }
    }

    /// Anything found fails the run, however it ended.
    pub(crate) fn judge(&mut self, ended: Verdict) {
        self.verdict = if self.findings.is_empty() { ended } else { Verdict::Failed };
    }

    pub(crate) fn table(&self) -> String {
        let Counts {
            right,
            failed_as_planned,
            short_at_the_end,
            cancelled,
            refused,
            abandoned,
            panicked_as_planned,
            attempts_at_the_limit,
            bytes_verified,
            threads,
            engines,
        } = self.counts;
        let mut text = format!(
            "{} operations in {:.1} s: {:.0} K per second; {} threads, {} engines, seed {}\n",
            self.operations,
            self.seconds,
            self.operations_per_second / 1e3,
            threads,
            engines + 1,
            self.seed
        );
        let mut counts = Table::new();
        counts.set_header(["operations that", "count"]);
        for (what, count) in [
            ("brought what they must", right),
            ("failed as they must", failed_as_planned),
            ("were short at the end of the file", short_at_the_end),
            ("were cancelled when asked", cancelled),
            ("were refused by the call", refused),
            ("were dropped as futures", abandoned),
            ("panicked in their callback", panicked_as_planned),
        ] {
            counts.add_row([what.to_owned(), count.to_string()]);
        }
        align_numbers(&mut counts, 1..2);
        text += &counts.to_string();
        text += &format!(
            "\n{:.1} GB compared, every byte; {attempts_at_the_limit} attempts found the limit reached\n",
            bytes_verified as f64 / 1e9
        );
        text += &self.gauges_table();
        for finding in &self.findings {
            text += &format!("\nFOUND: {finding}");
        }
        text + &format!("\nsoak: {}", self.verdict.word())
    }

    fn gauges_table(&self) -> String {
        if self.gauges.is_empty() {
            return "too short to tell whether anything grows".into();
        }
        let mut gauges = Table::new();
        gauges.set_header([
            "held when all is quiet",
            "first",
            "middle",
            "last",
            "growth",
            "allowed",
        ]);
        for trend in &self.gauges {
            let numbers = [trend.first, trend.middle, trend.last].map(|number| number.to_string());
            let [first, middle, last] = numbers;
            let growth = format!("{:.0}", trend.growth);
            gauges.add_row([
                trend.gauge.into(),
                first,
                middle,
                last,
                growth,
                trend.allowed.to_string(),
            ]);
        }
        align_numbers(&mut gauges, 1..6);
        gauges.to_string()
    }

    pub(crate) fn write_json(&self, file: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()).into())
    }
}

fn align_numbers(table: &mut Table, columns: std::ops::Range<usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
