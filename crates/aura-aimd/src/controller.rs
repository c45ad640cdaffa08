//! The controller: its state, and everything a caller can ask of it. What happens when a window
//! arrives is in `phases`.

use crate::config::{Config, ConfigError};
use crate::decision::{Decision, Phase, Reason};
use crate::evidence::Evidence;
use crate::levels::Levels;
use crate::passthrough::Watch;
use crate::reprobe::Trial;
use crate::rng::Rng;
use crate::sanity::Sanity;
use crate::stats::Monitor;
use crate::target::Keeper;
use crate::window::{Window, WindowGoal};

/// The controller. See the [crate's documentation](crate) for an example.
///
/// It starts in [`Phase::Passthrough`]. Feed it a [`Window`] whenever [`goal`](Self::goal) is met and
/// obey the [`Decision`]. It is a plain value of less than 3 KiB; put a lock around it if several
/// threads feed it.
#[derive(Clone, Debug)]
pub struct Controller {
    pub(crate) config: Config,
    pub(crate) rng: Rng,
    pub(crate) limit: u32,
    pub(crate) phase: Phase,
    pub(crate) reason: Reason,
    pub(crate) limit_changed: bool,
    pub(crate) mode: Mode,
    /// The first window of an epoch mixes two limits: it only fills the pipeline.
    pub(crate) warming: bool,
    /// A clump of operations was late at this limit; if there is another, it is the limit's fault.
    pub(crate) suspected: bool,

    pub(crate) sanity: Sanity,
    pub(crate) watch: Watch,
    pub(crate) levels: Levels,
    pub(crate) monitor: Monitor,
    pub(crate) keeper: Keeper,

    /// p99 at the lowest limit times the configured factor.
    pub(crate) guard_ns: Option<u64>,
    /// Lowest median seen, at the lowest limit or later; 0 while unknown.
    pub(crate) unloaded_ns: u64,
    /// Median of the present epoch's first operations: about how long a round takes.
    pub(crate) round_ns: u64,
    /// p99 at the limit the last search settled on: what is unavoidable is no alarm.
    pub(crate) usual_p99_ns: u64,
    pub(crate) guard_alarms: u32,
    /// Smallest limit without a loss of throughput, as the last search found it.
    pub(crate) knee: u32,
    /// Lower limits than this win no latency worth having.
    pub(crate) floor: u32,
    /// Where the next search should look first, if it starts with a loss of throughput.
    pub(crate) hint: Option<u32>,
    /// Measurements the present search has planned.
    pub(crate) search_steps: u32,
    /// What the present search has taken so far.
    pub(crate) search_operations: u64,
    pub(crate) search_ns: u64,
    /// The target, not the throughput, sets the limit.
    pub(crate) bounded_by_target: bool,
    pub(crate) infeasible: bool,

    pub(crate) stable_since_ns: u64,
    pub(crate) next_trial_ns: u64,
    pub(crate) trial_doublings: u32,
    /// Whether the next trial looks upwards; they alternate.
    pub(crate) trial_up: bool,
    /// What wide trials downwards and upwards have shown.
    pub(crate) evidence: [Evidence; 2],
    pub(crate) idle_ns: u64,
    pub(crate) paused_ns: u64,
    /// The limit in force before the load went away.
    pub(crate) resume: Option<u32>,
}

/// What the next window is for.
#[derive(Clone, Debug)]
pub(crate) enum Mode {
    /// Nothing is limited.
    Watch,
    /// Latency and throughput of the lowest limit.
    Baseline,
    /// A level of the search; `narrowing` once the capacity is known.
    Search { narrowing: bool },
    /// A limit that was just chosen proves itself.
    Prove,
    /// Watching for change at a chosen limit.
    Hold,
    /// Comparing the limit with a neighbour.
    Trial(Trial),
}

/// Operations a window of a trial should see: half a percent of noise per arm.
const TRIAL_SAMPLES: f64 = 16_000.0;
/// Longest window of a trial that waits for them, in nanoseconds.
const TRIAL_NS_MAX: f64 = 250e6;
/// While nothing is limited windows close at least this often, in nanoseconds: overload should not
/// wait for a thousand slow operations.
const WATCH_NS_MAX: u64 = 100_000_000;
/// Operations that make a baseline; its p99 only serves a guard of ten times its size, and while it is
/// taken the service is as good as idle.
const BASELINE_SAMPLES: u64 = 96;
/// A service that takes less time for each operation is one that answers within the call, in nanoseconds.
const CALL_NS: u64 = 2_500;
/// Rounds in a window of the search, unless that takes several times as long as a window has to be.
const ROUNDS: u64 = 4;

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
            rng: Rng::new(config.seed),
            limit: config.max_limit,
            phase: Phase::Passthrough,
            reason: Reason::Start,
            limit_changed: false,
            mode: Mode::Watch,
            warming: false,
            suspected: false,
            sanity: Sanity::new(),
            watch: Watch::new(),
            levels: Levels::new(),
            monitor: Monitor::new(),
            keeper: Keeper::new(),
            guard_ns: None,
            unloaded_ns: 0,
            round_ns: 0,
            usual_p99_ns: 0,
            guard_alarms: 0,
            knee: config.max_limit,
            floor: 0,
            hint: None,
            search_steps: 0,
            search_operations: 0,
            search_ns: 0,
            bounded_by_target: false,
            infeasible: false,
            stable_since_ns: 0,
            next_trial_ns: 0,
            trial_doublings: 0,
            trial_up: config.seed.is_multiple_of(2),
            evidence: [Evidence::default(); 2],
            idle_ns: 0,
            paused_ns: 0,
            resume: None,
        })
    }

    /// Digests one window and decides. Call it when [`goal`](Self::goal) is met.
    pub fn on_window(&mut self, window: &Window) -> Decision {
        self.limit_changed = false;
        self.digest(window);
        self.decision()
    }

    /// When the next window should be closed. It changes with every decision.
    #[must_use]
    pub fn goal(&self) -> WindowGoal {
        let config = &self.config;
        let limit = u64::from(self.limit);
        let max_duration_ns = config.window_max_ns;
        if self.warming {
            // One full round of the new epoch's own operations, and not a part of a burst.
            let min_duration_ns = self.sanity.bursts.whole(0).min(max_duration_ns);
            return WindowGoal { min_samples: limit, min_duration_ns, max_duration_ns };
        }
        let rounds = u64::from(config.window_rounds) * limit;
        let samples = rounds.max(config.window_min_samples);
        // Fine distinctions need more operations than "does it still grow?".
        let shortest_ns = config.window_min_ns.saturating_mul(self.sanity.stretch());
        let fine_ns = shortest_ns.saturating_mul(5) / 2;
        // Where a host completes a whole round at once, half a round more or less must not matter.
        let several_ns = self.round_ns.saturating_mul(ROUNDS).min(shortest_ns.saturating_mul(2));
        let (min_samples, min_duration_ns) = match &self.mode {
            Mode::Watch => (config.window_min_samples, config.window_min_ns),
            Mode::Baseline => (rounds.max(BASELINE_SAMPLES), config.window_min_ns / 4),
            // A measurement of the search is two windows.
            Mode::Search { narrowing } => {
                let half_ns = if *narrowing { fine_ns / 2 } else { shortest_ns / 2 };
                (samples / 2, half_ns.max(several_ns))
            }
            Mode::Prove | Mode::Hold => (samples, fine_ns),
            Mode::Trial(trial) if trial.is_wide => (samples, TRIAL_NS_MAX as u64),
            Mode::Trial(_) => {
                let wanted_ns = 1e9 * TRIAL_SAMPLES / self.monitor.reference.max(1.0);
                (samples, (wanted_ns.min(TRIAL_NS_MAX) as u64).max(fine_ns))
            }
        };
        let max_duration_ns = match self.mode {
            Mode::Watch => max_duration_ns.min(WATCH_NS_MAX.max(config.window_min_ns)),
            _ => max_duration_ns,
        };
        let min_duration_ns = self.sanity.bursts.whole(min_duration_ns).min(max_duration_ns);
        WindowGoal { min_samples, min_duration_ns, max_duration_ns }
    }

    /// The decision in force.
    #[must_use]
    pub fn decision(&self) -> Decision {
        Decision {
            limit: self.limit,
            batch: self.batch(),
            phase: self.phase,
            reason: self.reason,
            limit_changed: self.limit_changed,
        }
    }

    /// An eighth of the limit: where a host takes what is handed over as one lump, larger batches leave it
    /// idle while the next one is put together. Half of it where operations complete so fast that most of
    /// it happens within the call: there calls are what costs, and nothing is idle.
    fn batch(&self) -> u32 {
        let within_calls = self.round_ns < u64::from(self.limit) * CALL_NS;
        let part = if within_calls { 2 } else { 8 };
        (self.limit / part).clamp(1, self.config.max_batch)
    }

    /// The threshold that [`Latency::over_target`](crate::Latency::over_target) counts against, in
    /// nanoseconds: the user's target, or the guard derived from the baseline. Ask again after every
    /// window. At present it is always `Some`.
    #[must_use]
    pub fn target_p99_ns(&self) -> Option<u64> {
        let guard_ns = || {
            let unavoidable_ns = self.usual_p99_ns.saturating_mul(2);
            self.guard_ns.map_or(self.config.ceiling_ns, |guard_ns| guard_ns.max(unavoidable_ns))
        };
        Some(self.config.target_p99_ns.unwrap_or_else(guard_ns))
    }

    /// Whether the user's target is missed even at the lowest limit. The lowest limit is held
    /// meanwhile.
    #[must_use]
    pub fn is_infeasible(&self) -> bool {
        self.infeasible
    }

    /// Sets or removes the user's target, in nanoseconds. `Some(0)` is taken as `None`. The limit
    /// follows with the next windows.
    pub fn set_target_p99_ns(&mut self, target_ns: Option<u64>) -> Decision {
        let target_ns = target_ns.filter(|&ns| ns > 0);
        self.limit_changed = false;
        if target_ns != self.config.target_p99_ns {
            self.config.target_p99_ns = target_ns;
            self.retarget();
        }
        self.decision()
    }

    /// Sets the lowest limit, clamped to `1..=max_limit`. If the present limit is lower it is raised
    /// at once, and the returned decision says so.
    pub fn set_min_limit(&mut self, min_limit: u32) -> Decision {
        self.config.min_limit = min_limit.clamp(1, self.config.max_limit);
        self.limit_changed = false;
        if self.limit < self.config.min_limit {
            self.infeasible = false;
            self.restart_search(Reason::Reconfigured);
        }
        self.decision()
    }

    /// The settings in force, including later changes.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }
}
