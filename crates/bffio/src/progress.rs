//! The progress line: what runs, how far it is, how fast, how long yet.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::job::{Eta, Format, PerDirection, Settings};
use crate::units;
use crate::watch::{JobNow, Observer, Snapshot, Stage};

/// Shows progress on standard error, and notes on standard output if the report there is text.
#[derive(Debug)]
pub struct Progress {
    shows: Shows,
    interval: Duration,
    newline: Option<Duration>,
    newline_last: Instant,
    prints_notes: bool,
}

/// How progress is shown.
#[derive(Debug)]
enum Shows {
    Nothing,
    /// A line that is renewed.
    Line(ProgressBar),
    /// One line after the other.
    Lines,
}

impl Progress {
    /// As the settings have it.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let terminal = io::stderr().is_terminal();
        let text_only = settings.output.is_some() || settings.formats == [Format::Normal];
        let shows = match settings.eta {
            Eta::Never => Shows::Nothing,
            Eta::Auto if !(terminal && text_only) => Shows::Nothing,
            _ if !terminal => Shows::Lines,
            _ => {
                let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
                bar.set_style(
                    ProgressStyle::with_template("{msg}").expect("the template is sound"),
                );
                Shows::Line(bar)
            }
        };
        Self {
            shows,
            interval: settings.eta_interval,
            newline: settings.eta_newline,
            newline_last: Instant::now(),
            prints_notes: settings.output.is_none() && settings.formats.contains(&Format::Normal),
        }
    }

    /// Takes the line off the terminal, so that the report begins on an empty one.
    pub fn finish(&self) {
        if let Shows::Line(bar) = &self.shows {
            bar.finish_and_clear();
        }
    }

    fn newline_is_due(&mut self) -> bool {
        let due = self.newline.is_some_and(|newline| self.newline_last.elapsed() >= newline);
        if due {
            self.newline_last = Instant::now();
        }
        due
    }
}

impl Observer for Progress {
    fn tick(&mut self, now: &Snapshot) {
        let newline = self.newline_is_due();
        match &self.shows {
            Shows::Nothing => {}
            Shows::Lines => _ = writeln!(io::stderr(), "{}", line(now)), // a closed stderr is no reason to end
            Shows::Line(bar) => {
                if newline {
                    bar.println(line(now));
                }
                bar.set_message(line(now));
            }
        }
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    fn note(&mut self, sentence: &str) {
        if !self.prints_notes {
            return;
        }
        let print = || _ = writeln!(io::stdout(), "{sentence}");
        match &self.shows {
            Shows::Line(bar) => bar.suspend(print),
            _ => print(),
        }
    }
}

/// fio's line: `Jobs: 2: [r(2)][33.3%][r=12.3MiB/s][r=3.14k IOPS][eta 00m:02s]`.
fn line(now: &Snapshot) -> String {
    let running: u32 = now.jobs.iter().map(|job| job.workers_running).sum();
    let mut line = format!("Jobs: {running}: [{}]", letters(&now.jobs));
    if let Some(layout) = layout(&now.jobs) {
        return format!("{line}[laying out {layout}]");
    }
    if let Some(done) = now.done {
        line += &format!("[{:.1}%]", done.clamp(0.0, 1.0) * 100.0);
    }
    let sum = |value: &dyn Fn(&JobNow) -> PerDirection<f64>| {
        PerDirection::from_fn(|direction| {
            now.jobs.iter().map(|job| value(job)[direction]).sum::<f64>()
        })
    };
    line += &rates(sum(&|job| job.bytes_per_s), units::bandwidth, "");
    line += &rates(sum(&|job| job.ios_per_s), units::count, " IOPS");
    line += &now.jobs.iter().filter_map(search).collect::<String>();
    match now.remaining {
        Some(remaining) => line + &format!("[eta {}]", units::clock(remaining)),
        None => line,
    }
}

/// A letter for each job's state and the number of its workers: `r(2),_(1)`.
fn letters(jobs: &[JobNow]) -> String {
    let one = |job: &JobNow| format!("{}({})", letter(job), job.workers_running.max(1));
    jobs.iter().map(one).collect::<Vec<_>>().join(",")
}

/// fio's letter.
fn letter(job: &JobNow) -> char {
    match job.stage {
        Stage::Waiting | Stage::LayingOut { .. } => 'P',
        Stage::Ramp => '/',
        Stage::Verifying => 'V',
        Stage::Done => '_',
        Stage::Failed => 'X',
        Stage::Running | Stage::Searching => match job.workload {
            "read" => 'R',
            "randread" => 'r',
            "write" => 'W',
            "randwrite" => 'w',
            "rw" => 'M',
            _ => 'm',
        },
    }
}

fn layout(jobs: &[JobNow]) -> Option<String> {
    let amounts = jobs.iter().filter_map(|job| match job.stage {
        Stage::LayingOut { done_bytes, total_bytes } => Some((done_bytes, total_bytes)),
        _ => None,
    });
    let (done, total) = amounts.reduce(|sum, amount| (sum.0 + amount.0, sum.1 + amount.1))?;
    Some(format!("{} of {}", units::bytes(done as f64), units::bytes(total as f64)))
}

/// `[r=…,w=…]`, with the directions that do something.
fn rates(rates: PerDirection<f64>, text: fn(f64) -> String, unit: &str) -> String {
    let parts = [("r", rates.read), ("w", rates.write)];
    let parts: Vec<_> = parts
        .iter()
        .filter(|(_, rate)| *rate > 0.0)
        .map(|(name, rate)| format!("{name}={}", text(*rate)))
        .collect();
    if parts.is_empty() { String::new() } else { format!("[{}{unit}]", parts.join(",")) }
}

/// Where a search stands.
fn search(job: &JobNow) -> Option<String> {
    let target = job.target.filter(|_| job.stage == Stage::Searching)?;
    let limit: u32 = job.rings.iter().map(|ring| ring.limit).sum();
    let p99 = job.rings.iter().map(|ring| ring.p99).max().unwrap_or_default();
    Some(format!("[depth {limit}, p99 {} of {}]", units::latency(p99), units::latency(target)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::RingNow;

    #[test]
    fn the_line_says_what_runs_how_fast_and_how_long() {
        let reads = JobNow {
            workload: "randread",
            stage: Stage::Running,
            workers_running: 2,
            bytes_per_s: PerDirection { read: 4096.0 * 3000.0, write: 0.0 },
            ios_per_s: PerDirection { read: 3000.0, write: 0.0 },
            ..JobNow::default()
        };
        let waits = JobNow { workload: "write", ..JobNow::default() };
        let now = Snapshot {
            done: Some(1.0 / 3.0),
            remaining: Some(Duration::from_secs(20)),
            jobs: vec![reads, waits],
            ..Snapshot::default()
        };
        assert_eq!(
            line(&now),
            "Jobs: 2: [r(2),P(1)][33.3%][r=11.7MiB/s][r=3.00k IOPS][eta 00m:20s]"
        );
    }

    #[test]
    fn a_search_shows_depth_and_latency() {
        let ring = RingNow { limit: 48, p99: Duration::from_micros(1800), ..RingNow::default() };
        let job = JobNow {
            workload: "randread",
            stage: Stage::Searching,
            workers_running: 1,
            rings: vec![ring],
            target: Some(Duration::from_millis(2)),
            ..JobNow::default()
        };
        let now = Snapshot { jobs: vec![job], ..Snapshot::default() };
        assert_eq!(line(&now), "Jobs: 1: [r(1)][depth 48, p99 1.80ms of 2.00ms]");
    }

    #[test]
    fn the_layout_of_files_is_progress_too() {
        let stage = Stage::LayingOut { done_bytes: 1 << 20, total_bytes: 4 << 20 };
        let now =
            Snapshot { jobs: vec![JobNow { stage, ..JobNow::default() }], ..Snapshot::default() };
        assert_eq!(line(&now), "Jobs: 0: [P(1)][laying out 1.00MiB of 4.00MiB]");
    }
}
