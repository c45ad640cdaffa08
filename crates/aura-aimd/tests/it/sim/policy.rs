//! Who decides the limit.

use aura_aimd::{Controller, Decision, Phase, Reason, Window, WindowGoal};

/// Anything that turns windows into limits.
pub trait Policy {
    fn on_window(&mut self, window: &Window) -> Decision;
    fn goal(&self) -> WindowGoal;
    fn decision(&self) -> Decision;
    fn target_p99_ns(&self) -> Option<u64>;
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
}

/// A limit somebody tuned by hand.
#[derive(Clone, Copy, Debug)]
pub struct Fixed(pub u32);

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

    fn target_p99_ns(&self) -> Option<u64> {
        None
    }
}
