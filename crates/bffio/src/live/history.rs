//! What the screen remembers: some minutes of each ring, and the last things that happened.

use std::collections::VecDeque;
use std::time::Duration;

use crate::units;
use crate::watch::{RingNow, Snapshot};

/// As many samples as a wide terminal has columns.
const SAMPLE_COUNT_MAX: usize = 300;
/// As many events as a high terminal has lines.
const EVENT_COUNT_MAX: usize = 50;

/// The past of a run.
#[derive(Debug, Default)]
pub(super) struct History {
    jobs: Vec<JobHistory>,
    events: VecDeque<String>,
    elapsed: Duration,
}

/// The past of a job.
#[derive(Debug, Default)]
pub(super) struct JobHistory {
    pub(super) ios_per_s: Samples,
    pub(super) rings: Vec<RingHistory>,
}

/// The past of a ring.
#[derive(Debug, Default)]
pub(super) struct RingHistory {
    pub(super) limit: Samples,
    pub(super) p99_us: Samples,
    phase: &'static str,
}

/// The last samples of something.
#[derive(Debug, Default)]
pub(super) struct Samples(VecDeque<u64>);

impl Samples {
    fn add(&mut self, sample: u64) {
        if self.0.len() == SAMPLE_COUNT_MAX {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    /// The last `count`, oldest first.
    pub(super) fn last(&self, count: usize) -> Vec<u64> {
        self.0.iter().skip(self.0.len().saturating_sub(count)).copied().collect()
    }

    fn newest(&self) -> Option<u64> {
        self.0.back().copied()
    }
}

impl History {
    /// Adds a snapshot; what changed becomes an event.
    pub(super) fn add(&mut self, now: &Snapshot) {
        self.elapsed = now.elapsed;
        self.jobs.resize_with(self.jobs.len().max(now.jobs.len()), JobHistory::default);
        for (index, job) in now.jobs.iter().enumerate() {
            let history = &mut self.jobs[index];
            history.ios_per_s.add((job.ios_per_s.read + job.ios_per_s.write) as u64);
            let ring_count = history.rings.len().max(job.rings.len());
            history.rings.resize_with(ring_count, RingHistory::default);
            let decisions: Vec<_> = job
                .rings
                .iter()
                .enumerate()
                .filter_map(|(ring, now)| {
                    history.rings[ring]
                        .add(now)
                        .map(|decision| format!("{} ring {ring}: {decision}", job.name))
                })
                .collect();
            decisions.iter().for_each(|decision| self.note(decision));
        }
    }

    /// Adds something that happened.
    pub(super) fn note(&mut self, sentence: &str) {
        if self.events.len() == EVENT_COUNT_MAX {
            self.events.pop_front();
        }
        self.events.push_back(format!("{:7.1} s  {sentence}", self.elapsed.as_secs_f64()));
    }

    pub(super) fn job(&self, index: usize) -> Option<&JobHistory> {
        self.jobs.get(index)
    }

    /// What happened, newest first.
    pub(super) fn events(&self) -> impl Iterator<Item = &str> {
        self.events.iter().rev().map(String::as_str)
    }
}

impl RingHistory {
    /// Adds a moment; says what the controller decided since the last.
    fn add(&mut self, now: &RingNow) -> Option<String> {
        let before = self.limit.newest();
        let phase_before = std::mem::replace(&mut self.phase, now.phase);
        self.limit.add(now.limit.into());
        self.p99_us.add(u64::try_from(now.p99.as_micros()).unwrap_or(u64::MAX));
        let before = before.filter(|limit| *limit > 0)?; // nothing was decided before the start
        let limit =
            (before != u64::from(now.limit)).then(|| format!("limit {before} → {}", now.limit));
        let phase = (phase_before != now.phase).then(|| format!("{phase_before} → {}", now.phase));
        let changes: Vec<_> = phase.into_iter().chain(limit).collect();
        (!changes.is_empty())
            .then(|| format!("{} (p99 {})", changes.join(", "), units::latency(now.p99)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::JobNow;

    fn snapshot(limit: u32, phase: &'static str) -> Snapshot {
        let ring = RingNow { limit, phase, p99: Duration::from_micros(700), ..RingNow::default() };
        let job = JobNow { name: "seek".to_owned(), rings: vec![ring], ..JobNow::default() };
        Snapshot { jobs: vec![job], ..Snapshot::default() }
    }

    #[test]
    fn only_changes_are_decisions() {
        let mut history = History::default();
        for (limit, phase) in [(4, "PROBING"), (4, "PROBING"), (8, "PROBING"), (6, "BACKOFF")] {
            history.add(&snapshot(limit, phase));
        }
        let events: Vec<_> = history.events().collect();
        assert_eq!(events.len(), 2, "{events:?}");
        assert!(
            events[0].ends_with("seek ring 0: PROBING → BACKOFF, limit 8 → 6 (p99 700us)"),
            "{events:?}"
        );
        assert_eq!(history.job(0).unwrap().rings[0].limit.last(3), [4, 8, 6]);
    }

    #[test]
    fn the_past_is_forgotten_some_time() {
        let mut history = History::default();
        for limit in 0..1000 {
            history.add(&snapshot(limit, "PROBING"));
        }
        assert_eq!(history.events().count(), EVENT_COUNT_MAX);
        assert_eq!(history.job(0).unwrap().rings[0].limit.last(usize::MAX).len(), SAMPLE_COUNT_MAX);
    }
}
