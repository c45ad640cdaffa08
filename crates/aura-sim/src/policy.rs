//! Who decides the limit: the trait, a fixed number, and Aura's own controller.

use aura_aimd::{Controller, Decision, Phase, Reason, Window, WindowGoal};
use std::fmt;

/// Anything that turns windows into limits. Implement it to bring a controller of your own.
pub trait Policy: fmt::Debug {
    /// Digests a window and decides. [`Decision::limit_changed`] has to be set exactly if the limit
    /// differs from the one before.
    fn on_window(&mut self, window: &Window) -> Decision;

    /// When the next window is to be closed; asked after every completion.
    fn goal(&self) -> WindowGoal;

    /// The decision in force.
    fn decision(&self) -> Decision;

    /// Latencies above this count as [`over_target`](aura_aimd::Latency::over_target).
    fn target_p99_ns(&self) -> Option<u64> {
        None
    }

    /// Which latencies it wants to see. Asked once, before the run.
    fn sampling(&self) -> Sampling {
        Sampling::default()
    }

    /// Whether it has found that no limit meets its target.
    fn is_infeasible(&self) -> bool {
        false
    }
}

/// Which latencies a [`Policy`] is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Also those of operations submitted before the last change of limit.
    pub all_epochs: bool,
    /// One operation in so many, at least 1.
    pub one_in: u32,
}

impl Default for Sampling {
    /// Every operation of the present epoch.
    fn default() -> Self {
        Self { all_epochs: false, one_in: 1 }
    }
}

impl Policy for Controller {
    fn on_window(&mut self, window: &Window) -> Decision {
        Self::on_window(self, window)
    }

    fn goal(&self) -> WindowGoal {
        Self::goal(self)
    }

    fn decision(&self) -> Decision {
        Self::decision(self)
    }

    fn target_p99_ns(&self) -> Option<u64> {
        Self::target_p99_ns(self)
    }

    fn is_infeasible(&self) -> bool {
        Self::is_infeasible(self)
    }
}

/// A limit somebody tuned by hand.
#[derive(Clone, Copy, Debug)]
pub struct Fixed(
    /// The limit.
    pub u32,
);

impl Policy for Fixed {
    fn on_window(&mut self, _window: &Window) -> Decision {
        self.decision()
    }

    fn goal(&self) -> WindowGoal {
        WindowGoal {
            min_samples: u64::MAX,
            min_duration_ns: 50_000_000,
            max_duration_ns: 50_000_000,
        }
    }

    fn decision(&self) -> Decision {
        Decision {
            limit: self.0,
            batch: 1,
            phase: Phase::Steady,
            reason: Reason::Start,
            limit_changed: false,
        }
    }
}
