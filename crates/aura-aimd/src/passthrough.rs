//! When to take over: signs that the load is more than the device digests.

use crate::stats::is_late;
use crate::window::Window;

/// Windows in a row in which in-flight must grow, and that may show high peaks or late operations,
/// before that counts. One window is chance.
const PERSISTENT: u32 = 3;

/// Watches a load that is not limited.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    growing: u32,
    grown_from: f64,
    in_flight: f64,
    peaks: u32,
    late: u32,
}

impl Watch {
    pub(crate) const fn new() -> Self {
        Self { growing: 0, grown_from: 0.0, in_flight: 0.0, peaks: 0, late: 0 }
    }

    /// Whether the window is reason enough to start limiting. A closed loop that saturates is at
    /// full depth at once and never grows, so depth alone must do.
    pub(crate) fn is_overloaded(&mut self, window: &Window, max: u32, target: bool) -> bool {
        let half = f64::from(max) / 2.0;
        let count = |count: u32, sign: bool| if sign { count + 1 } else { 0 };
        self.peaks = count(self.peaks, f64::from(window.in_flight_max) > half);
        let latency = &window.latency;
        let late = target && is_late(latency.samples, latency.over_target, 4.0);
        self.late = count(self.late, late);
        if window.in_flight_avg > self.in_flight * 1.2 {
            if self.growing == 0 {
                self.grown_from = self.in_flight;
            }
            self.growing += 1;
        } else {
            self.growing = 0;
        }
        self.in_flight = window.in_flight_avg;
        // Random load wanders and bursts; a queue that cannot be served doubles, and is not small.
        let grown = self.growing >= PERSISTENT
            && window.in_flight_avg > half / 8.0
            && window.in_flight_avg > 2.0 * self.grown_from
            && self.grown_from > 0.0;
        window.gated > 0
            || window.in_flight_avg > half
            || self.peaks >= PERSISTENT
            || self.late >= 2
            || grown
    }
}
