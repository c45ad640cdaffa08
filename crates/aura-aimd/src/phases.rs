//! What each phase does with a window.

use crate::controller::{Controller, Mode};
use crate::decision::{Phase, Reason};
use crate::reprobe::{Trial, Verdict};
use crate::search::{Plan, Rules, backoff_factor, plan};
use crate::stats::{Change, is_late};
use crate::target::Wish;
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
/// Windows in a row over the guard before it counts. Without a user's target there is no hurry.
const GUARD_ALARMS: u32 = 3;

impl Controller {
    /// Digests one window.
    pub(crate) fn digest(&mut self, window: &Window) {
        let longest_ns = self.goal().max_duration_ns;
        if !self.sanity.accepts(window, self.limit, longest_ns) || self.went_idle(window) {
            return;
        }
        self.search_operations += window.operations;
        self.search_ns += window.duration_ns;
        if self.warming {
            self.warming = false;
            if self.phase == Phase::Backoff {
                self.phase = Phase::Settling;
            }
            return;
        }
        // A trial is put back at the end of its turn unless it is over.
        match core::mem::replace(&mut self.mode, Mode::Hold) {
            Mode::Watch => self.watch(window),
            Mode::Baseline => self.baseline(window),
            Mode::Search { narrowing } => self.search(window, narrowing),
            Mode::Prove => self.prove(window),
            Mode::Hold => self.hold(window),
            Mode::Trial(trial) => self.trial(window, trial),
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
    fn enter(&mut self, phase: Phase, reason: Reason, limit: u32) {
        let limit = limit.clamp(self.config.min_limit, self.config.max_limit);
        if phase != self.phase || limit != self.limit {
            self.reason = reason;
        }
        self.phase = phase;
        if limit != self.limit {
            self.limit_changed = true;
            self.warming = true;
            self.keeper.restart();
        }
        self.limit = limit;
    }

    /// Whether the limit, rather than the load, set how much was in flight. Where operations
    /// complete within the submission call, in-flight swings between nothing and the limit; being
    /// turned away about once per round tells that from a load that merely has peaks.
    fn is_saturated(&self, window: &Window) -> bool {
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
        self.idle_ns += window.duration_ns;
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
        self.begin_search(None);
        self.reason = Reason::BaselineMeasured;
        self.phase = Phase::Probing;
        self.search(window, false);
    }

    fn begin_search(&mut self, hint: Option<u32>) {
        let weight = if self.monitor.reference > 0.0 { 8.0 } else { 2.0 };
        self.levels.restart(self.monitor.dispersion, weight);
        self.hint = hint;
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
        if late {
            // So short a look is easily fooled by a clump of lateness: remember it briefly.
            self.remember_bad(self.config.bad_level_memory_ns / 5);
        }
        self.levels.record(self.limit, window, late);
        // Two halves of a measurement tell how noisy it is, at no cost.
        if late || self.levels.at(self.limit).is_none_or(|level| level.windows % 2 == 0) {
            self.follow_plan();
        } else {
            self.mode = Mode::Search { narrowing };
        }
    }

    fn follow_plan(&mut self) {
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
                self.floor = self.harmless();
                let limit =
                    self.with_headroom(knee).max(if bounded_by_target { 0 } else { self.floor });
                self.enter(Phase::Settling, Reason::KneeFound, limit);
            }
            Plan::Infeasible => self.give_in(),
        }
    }

    fn rules(&self) -> Rules {
        let config = &self.config;
        // Who names a target cares for latency: on a smooth curve another percent of throughput is
        // paid for with a tail that misses the target once in a while.
        let loss = 1.0 - config.knee_fraction;
        let loss = if config.target_p99_ns.is_some() { loss * 5.0 / 3.0 } else { loss };
        Rules {
            min: config.min_limit,
            max: config.max_limit,
            first: config
                .initial_limit
                .clamp(config.min_limit.saturating_mul(2), config.min_limit.saturating_mul(8)),
            hint: self.hint,
            target_ns: config.target_p99_ns.unwrap_or(u64::MAX),
            gain_threshold: config.gain_threshold,
            knee_fraction: 1.0 - loss,
            hurry: self.search_operations > SEARCH_OPERATIONS_MAX && self.search_ns > SEARCH_NS_MAX,
        }
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
    /// lose where operations complete within the submission call.
    fn harmless(&self) -> u32 {
        let target_ns = self.config.target_p99_ns.unwrap_or(u64::MAX);
        let wait_ns = HARMLESS_NS.min(target_ns as f64 / 8.0);
        (self.levels.best_rate() * wait_ns / 1e9) as u32
    }

    /// The target cannot be met: hold the minimum and say so.
    fn give_in(&mut self) {
        self.infeasible = true;
        self.bounded_by_target = true;
        self.knee = self.config.max_limit;
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

    fn schedule_trial(&mut self) {
        let doublings = self.trial_doublings.min(self.config.reprobe_max_doublings).min(32);
        let interval_ns = self.config.reprobe_interval_ns.saturating_mul(1 << doublings);
        self.next_trial_ns = self.sanity.clock_ns.saturating_add(self.rng.jitter(interval_ns));
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
        {
            let factor = backoff_factor(target_ns, latency.p99_ns);
            self.back_off((f64::from(self.limit) * factor) as u32, Reason::TargetExceeded);
            return;
        }
        let rate = window.operations_per_second();
        self.usual_p99_ns = latency.p99_ns;
        self.settle_in();
        self.monitor.observe(window.operations as f64, rate);
        self.enter(Phase::Steady, self.reason, self.limit);
    }

    fn remember_bad(&mut self, memory_ns: u64) {
        self.keeper.remember_bad(self.limit, self.sanity.clock_ns, memory_ns);
    }

    fn back_off(&mut self, limit: u32, reason: Reason) {
        self.remember_bad(self.config.bad_level_memory_ns);
        if self.limit <= self.config.min_limit {
            self.give_in();
            return;
        }
        self.bounded_by_target = true;
        self.mode = Mode::Prove;
        self.enter(Phase::Backoff, reason, limit.min(self.limit - 1));
    }

    fn hold(&mut self, window: &Window) {
        self.mode = Mode::Hold;
        let stable_ns = self.sanity.clock_ns - self.stable_since_ns;
        if self.phase == Phase::Steady && stable_ns >= self.config.converged_after_ns {
            self.phase = Phase::Converged;
            if !self.infeasible {
                self.reason = Reason::Stable;
            }
        }
        if !self.is_saturated(window) {
            return;
        }
        let usual = self.monitor.reference;
        let rate = window.operations_per_second();
        let change = self.monitor.observe(window.operations as f64, rate);
        if let Some(target_ns) = self.config.target_p99_ns {
            if self.obey_target(window, target_ns) {
                return;
            }
        } else if self.is_over_guard(window) {
            let guard_ns = self.target_p99_ns().unwrap_or(u64::MAX);
            let factor = backoff_factor(guard_ns, window.latency.p99_ns);
            self.begin_search(None);
            self.mode = Mode::Search { narrowing: true };
            let limit = (f64::from(self.limit) * factor) as u32;
            self.enter(Phase::Backoff, Reason::GuardExceeded, limit);
            return;
        }
        match change {
            Some(_) if self.bounded_by_target => self.monitor.restart(),
            Some(change) => self.follow_change(change, window, rate / usual),
            None if self.sanity.clock_ns >= self.next_trial_ns => self.begin_trial(),
            None => {}
        }
    }

    /// Does what the target asks for; whether that changed anything.
    fn obey_target(&mut self, window: &Window, target_ns: u64) -> bool {
        let (limit, clock_ns) = (self.limit, self.sanity.clock_ns);
        let wish = self.keeper.observe(window, limit, target_ns, clock_ns);
        let (next, reason) = match wish {
            Wish::Hold => return false,
            Wish::BackOff(_) | Wish::Ease(_) if limit <= self.config.min_limit => {
                let violated = matches!(wish, Wish::BackOff(_)) || self.keeper.is_violated();
                if violated && !self.infeasible {
                    self.give_in();
                }
                return false;
            }
            Wish::BackOff(next) => {
                self.back_off(next, Reason::TargetExceeded);
                return true;
            }
            Wish::Ease(next) => {
                self.remember_bad(self.config.bad_level_memory_ns);
                (next, Reason::TargetExceeded)
            }
            Wish::Raise(_) if !self.bounded_by_target => return false,
            Wish::Restore(next) => (next, Reason::TargetSlack),
            Wish::Raise(next) => (next.min(self.with_headroom_of_knee()), Reason::TargetSlack),
        };
        let up = matches!(wish, Wish::Raise(_) | Wish::Restore(_));
        if (next > limit) != up || next == limit {
            return false;
        }
        self.bounded_by_target = true;
        self.infeasible = false;
        self.monitor.restart();
        self.enter(self.phase, reason, next);
        self.limit_changed
    }

    /// The highest limit that can bring throughput, as far as known.
    fn with_headroom_of_knee(&self) -> u32 {
        self.knee.saturating_add(1 + self.knee / 16).min(self.config.max_limit)
    }

    fn is_over_guard(&mut self, window: &Window) -> bool {
        let latency = &window.latency;
        let over = self.guard_ns.is_some() && is_late(latency.samples, latency.over_target, 4.0);
        self.guard_alarms = if over { self.guard_alarms + 1 } else { 0 };
        self.guard_alarms >= GUARD_ALARMS && self.limit > self.config.min_limit
    }

    fn follow_change(&mut self, change: Change, window: &Window, ratio: f64) {
        let (reason, hint) = match change {
            Change::Rise => (Reason::CapacityRose, None),
            // If servers went away, the knee went down in proportion; a little more than that.
            Change::Fall => {
                let hint = (f64::from(self.limit) * ratio * 1.1) as u32 + 1;
                (Reason::CapacityFell, Some(hint.max(self.config.min_limit)))
            }
        };
        self.begin_search(hint);
        self.levels.record(self.limit, window, false);
        self.follow_plan();
        self.reason = reason;
    }

    fn begin_trial(&mut self) {
        let home = self.limit;
        let up = (home + (home / 8).max(1)).min(self.config.max_limit);
        // Below the headroom, or the trial would only ever find that it was headroom.
        let knee = home.min(self.knee);
        let down = knee.saturating_sub((knee / 9).max(1)).max(self.config.min_limit);
        let room = self.config.target_p99_ns.is_none() || self.keeper.has_room();
        let away = match (up > home && room, down < home) {
            _ if self.bounded_by_target => home,
            (true, true) if home <= self.floor || self.rng.coin() => up,
            (_, true) if home > self.floor => down,
            (true, _) => up,
            _ => home,
        };
        if away == home {
            self.schedule_trial();
            return;
        }
        let trial = Trial::new(home, away, self.rng.coin());
        let limit = trial.limit();
        self.mode = Mode::Trial(trial);
        self.enter(self.phase, Reason::Reprobe, limit);
    }

    fn trial(&mut self, window: &Window, mut trial: Trial) {
        let latency = &window.latency;
        let late = self.config.target_p99_ns.is_some()
            && trial.is_away()
            && is_late(latency.samples, latency.over_target, 4.0);
        if late || !self.is_saturated(window) {
            return self.end_trial(trial.home, Reason::ReprobeKept);
        }
        let Some(verdict) = trial.record(window, self.monitor.dispersion) else {
            let limit = trial.limit();
            self.mode = Mode::Trial(trial);
            return self.enter(self.phase, Reason::Reprobe, limit);
        };
        match verdict {
            Verdict::Keep => {
                self.trial_doublings += 1;
                self.end_trial(trial.home, Reason::ReprobeKept);
            }
            Verdict::Search => {
                self.begin_search(None);
                for (limit, arm) in trial.arms() {
                    self.levels.record(limit, &arm, false);
                }
                self.follow_plan();
                self.reason = Reason::ReprobeBetter;
            }
        }
    }

    fn end_trial(&mut self, limit: u32, reason: Reason) {
        self.mode = Mode::Hold;
        self.schedule_trial();
        self.enter(self.phase, reason, limit);
        self.reason = reason;
    }
}
