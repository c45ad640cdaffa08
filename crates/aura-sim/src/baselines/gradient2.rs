//! Gradient2: compares the latency of now with its long average.

use super::{WINDOW, plain};
use crate::policy::{Policy, Sampling};
use aura_aimd::{Decision, Window, WindowGoal};

/// Windows that the long average remembers.
const LONG_WINDOWS: f64 = 600.0;
/// Windows whose plain mean the average starts from.
const WARM_UP: u32 = 10;
/// Latency may grow by this factor over the long average before the limit falls.
const TOLERANCE: f64 = 1.5;
/// Share of a new value in the limit.
const SMOOTHING: f64 = 0.2;
/// Operations that may queue: how much the limit grows while latency does not.
const QUEUE: f64 = 4.0;

/// The limiter named Gradient2 in Netflix's concurrency-limits, with its defaults: the limit is
/// multiplied by `clamp(1.5·long/now, 0.5, 1)` plus 4, smoothed; `long` is an exponential average of
/// the latency over 600 windows, pulled down while it is more than twice the present one.
#[derive(Clone, Debug)]
pub struct Gradient2 {
    min_limit: f64,
    max_limit: f64,
    limit: f64,
    long_ns: f64,
    windows: u32,
    changed: bool,
}

impl Gradient2 {
    /// Limits between these two; starts at 20 as the library does.
    #[must_use]
    pub fn new(min_limit: u32, max_limit: u32) -> Self {
        let (min_limit, max_limit) = (f64::from(min_limit), f64::from(max_limit));
        let limit = 20f64.clamp(min_limit, max_limit);
        Self { min_limit, max_limit, limit, long_ns: 0.0, windows: 0, changed: false }
    }

    fn next_limit(&mut self, window: &Window) -> f64 {
        if window.latency.samples == 0 {
            return self.limit;
        }
        let now_ns = window.latency.mean_ns.max(1) as f64;
        self.windows = self.windows.saturating_add(1);
        let weight = if self.windows <= WARM_UP {
            1.0 / f64::from(self.windows)
        } else {
            2.0 / (LONG_WINDOWS + 1.0)
        };
        self.long_ns += weight * (now_ns - self.long_ns);
        if self.long_ns / now_ns > 2.0 {
            self.long_ns *= 0.95;
        }
        if f64::from(window.in_flight_max) < self.limit / 2.0 {
            return self.limit; // The load does not use the limit.
        }
        let gradient = (TOLERANCE * self.long_ns / now_ns).clamp(0.5, 1.0);
        let wanted = self.limit * gradient + QUEUE;
        self.limit * (1.0 - SMOOTHING) + wanted * SMOOTHING
    }
}

impl Policy for Gradient2 {
    fn on_window(&mut self, window: &Window) -> Decision {
        let before = self.limit as u32;
        self.limit = self.next_limit(window).clamp(self.min_limit, self.max_limit);
        self.changed = self.limit as u32 != before;
        self.decision()
    }

    fn goal(&self) -> WindowGoal {
        WINDOW
    }

    fn decision(&self) -> Decision {
        plain(self.limit as u32, self.changed)
    }

    fn sampling(&self) -> Sampling {
        Sampling { all_epochs: true, one_in: 1 }
    }
}
