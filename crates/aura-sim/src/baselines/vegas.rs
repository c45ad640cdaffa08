//! Vegas: estimates the queue from how much slower operations are than the fastest seen.

use super::limiter::{Law, Limiter};
use crate::rng::Rng;
use aura_aimd::Window;

/// Windows between two probes for a new shortest time, before jitter. The library counts samples, 30
/// times the limit; a window stands for at least one round of them.
const PROBE_WINDOWS: f64 = 30.0;

/// The limiter named Vegas in Netflix's concurrency-limits, after Brakmo and Peterson's TCP Vegas
/// (1995): of a limit `L`, `L·(1 − shortest/measured)` operations are queued. The limit grows by
/// `6·log10 L` while that is at most `log10 L`, by `log10 L` while it is under `3·log10 L`, and
/// shrinks by `log10 L` while it is over `6·log10 L`.
pub type Vegas = Limiter<VegasLaw>;

impl Vegas {
    /// Limits between these two.
    ///
    /// # Panics
    ///
    /// If `min_limit` is greater than `max_limit`.
    #[must_use]
    pub fn new(min_limit: u32, max_limit: u32, seed: u64) -> Self {
        let (shortest_ns, windows, jitter) = (f64::INFINITY, 0.0, 1.0);
        let law = VegasLaw { shortest_ns, windows, jitter, rng: Rng::new(seed) };
        Self::with_law(min_limit, max_limit, law)
    }
}

/// The law of [`Vegas`].
#[derive(Clone, Debug)]
pub struct VegasLaw {
    shortest_ns: f64,
    windows: f64,
    jitter: f64,
    rng: Rng,
}

impl Law for VegasLaw {
    fn next_limit(&mut self, limit: f64, window: &Window) -> f64 {
        let measured_ns = window.latency.mean_ns as f64;
        self.windows += 1.0;
        if self.windows >= PROBE_WINDOWS * self.jitter {
            self.windows = 0.0;
            self.jitter = 0.5 + self.rng.unit() / 2.0;
            self.shortest_ns = measured_ns;
            return limit;
        }
        if measured_ns < self.shortest_ns {
            self.shortest_ns = measured_ns;
            return limit;
        }
        if f64::from(window.in_flight_max) * 2.0 < limit {
            return limit; // The load does not use the limit.
        }
        let step = limit.log10().max(1.0);
        let queued = (limit * (1.0 - self.shortest_ns / measured_ns)).ceil();
        if queued <= step {
            limit + 6.0 * step
        } else if queued < 3.0 * step {
            limit + step
        } else if queued > 6.0 * step {
            limit - step
        } else {
            limit
        }
    }
}
