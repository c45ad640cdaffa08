//! The state machine.

use crate::config::{Config, ConfigError};
use crate::decision::{Decision, Phase, Reason};
use crate::window::{Window, WindowGoal};

/// The controller. See the [crate's documentation](crate) for an example.
#[derive(Clone, Debug)]
pub struct Controller {
    config: Config,
    limit: u32,
    phase: Phase,
    reason: Reason,
    limit_changed: bool,
    /// The first window of an epoch is a mixture of two limits and only fills the pipeline.
    warming: bool,
    guard_ns: Option<u64>,
    infeasible: bool,
    previous_rate: f64,
    previous_limit: u32,
}

impl Controller {
    /// A controller in [`Phase::Passthrough`].
    ///
    /// # Errors
    ///
    /// What [`Config::validate`] says.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            config,
            limit: config.max_limit,
            phase: Phase::Passthrough,
            reason: Reason::Start,
            limit_changed: false,
            warming: false,
            guard_ns: None,
            infeasible: false,
            previous_rate: 0.0,
            previous_limit: 0,
        })
    }

    /// Digests one window and decides. Call it when [`goal`](Self::goal) is met.
    pub fn on_window(&mut self, window: &Window) -> Decision {
        self.limit_changed = false;
        if window.gap_ns > window.duration_ns / 20 || window.duration_ns == 0 {
            return self.decision();
        }
        if core::mem::take(&mut self.warming) {
            return self.decision();
        }
        let saturated = window.gated > 0 && window.in_flight_avg >= 0.9 * f64::from(self.limit);
        let late = window.latency.over_target * 100 > window.latency.samples * 2;
        match self.phase {
            Phase::Passthrough => {
                if saturated || window.in_flight_max > self.limit / 2 {
                    self.enter(Phase::Baseline, Reason::Saturated, self.config.min_limit);
                }
            }
            Phase::Baseline => {
                let p99_ns = window.latency.p99_ns as f64 * self.config.baseline_factor;
                self.guard_ns = Some(p99_ns as u64);
                self.remember(window);
                self.enter(Phase::Probing, Reason::BaselineMeasured, self.limit * 2);
            }
            Phase::Probing if late => {
                self.enter(Phase::Backoff, Reason::TargetExceeded, self.limit * 4 / 5);
            }
            Phase::Probing if saturated => {
                let rate = window.operations_per_second();
                if rate > self.previous_rate * (1.0 + self.config.gain_threshold)
                    && self.limit < self.config.max_limit
                {
                    self.remember(window);
                    self.enter(Phase::Probing, Reason::GainContinues, self.limit * 2);
                } else {
                    let knee = self.previous_limit;
                    self.enter(Phase::Steady, Reason::KneeFound, knee);
                }
            }
            Phase::Probing => {}
            _ if late && self.config.target_p99_ns.is_some() => {
                self.infeasible = self.limit == self.config.min_limit;
                self.enter(Phase::Backoff, Reason::TargetExceeded, self.limit * 4 / 5);
            }
            _ => self.enter(Phase::Converged, Reason::Stable, self.limit),
        }
        self.decision()
    }

    /// When the next window should be closed.
    #[must_use]
    pub fn goal(&self) -> WindowGoal {
        let limit = u64::from(self.limit);
        let (min_samples, min_duration_ns) = if self.warming {
            (limit, 0)
        } else {
            let rounds = u64::from(self.config.window_rounds) * limit;
            (rounds.max(self.config.window_min_samples), self.config.window_min_ns)
        };
        WindowGoal { min_samples, min_duration_ns, max_duration_ns: self.config.window_max_ns }
    }

    /// The decision in force.
    #[must_use]
    pub fn decision(&self) -> Decision {
        Decision {
            limit: self.limit,
            batch: (self.limit / 4).clamp(1, self.config.max_batch),
            phase: self.phase,
            reason: self.reason,
            limit_changed: self.limit_changed,
        }
    }

    /// The threshold that [`Latency::over_target`](crate::Latency::over_target) counts against, in
    /// nanoseconds: the user's target, or the guard derived from the baseline. Ask again after every
    /// window.
    #[must_use]
    pub fn target_p99_ns(&self) -> Option<u64> {
        self.config.target_p99_ns.or(self.guard_ns).or(Some(self.config.ceiling_ns))
    }

    /// Whether the user's target is missed even at the lowest limit.
    #[must_use]
    pub fn is_infeasible(&self) -> bool {
        self.infeasible
    }

    /// Sets or removes the user's target, in nanoseconds. `Some(0)` is taken as `None`. What is
    /// known about throughput is kept; the limit follows with the next windows.
    pub fn set_target_p99_ns(&mut self, target_ns: Option<u64>) -> Decision {
        self.config.target_p99_ns = target_ns.filter(|&ns| ns > 0);
        self.infeasible = false;
        self.reason = Reason::Reconfigured;
        self.limit_changed = false;
        self.decision()
    }

    /// Sets the lowest limit, clamped to `1..=max_limit`. If the present limit is lower it is raised
    /// at once, and the returned decision says so.
    pub fn set_min_limit(&mut self, min_limit: u32) -> Decision {
        self.config.min_limit = min_limit.clamp(1, self.config.max_limit);
        self.config.initial_limit = self.config.initial_limit.max(self.config.min_limit);
        self.limit_changed = false;
        let limit = self.limit;
        self.enter(self.phase, Reason::Reconfigured, limit);
        self.decision()
    }

    /// The settings in force, including later changes.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn remember(&mut self, window: &Window) {
        self.previous_rate = window.operations_per_second();
        self.previous_limit = self.limit;
    }

    fn enter(&mut self, phase: Phase, reason: Reason, limit: u32) {
        let limit = limit.clamp(self.config.min_limit, self.config.max_limit);
        if phase != self.phase || limit != self.limit {
            self.reason = reason;
        }
        self.phase = phase;
        self.limit_changed = limit != self.limit;
        self.warming = self.limit_changed;
        self.limit = limit;
    }
}
