//! What happens when a window arrives, up to the point where a limit is chosen. What happens after
//! that is in `holding`.

use crate::controller::{Controller, Mode};
use crate::decision::{Phase, Reason};
use crate::levels::Level;
use crate::search::{Plan, Rules, plan, severity};
use crate::stats::is_late;
use crate::window::Window;

/// More measurements than a search needs; one that gets here is chasing a device that moves.
const SEARCH_STEPS_MAX: u32 = 40;
/// Together: when a search has to come to an end. Operations rather than time for slow devices, where
/// a second tells nothing; time for fast ones, where operations are free. The promise is 3 500
/// operations or one second, and closing in on the knee begins and ends with a round of its own.
const SEARCH_OPERATIONS_MAX: u64 = 2_000;
const SEARCH_NS_MAX: u64 = 600_000_000;
/// A search that waited this long for load, in nanoseconds, starts afresh.
const SEARCH_STALE_NS: u64 = 1_000_000_000;
/// By Little's law a limit of throughput times this adds no more than this to a latency, in
/// nanoseconds: about one flash read.
const HARMLESS_NS: f64 = 100_000.0;

impl Controller {
    /// Digests one window.
    pub(crate) fn digest(&mut self, window: &Window) {
        let longest_ns = self.goal().max_duration_ns;
        let was_in_bursts = self.sanity.bursts.are_the_rule;
        let accepted = self.sanity.accepts(window, self.limit, longest_ns);
        if self.sanity.bursts.are_the_rule != was_in_bursts {
            self.measure_anew();
        }
        if !accepted || self.went_idle(window) {
            return;
        }
        self.search_operations = self.search_operations.saturating_add(window.operations);
        self.search_ns = self.search_ns.saturating_add(window.duration_ns);
        if self.warming {
            self.warming = false;
            self.round_ns = window.latency.p50_ns;
            if self.phase == Phase::Backoff {
                self.phase = Phase::Settling;
            }
            return;
        }
        let told = window;
        let window = &self.sanity.without_pause(told, self.limit);
        self.keeper.pauses.note(told, window);
        if told.latency.samples > 0 && self.unloaded_ns > 0 {
            self.unloaded_ns = self.unloaded_ns.min(told.latency.p50_ns);
        }
        let is_measured = self.sanity.is_measured(told, window);
        if !is_measured && matches!(self.mode, Mode::Search { .. } | Mode::Baseline) {
            return;
        }
        // A trial is put back at the end of its turn unless it is over.
        match core::mem::replace(&mut self.mode, Mode::Hold) {
            Mode::Watch => self.watch(window),
            Mode::Baseline => self.baseline(window),
            Mode::Search { narrowing } => self.search(window, narrowing),
            Mode::Prove => self.prove(window),
            Mode::Hold => self.hold(window, is_measured),
            // Whether a deeper queue outlasts pauses is what a wide trial is about.
            Mode::Trial(trial) if trial.is_wide => self.trial(told, trial),
            Mode::Trial(trial) => self.trial(window, trial),
        }
    }

    /// Throughput means another thing than before: that of bursts, or that of whole ones with what lies between.
    fn measure_anew(&mut self) {
        if matches!(self.mode, Mode::Search { .. }) {
            // Below first: there a burst loses least that was too much at once.
            self.begin_search(Some(self.limit / 2));
        }
    }

    /// A new target. What was learnt under the old one about limits that are too high is void.
    pub(crate) fn retarget(&mut self) {
        self.keeper.forget();
        let restart =
            self.bounded_by_target || self.infeasible || self.levels.lowest_late().is_some();
        self.infeasible = false;
        match self.mode {
            Mode::Watch | Mode::Baseline => {}
            _ if restart => self.restart_search(Reason::Reconfigured),
            _ => self.reason = Reason::Reconfigured,
        }
    }

    /// Searches anew from the present limit.
    pub(crate) fn restart_search(&mut self, reason: Reason) {
        self.begin_search(None);
        self.mode = Mode::Search { narrowing: false };
        self.enter(Phase::Probing, reason, self.limit);
    }

    /// Moves to a limit and phase. A change of limit begins an epoch.
    pub(crate) fn enter(&mut self, phase: Phase, reason: Reason, limit: u32) {
        let limit = limit.clamp(self.config.min_limit, self.config.max_limit);
        if phase != self.phase || limit != self.limit {
            self.reason = reason;
        }
        self.phase = phase;
        if limit != self.limit {
            self.limit_changed = true;
            self.warming = true;
            self.suspected = false;
            self.keeper.restart();
        }
        self.limit = limit;
    }

    /// Whether the limit, rather than the load, set how much was in flight. Where operations
    /// complete within the submission call, in-flight swings between nothing and the limit; being
    /// turned away about once per round tells that from a load that merely has peaks.
    pub(crate) fn is_saturated(&self, window: &Window) -> bool {
        let limit = f64::from(self.limit);
        let turned_away = window.gated as f64 * limit >= 0.5 * window.operations as f64;
        window.in_flight_avg >= 0.9 * limit
            || (window.gated > 0 && turned_away && window.in_flight_avg >= 0.4 * limit)
    }

    /// Lifts the limit when the load has been far below it for long.
    fn went_idle(&mut self, window: &Window) -> bool {
        let idle = window.gated == 0 && window.in_flight_max <= self.limit / 2;
        if !idle || matches!(self.mode, Mode::Watch) {
            self.idle_ns = 0;
            return false;
        }
        self.idle_ns = self.idle_ns.saturating_add(window.duration_ns);
        if self.idle_ns < self.config.idle_after_ns {
            return false;
        }
        self.idle_ns = 0;
        let known = matches!(self.mode, Mode::Hold | Mode::Trial(_));
        self.resume = known.then_some(self.limit);
        self.watch = crate::passthrough::Watch::new();
        self.mode = Mode::Watch;
        self.enter(Phase::Passthrough, Reason::Idle, self.config.max_limit);
        self.warming = false;
        true
    }

    fn watch(&mut self, window: &Window) {
        self.mode = Mode::Watch;
        let target = self.config.target_p99_ns.is_some();
        if !self.watch.is_overloaded(window, self.config.max_limit, target) {
            return;
        }
        if let Some(limit) = self.resume.take() {
            // The limit found before the load went away is a better guess than any.
            self.mode = Mode::Prove;
            self.enter(Phase::Settling, Reason::Saturated, limit);
        } else {
            // Saturated samples must never become the baseline, so it is taken at the lowest limit.
            self.mode = Mode::Baseline;
            self.enter(Phase::Baseline, Reason::Saturated, self.config.min_limit);
        }
    }

    fn baseline(&mut self, window: &Window) {
        if window.latency.samples == 0 {
            self.mode = Mode::Baseline;
            return;
        }
        let guard_ns = window.latency.p99_ns as f64 * self.config.baseline_factor;
        self.guard_ns = Some(guard_ns as u64);
        self.unloaded_ns = window.latency.p50_ns;
        self.begin_search(None);
        self.reason = Reason::BaselineMeasured;
        self.phase = Phase::Probing;
        if self.is_saturated(window) && !self.keeper.is_late(window) {
            // One look is enough: the service is all but idle meanwhile, and the next level is far away.
            self.levels.record(self.limit, window, false);
            self.follow_plan();
        } else {
            self.search(window, false);
        }
    }

    pub(crate) fn begin_search(&mut self, hint: Option<u32>) {
        let weight = if self.monitor.reference > 0.0 { 8.0 } else { 2.0 };
        self.levels.restart(self.monitor.dispersion, weight);
        self.hint = hint;
        self.evidence = Default::default();
        self.search_steps = 0;
        (self.search_operations, self.search_ns) = (0, 0);
        self.paused_ns = 0;
        self.infeasible = false;
    }

    fn search(&mut self, window: &Window, narrowing: bool) {
        if !self.is_saturated(window) {
            // What the load does not ask for says nothing about what the device can do.
            self.mode = Mode::Search { narrowing };
            self.paused_ns = self.paused_ns.saturating_add(window.duration_ns);
            self.reason = Reason::AppLimited;
            return;
        }
        if self.paused_ns > SEARCH_STALE_NS {
            self.begin_search(self.hint);
        }
        self.paused_ns = 0;
        let late = self.config.target_p99_ns.is_some() && self.keeper.is_late(window);
        if late && !self.suspected && self.is_one_clump(window) {
            self.suspected = true;
            self.levels.record(self.limit, window, false);
            self.mode = Mode::Search { narrowing };
            return;
        }
        if late {
            // So short a look is easily fooled by a clump of lateness: remember it briefly.
            self.remember_bad(self.config.bad_level_memory_ns / 5);
        }
        self.levels.record(self.limit, window, late);
        // Two halves of a measurement tell how noisy it is, at no cost; unless the first tells enough.
        let tells_enough =
            |level: &Level| level.windows.is_multiple_of(2) || self.levels.is_waste(level);
        if late || self.levels.at(self.limit).is_none_or(tells_enough) {
            self.follow_plan();
        } else {
            self.mode = Mode::Search { narrowing };
        }
    }

    pub(crate) fn follow_plan(&mut self) {
        self.search_steps += 1;
        let plan = match plan(&self.levels, &self.rules()) {
            Plan::Grow(_) | Plan::Narrow(_) if self.search_steps > SEARCH_STEPS_MAX => {
                Plan::Settle { knee: self.limit, bounded_by_target: false }
            }
            plan => plan,
        };
        match plan {
            Plan::Grow(limit) => {
                self.mode = Mode::Search { narrowing: false };
                self.enter(Phase::Probing, Reason::GainContinues, limit);
            }
            Plan::Narrow(limit) if self.levels.usable().is_empty() => {
                self.mode = Mode::Search { narrowing: true };
                self.enter(Phase::Backoff, Reason::TargetExceeded, limit);
            }
            Plan::Narrow(limit) => {
                self.mode = Mode::Search { narrowing: true };
                self.enter(Phase::Probing, Reason::Plateau, limit);
            }
            Plan::Settle { knee, bounded_by_target } => {
                self.bounded_by_target = bounded_by_target;
                self.knee = if bounded_by_target { self.config.max_limit } else { knee };
                self.mode = Mode::Prove;
                self.floor = self.harmless(knee);
                let limit =
                    self.with_headroom(knee).max(if bounded_by_target { 0 } else { self.floor });
                let limit = self.below_ceiling(limit);
                self.enter(Phase::Settling, Reason::KneeFound, limit);
            }
            Plan::Infeasible => self.give_in(),
        }
    }

    fn rules(&self) -> Rules {
        let config = &self.config;
        // Who names a target cares for latency: on a smooth curve another percent of throughput is
        // paid for with a tail that misses the target once in a while. But if the target leaves room at
        // every limit that was tried, it is a permission, and throughput is what is left to win.
        let top_p99_ns = self.levels.usable().last().map_or(u64::MAX, |level| level.p99_ns);
        let factor = match config.target_p99_ns {
            Some(target_ns) if top_p99_ns < target_ns / 2 => 1.0 / 3.0,
            Some(_) => 5.0 / 3.0,
            None => 1.0,
        };
        let loss = (1.0 - config.knee_fraction) * factor;
        let max = match self.tries_wide() {
            true => self.enough(self.levels.best_rate()).clamp(config.min_limit, config.max_limit),
            false => config.max_limit,
        };
        Rules {
            min: config.min_limit,
            max,
            first: config
                .initial_limit
                .clamp(config.min_limit.saturating_mul(2), config.min_limit.saturating_mul(8)),
            hint: self.hint,
            target_ns: config.target_p99_ns.unwrap_or(u64::MAX),
            gain_threshold: config.gain_threshold,
            knee_fraction: 1.0 - loss,
            hurry: self.search_operations > SEARCH_OPERATIONS_MAX
                && self.search_ns > SEARCH_NS_MAX * self.sanity.stretch(),
        }
    }

    /// No more than what may be in flight when the service pauses, if a target is named.
    fn below_ceiling(&mut self, limit: u32) -> u32 {
        let ceiling = match self.config.target_p99_ns {
            Some(_) => self.keeper.pauses.ceiling(),
            None => u32::MAX,
        };
        self.bounded_by_target |= ceiling < limit;
        limit.min(ceiling.max(limit / 2))
    }

    /// Whether no more operations were late than are in flight at once: one event, whatever it was.
    fn is_one_clump(&self, window: &Window) -> bool {
        let latency = &window.latency;
        let round = u64::from(self.limit) + u64::from(self.limit) / 4;
        latency.over_target <= round && latency.over_target * 2 < latency.samples
    }

    /// A little above the knee: a device that becomes faster shows it only if something is waiting.
    /// Not where that would meet a limit known to be late.
    fn with_headroom(&self, knee: u32) -> u32 {
        if self.bounded_by_target {
            return knee;
        }
        let tight = self.config.target_p99_ns.is_some_and(|target_ns| {
            self.levels.at(knee).is_some_and(|level| level.p99_ns > target_ns / 2)
        });
        let limit = if tight { knee } else { knee + 1 + knee / 16 };
        self.levels.lowest_late().map_or(limit, |late| limit.min(late.limit - 1).max(knee))
    }

    /// The limit that keeps operations waiting for no longer than anyone would notice. Below it there
    /// is no latency to win, only the throughput that small batches cost, which is all there is to
    /// lose where operations complete within the submission call. It is the slowest operations that
    /// must not notice: on average a cache hides how the disk behind it queues.
    fn harmless(&self, knee: u32) -> u32 {
        let target_ns = self.config.target_p99_ns.unwrap_or(u64::MAX);
        let wait_ns = HARMLESS_NS.min(target_ns as f64 / 8.0);
        let on_average = self.levels.best_rate() * wait_ns / 1e9;
        let p99_ns = self.levels.at(knee).map_or(0, |level| level.p99_ns);
        let slowest = f64::from(knee) * wait_ns / p99_ns.max(1) as f64;
        on_average.min(slowest) as u32
    }

    /// The target cannot be met: hold the minimum and say so.
    pub(crate) fn give_in(&mut self) {
        self.infeasible = true;
        self.bounded_by_target = true;
        self.knee = self.config.max_limit;
        // Lateness that the lowest limit does not prevent is no other limit's fault either.
        self.keeper.forgive();
        self.mode = Mode::Hold;
        self.settle_in();
        self.enter(Phase::Steady, Reason::TargetInfeasible, self.config.min_limit);
        self.reason = Reason::TargetInfeasible;
    }

    /// Starts a period of holding.
    fn settle_in(&mut self) {
        self.monitor.restart();
        self.keeper.restart();
        self.guard_alarms = 0;
        self.stable_since_ns = self.sanity.clock_ns;
        self.trial_doublings = 0;
        self.schedule_trial();
    }

    pub(crate) fn schedule_trial(&mut self) {
        let doublings = self.trial_doublings.min(self.config.reprobe_max_doublings).min(32);
        let interval_ns = self.config.reprobe_interval_ns.saturating_mul(1 << doublings);
        self.next_trial_ns = self.sanity.clock_ns.saturating_add(self.rng.jitter(interval_ns));
    }

    /// The next trial comes soon: there is reason to expect something of it.
    pub(crate) fn hasten_trial(&mut self) {
        let soon_ns = self.rng.jitter(self.config.reprobe_interval_ns / 8);
        self.next_trial_ns = self.next_trial_ns.min(self.sanity.clock_ns.saturating_add(soon_ns));
    }

    fn prove(&mut self, window: &Window) {
        self.mode = Mode::Hold;
        if !self.is_saturated(window) {
            self.settle_in();
            self.enter(Phase::Steady, Reason::AppLimited, self.limit);
            return;
        }
        let latency = &window.latency;
        let target_ns = self.config.target_p99_ns;
        if let Some(target_ns) = target_ns
            && is_late(latency.samples, latency.over_target, 4.0)
            && !self.is_one_clump(window)
        {
            let factor = severity(target_ns, latency);
            let known = self.levels.usable().iter().rev().find(|level| level.limit < self.limit);
            let next = (f64::from(self.limit) * factor) as u32;
            let next = known.map_or(next, |level| next.max(level.limit));
            self.back_off(next, Reason::TargetExceeded);
            return;
        }
        let rate = window.operations_per_second();
        self.usual_p99_ns = latency.p99_ns;
        self.settle_in();
        self.monitor.observe(window.operations as f64, rate);
        self.enter(Phase::Steady, self.reason, self.limit);
    }

    pub(crate) fn remember_bad(&mut self, memory_ns: u64) {
        self.keeper.remember_bad(self.limit, self.sanity.clock_ns, memory_ns);
    }

    pub(crate) fn back_off(&mut self, limit: u32, reason: Reason) {
        if self.limit <= self.config.min_limit {
            self.give_in();
            return;
        }
        self.remember_bad(self.config.bad_level_memory_ns);
        self.bounded_by_target = true;
        self.mode = Mode::Prove;
        self.enter(Phase::Backoff, reason, limit.min(self.limit - 1));
    }
}
