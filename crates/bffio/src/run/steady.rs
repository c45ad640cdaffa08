//! Ending jobs whose rate has become steady. Workers that are reported as one are judged as one.

use std::time::{Duration, Instant};

use super::control::{Board, Phase};
use crate::job::{Plan, SteadyRate, SteadyState};
use crate::layout::WorkerFiles;

/// How long a rate is measured.
const SECOND: Duration = Duration::from_secs(1);

/// What came of watching for a steady state.
#[derive(Clone, Debug)]
pub struct Steadiness {
    /// What was asked for.
    pub asked: SteadyState,
    /// Whether that was reached.
    pub attained: bool,
    /// I/Os per second of the last seconds.
    pub ios_per_s: Vec<f64>,
    /// Bytes per second of the same.
    pub bytes_per_s: Vec<f64>,
}

/// Workers that are judged together.
#[derive(Debug)]
pub(super) struct Watch {
    workers: Vec<usize>,
    state: Steadiness,
    /// When all were running, or the next second begins.
    since: Option<Instant>,
    counted: (u64, u64),
    in_ramp: bool,
}

/// What is to be watched.
pub(super) fn watches(plan: &Plan, workers: &[WorkerFiles], groups: &[u32]) -> Vec<Watch> {
    let mut watches: Vec<(u32, Watch)> = Vec::new();
    for (index, worker) in workers.iter().enumerate() {
        let (job, group) = (&plan.jobs[worker.job], groups[worker.job]);
        let Some(asked) = &job.steady else { continue };
        match watches.last_mut() {
            Some((before, watch)) if job.group_reporting && *before == group => {
                watch.workers.push(index);
            }
            _ => watches.push((group, Watch::new(index, asked))),
        }
    }
    watches.into_iter().map(|(_, watch)| watch).collect()
}

impl Watch {
    fn new(worker: usize, asked: &SteadyState) -> Self {
        let asked = asked.clone();
        let (ios_per_s, bytes_per_s) = (Vec::new(), Vec::new());
        Self {
            workers: vec![worker],
            state: Steadiness { asked, attained: false, ios_per_s, bytes_per_s },
            since: None,
            counted: (0, 0),
            in_ramp: true,
        }
    }

    /// Looks at the clock, and ends the workers if their rate is steady.
    pub(super) fn look(&mut self, boards: &[Board]) {
        let mut boards = self.workers.iter().map(|&worker| &boards[worker]);
        if self.state.attained || boards.clone().any(|board| board.phase() != Phase::Running) {
            return;
        }
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        let elapsed = now - since;
        let wanted = if self.in_ramp { self.state.asked.ramp } else { SECOND };
        if elapsed < wanted {
            return;
        }
        let counted = boards.clone().map(Board::counted);
        let counted = counted.fold((0, 0), |sum, (bytes, ios)| (sum.0 + bytes, sum.1 + ios));
        let before = std::mem::replace(&mut self.counted, counted);
        self.since = Some(now);
        if std::mem::take(&mut self.in_ramp) {
            return;
        }
        let per_s =
            |now: u64, before: u64| now.saturating_sub(before) as f64 / elapsed.as_secs_f64();
        self.state.add(per_s(counted.1, before.1), per_s(counted.0, before.0));
        if self.state.attained {
            boards.by_ref().for_each(Board::stop);
        }
    }

    /// Whose result it is, and the result.
    pub(super) fn result(&self) -> (usize, &Steadiness) {
        (self.workers[0], &self.state)
    }
}

impl Steadiness {
    fn add(&mut self, ios_per_s: f64, bytes_per_s: f64) {
        let seconds = self.asked.seconds as usize;
        for (rates, rate) in
            [(&mut self.ios_per_s, ios_per_s), (&mut self.bytes_per_s, bytes_per_s)]
        {
            if rates.len() == seconds {
                rates.remove(0);
            }
            rates.push(rate);
        }
        self.attained = self.ios_per_s.len() == seconds && self.asked.judge(self.rates()).1;
    }

    /// The rates that are judged.
    #[must_use]
    pub fn rates(&self) -> &[f64] {
        match self.asked.rate {
            SteadyRate::Ios => &self.ios_per_s,
            SteadyRate::Bytes => &self.bytes_per_s,
        }
    }

    /// The criterion's value: zero before there are rates for the whole duration.
    #[must_use]
    pub fn value(&self) -> f64 {
        let is_full = self.ios_per_s.len() == self.asked.seconds as usize;
        if is_full { self.asked.judge(self.rates()).0 } else { 0.0 }
    }
}
