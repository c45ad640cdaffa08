//! Gradient2: compares the latency of now with its long average.

use super::limiter::{Law, Limiter};
use aura_aimd::Window;

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
pub type Gradient2 = Limiter<Gradient2Law>;

impl Gradient2 {
    /// Limits between these two.
    ///
    /// # Panics
    ///
    /// If `min_limit` is greater than `max_limit`.
    #[must_use]
    pub fn new(min_limit: u32, max_limit: u32) -> Self {
        Self::with_law(min_limit, max_limit, Gradient2Law::default())
    }
}

/// The law of [`Gradient2`].
#[derive(Clone, Debug, Default)]
pub struct Gradient2Law {
    long_ns: f64,
    windows: u32,
}

impl Law for Gradient2Law {
    fn next_limit(&mut self, limit: f64, window: &Window) -> f64 {
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
        if f64::from(window.in_flight_max) < limit / 2.0 {
            return limit; // The load does not use the limit.
        }
        let gradient = (TOLERANCE * self.long_ns / now_ns).clamp(0.5, 1.0);
        limit * (1.0 - SMOOTHING) + (limit * gradient + QUEUE) * SMOOTHING
    }
}
