//! Vegas: estimates the queue from how much slower operations are than the fastest seen.

use super::{WINDOW, plain};
use crate::policy::{Policy, Sampling};
use crate::rng::Rng;
use aura_aimd::{Decision, Window, WindowGoal};

/// Windows between two probes for a new shortest time, before jitter. The library counts samples, 30
/// times the limit; a window stands for at least one round of them.
const PROBE_WINDOWS: f64 = 30.0;

/// The limiter named Vegas in Netflix's concurrency-limits, after Brakmo and Peterson's TCP Vegas
/// (1995): of a limit `L`, `L·(1 − shortest/measured)` operations are queued. The limit grows by
/// `6·log10 L` while that is at most `log10 L`, by `log10 L` while it is under `3·log10 L`, and
/// shrinks by `log10 L` while it is over `6·log10 L`.
#[derive(Clone, Debug)]
pub struct Vegas {
    min_limit: f64,
    max_limit: f64,
    limit: f64,
    shortest_ns: f64,
    windows: f64,
    jitter: f64,
    rng: Rng,
    changed: bool,
}

impl Vegas {
    /// Limits between these two; starts at 20 as the library does.
    #[must_use]
    pub fn new(min_limit: u32, max_limit: u32, seed: u64) -> Self {
        let (min_limit, max_limit) = (f64::from(min_limit), f64::from(max_limit));
        let limit = 20f64.clamp(min_limit, max_limit);
        let (rng, changed) = (Rng::new(seed), false);
        let (shortest_ns, windows, jitter) = (f64::INFINITY, 0.0, 1.0);
        Self { min_limit, max_limit, limit, shortest_ns, windows, jitter, rng, changed }
    }

    fn next_limit(&mut self, window: &Window) -> f64 {
        if window.latency.samples == 0 {
            return self.limit;
        }
        let measured_ns = window.latency.mean_ns as f64;
        self.windows += 1.0;
        if self.windows >= PROBE_WINDOWS * self.jitter {
            self.windows = 0.0;
            self.jitter = 0.5 + self.rng.unit() / 2.0;
            self.shortest_ns = measured_ns;
            return self.limit;
        }
        if measured_ns < self.shortest_ns {
            self.shortest_ns = measured_ns;
            return self.limit;
        }
        if f64::from(window.in_flight_max) * 2.0 < self.limit {
            return self.limit; // The load does not use the limit.
        }
        let step = self.limit.log10().max(1.0);
        let queued = (self.limit * (1.0 - self.shortest_ns / measured_ns)).ceil();
        if queued <= step {
            self.limit + 6.0 * step
        } else if queued < 3.0 * step {
            self.limit + step
        } else if queued > 6.0 * step {
            self.limit - step
        } else {
            self.limit
        }
    }
}

impl Policy for Vegas {
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
