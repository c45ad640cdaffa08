//! When the engine's controller has its answer.
//!
//! The controller does the search itself (see `docs/adaptive.md`); this watches it, decides when the
//! limit may be called an answer, and then lets the run be measured.

use std::time::Duration;

use aura::Engine;

use crate::job::{Search, Timing};
use crate::stats::bins::Bins;
use crate::watch::TracePoint;

/// The controller's phases that hold a limit, by number: STEADY, CONVERGED.
const HOLDS: [i32; 2] = [2, 5];
/// A limit that was held for so long is an answer.
const HELD: Duration = Duration::from_millis(800);
/// How far a limit may move and still be held: the controller tries its neighbours now and then.
const TOLERANCE: f64 = 0.15;
/// Without an answer by then, the present limit has to do.
const PATIENCE: Duration = Duration::from_millis(3000);
/// How long the answer is measured if nothing else says how long to run.
const PROOF: Duration = Duration::from_millis(1000);

/// What to do next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    GoOn,
    /// The answer is there: measure it.
    Answered,
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
    /// Whether the limit was held, or time was up.
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
    answer: Option<Answer>,
    answered_ns: u64,
    /// What the engine is told: the target for its p99.
    engine_target_ms: f64,
    /// Latencies of late, for targets of other percentiles than the engine's.
    recent: Bins,
}

impl Finder {
    pub(crate) fn new(search: &Search, timing: &Timing, now_ns: u64) -> Self {
        Self {
            search: search.clone(),
            begun_ns: now_ns + timing.ramp.as_nanos() as u64,
            ends_by_itself: !search.keep_running || timing.runtime.is_none(),
            held: None,
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
        phase: i32,
        point: &TracePoint,
        window: &Bins,
        engine: &Engine,
    ) -> Verdict {
        self.translate_target(window, engine);
        if self.answer.is_some() {
            let measured = Duration::from_nanos(now_ns - self.answered_ns);
            let is_over = self.ends_by_itself && measured >= self.proof();
            return if is_over { Verdict::Over } else { Verdict::GoOn };
        }
        let limit = f64::from(point.limit);
        let is_held = HOLDS.contains(&phase);
        self.held = match self.held {
            Some((held, since)) if is_held && (limit - held).abs() <= held * TOLERANCE => {
                Some((held, since))
            }
            _ if is_held => Some((limit, now_ns)),
            _ => None,
        };
        let converged =
            self.held.is_some_and(|(_, since)| now_ns - since >= HELD.as_nanos() as u64);
        let after = Duration::from_nanos(now_ns.saturating_sub(self.begun_ns));
        if !converged && after < PATIENCE {
            return Verdict::GoOn;
        }
        self.answer = Some(Answer { depth: point.limit, after, converged });
        self.answered_ns = now_ns;
        Verdict::Answered
    }

    pub(crate) fn answer(&self) -> Option<Answer> {
        self.answer
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
