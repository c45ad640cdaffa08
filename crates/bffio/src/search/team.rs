//! One search for all workers of a job: what storage can do is what they do together.
//!
//! Every worker brings what it has measured; one of them, the leader, looks at the sum, and what it decides
//! (a depth, which is each worker's) reaches the others when they next look. A worker alone is a team, too.
//!
//! # Synchronization
//!
//! Everything is behind one mutex, which each worker takes twenty times a second.

use std::sync::{Mutex, MutexGuard, PoisonError};

use aura::Engine;

use super::finder::{Answer, Finder, Verdict};
use crate::stats::bins::Bins;
use crate::watch::TracePoint;

/// What the workers of a job share.
#[derive(Debug, Default)]
pub(crate) struct Team {
    shared: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The leader's.
    finder: Option<Finder>,
    /// Latencies since the leader's last look.
    window: Bins,
    /// The last decision that is news, and how many there were.
    decided: Option<Verdict>,
    decisions: u64,
}

/// A worker's part in a search.
#[derive(Debug)]
pub(crate) struct Seeker<'t> {
    team: &'t Team,
    leads: bool,
    /// Decisions that it knows of.
    decisions: u64,
}

impl Team {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn decide(&mut self, verdict: Verdict) {
        self.decided = Some(verdict);
        self.decisions += 1;
    }
}

impl<'t> Seeker<'t> {
    /// A worker of the team; one of them leads. It exists as long as the worker does.
    pub(crate) fn new(team: &'t Team, leads: bool) -> Self {
        Self { team, leads, decisions: 0 }
    }

    /// From now on it looks; with this, if it leads.
    pub(crate) fn begin(&self, finder: impl FnOnce() -> Finder) {
        if self.leads {
            self.team.shared().finder = Some(finder());
        }
    }

    /// Brings what a window brought, and says what is to be done.
    pub(crate) fn look(
        &mut self,
        now_ns: u64,
        elapsed_ns: u64,
        phase: i32,
        point: &TracePoint,
        window: &Bins,
        engine: &Engine,
    ) -> Verdict {
        let mut shared = self.team.shared();
        let shared = &mut *shared;
        shared.window.merge(window);
        if self.leads
            && let Some(finder) = &mut shared.finder
        {
            let window = std::mem::take(&mut shared.window);
            let verdict = finder.look(now_ns, elapsed_ns, phase, point, &window, engine);
            if verdict != Verdict::GoOn {
                shared.decide(verdict);
            }
        }
        if self.decisions == shared.decisions {
            return Verdict::GoOn;
        }
        self.decisions = shared.decisions;
        shared.decided.unwrap_or(Verdict::GoOn)
    }

    /// The depth that is held without the controller, and the phase that is one of.
    pub(crate) fn fixed(&self) -> Option<(u32, i32)> {
        self.team.shared().finder.as_ref()?.fixed()
    }

    pub(crate) fn answer(&self) -> Option<Answer> {
        self.team.shared().finder.as_ref()?.answer()
    }
}

impl Drop for Seeker<'_> {
    /// Without the one that leads the others would never find anything, nor end.
    fn drop(&mut self) {
        let mut shared = self.team.shared();
        if self.leads && shared.finder.as_ref().is_none_or(Finder::is_waited_for) {
            shared.decide(Verdict::Over);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_follows_does_not_go_on_without_the_one_who_leads() {
        let engine = Engine::new().expect("an engine");
        let team = Team::default();
        let (leader, mut follower) = (Seeker::new(&team, true), Seeker::new(&team, false));
        let mut look = || {
            let (point, window) = (TracePoint::default(), Bins::default());
            follower.look(0, 50_000_000, 0, &point, &window, &engine)
        };
        assert_eq!(look(), Verdict::GoOn);
        drop(leader); // Its file could not be opened, say.
        assert_eq!(look(), Verdict::Over);
        assert_eq!(look(), Verdict::GoOn, "no news");
    }
}
