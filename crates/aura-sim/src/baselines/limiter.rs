//! What limiters made for request rates have in common: a limit that follows from the mean latency of
//! windows of 100 ms, and nothing else. Vegas and Gradient2 differ in the law by which it follows.

use crate::MS;
use crate::policy::{Policy, Sampling};
use aura_aimd::{Decision, Phase, Reason, Window, WindowGoal};
use std::fmt;

/// The library that these limiters come from waits a second by default, which would only make them
/// slower here.
const WINDOW: WindowGoal =
    WindowGoal { min_samples: 10, min_duration_ns: 100 * MS, max_duration_ns: 1_000 * MS };

/// How a limit follows from what was seen at the one before.
pub trait Law: fmt::Debug {
    /// The next limit, not yet rounded or bounded, after a window that has samples.
    fn next_limit(&mut self, limit: f64, window: &Window) -> f64;
}

/// A [`Policy`] that obeys a [`Law`].
#[derive(Clone, Debug)]
pub struct Limiter<L> {
    law: L,
    bounds: (f64, f64),
    limit: f64,
    changed: bool,
}

impl<L: Law> Limiter<L> {
    /// Limits between these two; starts at 20 as the library does.
    ///
    /// # Panics
    ///
    /// If `min_limit` is greater than `max_limit`.
    #[must_use]
    pub fn with_law(min_limit: u32, max_limit: u32, law: L) -> Self {
        let bounds = (f64::from(min_limit), f64::from(max_limit));
        Self { law, bounds, limit: 20f64.clamp(bounds.0, bounds.1), changed: false }
    }
}

impl<L: Law> Policy for Limiter<L> {
    fn on_window(&mut self, window: &Window) -> Decision {
        let before = self.limit as u32;
        if window.latency.samples > 0 {
            let next = self.law.next_limit(self.limit, window);
            self.limit = next.clamp(self.bounds.0, self.bounds.1);
        }
        self.changed = self.limit as u32 != before;
        self.decision()
    }

    fn goal(&self) -> WindowGoal {
        WINDOW
    }

    fn decision(&self) -> Decision {
        Decision {
            limit: self.limit as u32,
            batch: 1,
            phase: Phase::Probing,
            reason: Reason::Start,
            limit_changed: self.changed,
        }
    }

    fn sampling(&self) -> Sampling {
        Sampling { all_epochs: true, one_in: 1 }
    }
}
