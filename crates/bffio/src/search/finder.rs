//! From the engine's controller to an answer.
//!
//! The controller finds the limit (see `docs/adaptive.md`); this watches it and decides when it has
//! settled. Fixed depths around the limit are tried then, and the best of them is held and measured.

use std::time::Duration;

use aura::Engine;

use super::trials::{Next, Trials};
use crate::job::{Search, Timing};
use crate::stats::bins::Bins;
use crate::watch::TracePoint;

/// The controller's phases by number: a limit proves itself, or has done so.
const SETTLING: i32 = 4;
const CONVERGED: i32 = 5;
/// Those that hold a limit: STEADY, CONVERGED.
const HOLDS: [i32; 2] = [2, CONVERGED];
/// A limit that was held for so long has settled.
const HELD: Duration = Duration::from_millis(500);
/// How far a limit may move and still be held: the controller tries its neighbours now and then.
const TOLERANCE: f64 = 0.15;
/// If none was by then, the present one has to do.
const PATIENCE: Duration = Duration::from_millis(2000);
/// How long the answer is measured if nothing else says how long to run.
const PROOF: Duration = Duration::from_millis(1000);

/// What is in flight when the depth changes completes within a look.
const LOOKS_LOST: u32 = 1;
/// Workers hear of it one look later, and bring what they have measured another look later.
const LOOKS_LOST_OF_TEAM: u32 = 3;

/// What to do next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    GoOn,
    /// Hold this depth, without the controller.
    Hold(u32),
    /// The answer is there: hold it if so many are given, and measure it.
    Answered(Option<u32>),
    /// The answer has been measured.
    Over,
}

/// What a search came to.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// The limit.
    pub depth: u32,
    /// How long it took to find.
    pub after: Duration,
    /// Whether it kept the target, or the limit was held, when time was not up yet.
    pub converged: bool,
}

/// Watches a search.
#[derive(Debug)]
pub(crate) struct Finder {
    search: Search,
    begun_ns: u64,
    ends_by_itself: bool,
    /// The limit that is held, and since when.
    held: Option<(f64, u64)>,
    trials: Option<Trials>,
    depth_max: u32,
    /// Looks after a change of the depth that see what was in flight before.
    looks_lost: u32,
    answer: Option<Answer>,
    answered_ns: u64,
    /// What the engine is told: the target for its p99.
    engine_target_ms: f64,
    /// Latencies of late, for targets of other percentiles than the engine's.
    recent: Bins,
}

impl Finder {
    /// A search for depths up to `depth_max`, by so many workers at once.
    pub(crate) fn new(
        search: &Search,
        depth_max: u32,
        workers: u32,
        timing: &Timing,
        now_ns: u64,
    ) -> Self {
        Self {
            search: search.clone(),
            begun_ns: now_ns + timing.ramp.as_nanos() as u64,
            ends_by_itself: !search.keep_running || timing.runtime.is_none(),
            held: None,
            trials: None,
            depth_max,
            looks_lost: if workers > 1 { LOOKS_LOST_OF_TEAM } else { LOOKS_LOST },
            answer: None,
            answered_ns: 0,
            engine_target_ms: search.latency.as_secs_f64() * 1e3,
            recent: Bins::default(),
        }
    }

    /// Looks at what a window brought.
    pub(crate) fn look(
        &mut self,
        now_ns: u64,
        elapsed_ns: u64,
        phase: i32,
        point: &TracePoint,
        window: &Bins,
        engine: &Engine,
    ) -> Verdict {
        if self.answer.is_some() {
            if self.search.adjusts {
                self.translate_target(window, engine);
            }
            let measured = Duration::from_nanos(now_ns - self.answered_ns);
            let is_over = self.ends_by_itself && measured >= self.proof();
            return if is_over { Verdict::Over } else { Verdict::GoOn };
        }
        let after = Duration::from_nanos(now_ns.saturating_sub(self.begun_ns));
        if let Some(trials) = &mut self.trials {
            return match trials.look(window, elapsed_ns, after) {
                Next::GoOn => Verdict::GoOn,
                Next::Try(depth) => Verdict::Hold(depth),
                Next::Take(depth, keeps) => {
                    (self.answer, self.answered_ns) =
                        (Some(Answer { depth, after, converged: keeps }), now_ns);
                    Verdict::Answered(Some(depth))
                }
            };
        }
        self.translate_target(window, engine);
        let has_settled = self.has_settled(now_ns, phase, point.limit);
        if !has_settled && after < PATIENCE {
            return Verdict::GoOn;
        }
        if self.search.adjusts {
            self.answer = Some(Answer { depth: point.limit, after, converged: has_settled });
            self.answered_ns = now_ns;
            return Verdict::Answered(None);
        }
        let target_ns = self.search.latency.as_nanos() as u64;
        let Self { depth_max, looks_lost, .. } = *self;
        let percentile = self.search.percentile;
        let trials = Trials::new(target_ns, percentile, depth_max, point.limit, looks_lost);
        let depth = trials.depth();
        self.trials = Some(trials);
        Verdict::Hold(depth)
    }

    fn has_settled(&mut self, now_ns: u64, phase: i32, limit: u32) -> bool {
        let limit = f64::from(limit);
        let is_held = HOLDS.contains(&phase);
        self.held = match self.held {
            Some((held, since)) if is_held && (limit - held).abs() <= held * TOLERANCE => {
                Some((held, since))
            }
            _ if is_held => Some((limit, now_ns)),
            _ => None,
        };
        self.held.is_some_and(|(_, since)| now_ns - since >= HELD.as_nanos() as u64)
    }

    /// The depth that is held without the controller, and the phase that is one of.
    pub(crate) fn fixed(&self) -> Option<(u32, i32)> {
        let trials = self.trials.as_ref()?;
        Some(match self.answer {
            Some(answer) => (answer.depth, CONVERGED),
            None => (trials.depth(), SETTLING),
        })
    }

    pub(crate) fn answer(&self) -> Option<Answer> {
        self.answer
    }

    /// Whether there is a verdict to come that somebody needs.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.answer.is_none() || self.ends_by_itself
    }

    /// `latency_window=` is how long fio judges a depth.
    fn proof(&self) -> Duration {
        self.search.window.map_or(PROOF, |window| window.max(PROOF).min(PROOF * 2))
    }

    /// The engine keeps a target for its p99. For another percentile it is told the p99 that goes with
    /// it, as the latencies of late have it; a percentile of 100 is judged at 99.99.
    fn translate_target(&mut self, window: &Bins, engine: &Engine) {
        let percentile = self.search.percentile.min(99.99);
        if (percentile - 99.0).abs() < 0.01 {
            return;
        }
        self.recent.merge(window);
        // Enough that at least ten are above the percentile.
        if (self.recent.total() as f64) < 1000.0 / (100.0 - percentile) {
            return;
        }
        let [p99, wanted] = self.recent.percentiles(&[99.0, percentile])[..] else { return };
        self.recent = Bins::default();
        let target_ms = self.search.latency.as_secs_f64() * 1e3;
        let ratio = p99 as f64 / wanted.max(1) as f64;
        let told_ms = (self.engine_target_ms * 0.5 + target_ms * ratio * 0.5).max(0.001);
        if (told_ms / self.engine_target_ms - 1.0).abs() > 0.05
            && engine.set_max_p99_latency_ms(told_ms).is_ok()
        {
            self.engine_target_ms = told_ms;
        }
    }
}
