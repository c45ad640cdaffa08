//! The controller that `aura-aimd` replaces, from its description and with its defects.

use crate::MS;
use crate::policy::{Policy, Sampling};
use aura_aimd::{Decision, Phase, Reason, Window, WindowGoal};

/// Ticks in a row of growing in-flight that engage it.
const GROWTH_TICKS: u32 = 3;
/// Ticks of the baseline, of settling, and of flat in-flight that end CONVERGED: 100 ms.
const SHORT_TICKS: u32 = 10;
/// Ticks in STEADY after which a limit reached by back-off is probed again.
const REPROBE_TICKS: u32 = 100;
/// Ticks without gain that end the climb.
const PLATEAU_TICKS: u32 = 3;
/// Smallest gain of throughput that counts as progress.
const GAIN: f64 = 0.01;
/// Late ticks in a row that cause a back-off.
const SPIKE_TICKS: u32 = 2;
/// Nanoseconds without change that turn STEADY into CONVERGED.
const CONVERGED_NS: u64 = 5_000 * MS;
/// The guard while no baseline is known.
const CEILING_NS: u64 = 10 * MS;

/// Additive increase, multiplicative decrease in seven phases: a step of one per tick of 10 ms while
/// throughput grows by 1 %, ×0.80 when p99 is twice in a row over the target or over ten times the
/// baseline.
///
/// It is here to be beaten. Kept on purpose: a tick without gain is followed by one that divides by no
/// change of the limit and takes that for progress; 1 % of the total is below the noise; the baseline
/// is measured at a quarter of the maximum, on whatever completes; flat in-flight ends CONVERGED;
/// nothing looks upwards from CONVERGED; only growth engages it; its p99 comes from every eighth
/// operation, twenty of them being enough.
#[derive(Clone, Debug)]
pub struct Original {
    min_limit: u32,
    max_limit: u32,
    target_ns: Option<u64>,
    limit: u32,
    phase: Phase,
    reason: Reason,
    changed: bool,
    ticks: u32,
    in_phase_ns: u64,
    baseline_ns: Option<u64>,
    in_flight: Option<f64>,
    growing: u32,
    flat: u32,
    late: u32,
    plateau: u32,
    rate: f64,
    limit_before: u32,
    backed_off: bool,
    /// A tick without a change of the limit counts as progress. That is the first defect.
    stillness_is_progress: bool,
}

impl Original {
    /// Limits between these two, and a target for p99 if the user has one. It starts in PASSTHROUGH.
    #[must_use]
    pub fn new(min_limit: u32, max_limit: u32, target_p99_ns: Option<u64>) -> Self {
        Self {
            min_limit,
            max_limit,
            target_ns: target_p99_ns,
            limit: max_limit,
            phase: Phase::Passthrough,
            reason: Reason::Start,
            changed: false,
            ticks: 0,
            in_phase_ns: 0,
            baseline_ns: None,
            in_flight: None,
            growing: 0,
            flat: 0,
            late: 0,
            plateau: 0,
            rate: 0.0,
            limit_before: 0,
            backed_off: false,
            stillness_is_progress: true,
        }
    }

    /// The same, as if growth of in-flight had just engaged it: it starts in BASELINE.
    #[must_use]
    pub fn engaged(min_limit: u32, max_limit: u32, target_p99_ns: Option<u64>) -> Self {
        let mut engaged = Self::new(min_limit, max_limit, target_p99_ns);
        engaged.engage();
        engaged.changed = false;
        engaged
    }

    /// The same without the first defect: after the first step, only more throughput at a higher
    /// limit is progress. What it then still gets wrong is the doing of the others.
    #[must_use]
    pub fn without_first_defect(self) -> Self {
        Self { stillness_is_progress: false, ..self }
    }

    fn guard_ns(&self) -> u64 {
        self.target_ns.unwrap_or_else(|| self.baseline_ns.map_or(CEILING_NS, |b| b * 10))
    }

    fn enter(&mut self, phase: Phase, reason: Reason) {
        (self.phase, self.reason) = (phase, reason);
        (self.ticks, self.in_phase_ns, self.plateau, self.flat, self.late) = (0, 0, 0, 0, 0);
    }

    fn set_limit(&mut self, limit: u32) {
        self.limit = limit.clamp(self.min_limit, self.max_limit);
    }

    fn engage(&mut self) {
        self.enter(Phase::Baseline, Reason::Saturated);
        self.baseline_ns = None;
        self.set_limit(self.max_limit / 4);
    }

    fn passthrough(&mut self, window: &Window) {
        let now = window.in_flight_avg;
        // The first tick has nothing to compare with.
        let grew = self.in_flight.is_some_and(|before| now > 1.02 * before + 1.0);
        self.growing = if grew { self.growing + 1 } else { 0 };
        let deep = grew && now > f64::from(self.max_limit) / 2.0;
        let late = self.target_ns.is_some_and(|target_ns| window.latency.p99_ns > target_ns);
        if self.growing >= GROWTH_TICKS || deep || late {
            self.engage();
        }
    }

    fn baseline(&mut self, window: &Window) {
        if window.latency.samples > 0 {
            let p99_ns = window.latency.p99_ns;
            self.baseline_ns = Some(self.baseline_ns.map_or(p99_ns, |known| known.min(p99_ns)));
        }
        if self.ticks >= SHORT_TICKS {
            self.enter(Phase::Probing, Reason::BaselineMeasured);
        }
    }

    fn probe(&mut self, rate: f64, p99_ns: u64) {
        // Progress per unit of limit: without a change of the limit the quotient is infinite.
        let gain = (rate - self.rate) / self.rate.max(1.0);
        let still = self.limit == self.limit_before;
        let unchanged = still && (self.stillness_is_progress || self.ticks == 1);
        let room = self.target_ns.is_some_and(|target_ns| p99_ns < target_ns);
        if unchanged || gain > GAIN || room {
            self.plateau = 0;
            self.set_limit(self.limit + 1);
        } else {
            self.plateau += 1;
        }
        if self.plateau >= PLATEAU_TICKS || self.limit == self.max_limit {
            self.backed_off = false;
            self.enter(Phase::Settling, Reason::Plateau);
        }
    }

    fn backs_off(&mut self, window: &Window) -> bool {
        let late = window.latency.samples > 0 && window.latency.p99_ns > self.guard_ns();
        self.late = if late { self.late + 1 } else { 0 };
        if self.late < SPIKE_TICKS {
            return false;
        }
        let known = self.target_ns.is_some();
        let reason = if known { Reason::TargetExceeded } else { Reason::GuardExceeded };
        self.enter(Phase::Backoff, reason);
        self.set_limit((f64::from(self.limit) * 0.8) as u32);
        self.backed_off = true;
        true
    }

    fn hold(&mut self) {
        if self.backed_off && self.ticks >= REPROBE_TICKS {
            self.enter(Phase::Probing, Reason::Reprobe);
        } else if self.in_phase_ns >= CONVERGED_NS {
            self.enter(Phase::Converged, Reason::Stable);
        }
    }

    fn converged(&mut self, window: &Window) {
        let steady = |before: f64| (window.in_flight_avg - before).abs() <= 0.02 * before.max(1.0);
        self.flat = if self.in_flight.is_some_and(steady) { self.flat + 1 } else { 0 };
        if self.flat >= SHORT_TICKS {
            self.enter(Phase::Passthrough, Reason::Idle);
            self.growing = 0;
            self.set_limit(self.max_limit);
        }
    }
}

impl Policy for Original {
    fn on_window(&mut self, window: &Window) -> Decision {
        let in_force = self.limit;
        self.ticks += 1;
        self.in_phase_ns = self.in_phase_ns.saturating_add(window.duration_ns);
        let rate = window.operations_per_second();
        let phase = self.phase; // A copy, since what follows changes it.
        match phase {
            Phase::Passthrough => self.passthrough(window),
            Phase::Baseline => self.baseline(window),
            Phase::Backoff => self.enter(Phase::Settling, self.reason),
            Phase::Settling if self.ticks >= SHORT_TICKS => self.enter(Phase::Steady, self.reason),
            Phase::Settling => {}
            phase if !self.backs_off(window) => match phase {
                Phase::Probing => self.probe(rate, window.latency.p99_ns),
                Phase::Steady => self.hold(),
                _ => self.converged(window),
            },
            _ => {}
        }
        (self.rate, self.limit_before) = (rate, in_force);
        self.in_flight = Some(window.in_flight_avg);
        self.changed = self.limit != in_force;
        self.decision()
    }

    fn goal(&self) -> WindowGoal {
        WindowGoal { min_samples: 20, min_duration_ns: 10 * MS, max_duration_ns: 1_000 * MS }
    }

    fn decision(&self) -> Decision {
        Decision {
            limit: self.limit,
            batch: 1,
            phase: self.phase,
            reason: self.reason,
            limit_changed: self.changed,
        }
    }

    fn target_p99_ns(&self) -> Option<u64> {
        Some(self.guard_ns())
    }

    fn sampling(&self) -> Sampling {
        Sampling { all_epochs: true, one_in: 8 }
    }
}
