//! The line that shows what is going on: redrawn on a terminal, one a second elsewhere.

use std::cell::Cell;
use std::time::{Duration, Instant};

use aura_bench::units;
use indicatif::{ProgressBar, ProgressStyle};

/// What the last moments looked like.
#[derive(Clone, Debug)]
pub(crate) struct Now {
    pub(crate) iops: f64,
    pub(crate) bytes_per_second: f64,
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
    /// The engine's limit; `None` if the caller holds the depth.
    pub(crate) limit: Option<i32>,
    pub(crate) in_flight: usize,
    pub(crate) phase: &'static str,
    pub(crate) is_warm_up: bool,
}

/// How often [`Live::show`] wants to be called.
pub(crate) const EVERY: Duration = Duration::from_millis(200);
/// How often a line is printed where it cannot be redrawn.
const PLAIN_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Live {
    /// Hidden where there is no terminal.
    line: ProgressBar,
    printed: Cell<Instant>,
}

impl Live {
    pub(crate) fn new() -> Self {
        let line = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            line.set_style(style);
        }
        Self { line, printed: Cell::new(Instant::now()) }
    }

    pub(crate) fn show(&self, round: usize, name: &str, now: &Now) {
        if !self.line.is_hidden() {
            self.line.set_message(text(round, name, now));
            self.line.tick();
        } else if self.printed.get().elapsed() >= PLAIN_EVERY {
            println!("{}", text(round, name, now));
            self.printed.set(Instant::now());
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.line.finish_and_clear();
    }
}

fn text(round: usize, name: &str, now: &Now) -> String {
    let limit = now.limit.map_or("-".into(), |limit| limit.to_string());
    let warm_up = if now.is_warm_up { " (warm-up)" } else { "" };
    format!(
        "round {round}  {name:12} {:>8} IOPS {:>6.0} MB/s  p50 {:>7}  p99 {:>7}  limit {limit:>4}  \
         in flight {:>4}  {}{warm_up}",
        units::rate(now.iops),
        now.bytes_per_second / 1e6,
        units::latency(now.p50_ns),
        units::latency(now.p99_ns),
        now.in_flight,
        now.phase,
    )
}
