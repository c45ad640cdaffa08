//! What happens while a limit is held: watching for change, keeping the target, trying neighbours.

use crate::controller::{Controller, Mode};
use crate::decision::{Phase, Reason};
use crate::evidence::Finding;
use crate::math::sqrt;
use crate::reprobe::{Trial, Verdict};
use crate::search::backoff_factor;
use crate::stats::{Change, is_late};
use crate::target::Wish;
use crate::window::Window;

/// Windows in a row over the guard before it counts. Without a user's target there is no hurry.
const GUARD_ALARMS: u32 = 3;
/// A window of a trial that is so far off the usual throughput is of another service.
const CHANGE_IN_TRIAL: f64 = 0.08;
/// Where pauses blur all figures, throughput that changed by less than this is no reason to search.
const WORTH_A_SEARCH: f64 = 0.2;
/// Many times the throughput at a limit that was right for a target: it is another service, and one step of the limit
/// after the other would take seconds.
const MUCH_FASTER: f64 = 3.0;
/// In a wide trial, whose windows contain pauses and may be at another limit, it takes more.
const CHANGE_IN_WIDE_TRIAL: f64 = 0.5;
/// Searches and trials may go so far whatever pauses are like.
const ENOUGH_AT_LEAST: u32 = 64;
/// Without the trials that should come first, CONVERGED takes so many times as long.
const STABLE_TIMES: u64 = 5;
/// Standard deviations by which a wide trial has to be right while the limit is new,
const CONVINCED: f64 = 0.8;
/// and when it has been found good before.
const CONVINCED_AGAINST: f64 = 2.0;

impl Controller {
    pub(crate) fn hold(&mut self, window: &Window, is_measured: bool) {
        self.mode = Mode::Hold;
        let stable_ns = self.sanity.clock_ns - self.stable_since_ns;
        // A trial that is due says more than time.
        let enough = if self.expects_more() { STABLE_TIMES } else { 1 };
        let stable_from_ns = self.config.converged_after_ns.saturating_mul(enough);
        if self.phase == Phase::Steady && stable_ns >= stable_from_ns {
            self.phase = Phase::Converged;
            if !self.infeasible {
                self.reason = Reason::Stable;
            }
        }
        if !self.is_saturated(window) {
            return;
        }
        if self.expects_more() {
            self.trial_up = true;
            self.hasten_trial();
        }
        let usual = self.monitor.reference;
        let rate = window.operations_per_second();
        let change =
            is_measured.then(|| self.monitor.observe(window.operations as f64, rate)).flatten();
        let much_faster = change == Some(Change::Rise) && rate > MUCH_FASTER * usual;
        if let Some(change) = change.filter(|_| much_faster && self.bounded_by_target) {
            self.keeper.forgive();
            return self.follow_change(change, window, rate / usual);
        }
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
            Some(_) if self.tries_wide() && (rate / usual - 1.0).abs() < WORTH_A_SEARCH => {
                self.monitor.restart();
            }
            Some(change) => self.follow_change(change, window, rate / usual),
            None if self.sanity.clock_ns >= self.next_trial_ns => self.begin_trial(),
            None => {}
        }
    }

    /// Does what the target asks for; whether that changed anything.
    fn obey_target(&mut self, window: &Window, target_ns: u64) -> bool {
        let (limit, clock_ns) = (self.limit, self.sanity.clock_ns);
        // Where the median is twice what it is at the lowest limit, by Little's law.
        let p50_ns = window.latency.p50_ns.max(1) as f64;
        let unqueued = f64::from(limit) * 2.0 * self.unloaded_ns as f64 / p50_ns;
        let limits = (limit, unqueued.min(f64::from(limit) * 1.25) as u32);
        let wish = self.keeper.observe(window, limits, target_ns, clock_ns);
        if self.infeasible && self.keeper.is_kept(limit) {
            self.infeasible = false;
            self.reason = Reason::TargetSlack;
        }
        let (next, reason) = match wish {
            Wish::Hold => return false,
            Wish::BackOff(_) | Wish::Ease(_) | Wish::Endure(_)
                if limit <= self.config.min_limit =>
            {
                let violated = matches!(wish, Wish::BackOff(_)) || self.keeper.is_violated(limit);
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
            Wish::Endure(next) => (next, Reason::TargetExceeded),
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

    /// Whether trials have to be wide: see [`Trial::wide`].
    pub(crate) fn tries_wide(&self) -> bool {
        self.sanity.pauses_often() && self.config.target_p99_ns.is_none()
    }

    fn begin_trial(&mut self) {
        let home = self.limit;
        if self.tries_wide() {
            let away = self.far_away(home);
            if away.abs_diff(home) > home / 8 {
                let trial = Trial::wide(home, away, self.rng.coin());
                return self.begin(trial);
            }
            // Nothing lies there, and what is near would not be told apart.
            self.trial_doublings += 1;
            return self.schedule_trial();
        }
        let up = (home + (home / 8).max(1)).min(self.config.max_limit);
        // Below the headroom, or the trial would only ever find that it was headroom.
        let knee = home.min(self.knee);
        let down = knee.saturating_sub((knee / 9).max(1)).max(self.config.min_limit);
        let room = self.config.target_p99_ns.is_none() || self.keeper.has_room();
        let away = match (up > home && room, down < home) {
            _ if self.bounded_by_target => home,
            (true, true) if home <= self.floor || self.trial_up => up,
            (_, true) if home > self.floor => down,
            (true, _) => up,
            _ => home,
        };
        if away == home {
            self.schedule_trial();
            return;
        }
        self.trial_up = away < home;
        let trial = Trial::new(home, away, self.rng.coin());
        self.begin(trial);
    }

    /// The limit that a wide trial compares with, by turns higher and lower.
    fn far_away(&mut self, home: u32) -> u32 {
        let enough = self.enough(self.monitor.reference);
        let is_up = self.trial_up && home < enough;
        self.trial_up = !self.trial_up;
        // After a search there may be much to gain; later a small step disturbs less.
        let away = match (is_up, self.phase) {
            (true, Phase::Steady) => home.saturating_mul(2).min(enough),
            (true, _) => (home.saturating_mul(7) / 5).min(enough),
            (false, _) => (home * 5 / 7).min(enough),
        };
        away.clamp(self.config.min_limit, self.config.max_limit)
    }

    fn begin(&mut self, trial: Trial) {
        let limit = trial.limit();
        self.mode = Mode::Trial(trial);
        self.enter(self.phase, Reason::Reprobe, limit);
    }

    pub(crate) fn trial(&mut self, window: &Window, mut trial: Trial) {
        let latency = &window.latency;
        let late = self.config.target_p99_ns.is_some()
            && trial.is_away()
            && is_late(latency.samples, latency.over_target, 4.0);
        if late || !self.is_saturated(window) {
            return self.end_trial(trial.home, Reason::ReprobeKept);
        }
        if let Some(change) = self.changed_meanwhile(window, &trial) {
            let ratio = window.operations_per_second() / self.monitor.reference;
            return self.follow_change(change, window, ratio);
        }
        let Some(verdict) = trial.record(window, self.monitor.dispersion) else {
            let limit = trial.limit();
            self.mode = Mode::Trial(trial);
            return self.enter(self.phase, Reason::Reprobe, limit);
        };
        match verdict {
            Verdict::Keep if trial.is_wide => self.weigh(&trial),
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

    /// What wide trials have shown so far, with one more.
    fn weigh(&mut self, trial: &Trial) {
        let is_up = trial.away > trial.home;
        let evidence = &mut self.evidence[usize::from(is_up)];
        trial.add_to(evidence);
        let is_new = self.phase == Phase::Steady;
        let finding = evidence.finding(if is_new { CONVINCED } else { CONVINCED_AGAINST }, is_new);
        match finding {
            Finding::Higher | Finding::Lower if is_up == (finding == Finding::Higher) => {
                self.trial_up = is_up;
                (self.knee, self.floor) = (trial.away, 0);
                // What takes long because more is in flight is no alarm.
                self.usual_p99_ns = trial.away_p99_ns;
                self.monitor.restart();
                self.stable_since_ns = self.sanity.clock_ns;
                self.phase = Phase::Steady;
                self.end_trial(trial.away, Reason::ReprobeBetter);
                self.hasten_trial();
            }
            Finding::Unclear if is_new => {
                self.end_trial(trial.home, Reason::ReprobeKept);
                self.hasten_trial();
            }
            Finding::Unclear => self.end_trial(trial.home, Reason::ReprobeKept),
            _ => {
                self.trial_doublings += 1;
                self.end_trial(trial.home, Reason::ReprobeKept);
            }
        }
    }

    /// The limit above which nothing more can be won by outlasting pauses: what a service that completes
    /// so many operations a second works off in the time of one.
    pub(crate) fn enough(&self, per_second: f64) -> u32 {
        let during_a_pause = (per_second * self.sanity.pause_ns / 1e9) as u32;
        during_a_pause.max(ENOUGH_AT_LEAST)
    }

    /// Whether a higher limit is yet to be tried, where that takes a wide trial.
    fn expects_more(&self) -> bool {
        self.phase == Phase::Steady && self.trial_doublings == 0 && self.tries_wide()
    }

    /// Whether the service is another one than before the trial, which then is pointless.
    fn changed_meanwhile(&self, window: &Window, trial: &Trial) -> Option<Change> {
        let reference = self.monitor.reference;
        if (trial.is_away() && !trial.is_wide) || reference <= 0.0 {
            return None;
        }
        let deviation = window.operations_per_second() / reference - 1.0;
        let error = sqrt(self.monitor.dispersion / window.operations.max(1) as f64);
        let far = match trial.is_wide {
            true => CHANGE_IN_WIDE_TRIAL,
            false if self.tries_wide() => WORTH_A_SEARCH,
            false => (5.0 * error).max(CHANGE_IN_TRIAL),
        };
        let is_more = deviation > 0.0;
        // That more in flight bring more is no change of the service.
        let is_expected = trial.is_away() && is_more == (trial.away > trial.home);
        let changed = deviation.abs() > far && !is_expected;
        changed.then_some(if is_more { Change::Rise } else { Change::Fall })
    }

    fn end_trial(&mut self, limit: u32, reason: Reason) {
        self.mode = Mode::Hold;
        self.schedule_trial();
        self.enter(self.phase, reason, limit);
        self.reason = reason;
    }
}
