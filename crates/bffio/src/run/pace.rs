//! Throttling and pauses.

use std::time::Duration;

use super::workload::unit;
use crate::job::{Direction, Job, PerDirection, RateProcess, Rates};
use crate::layout::RandomBytes;

/// Keeps a worker to its rates.
#[derive(Debug)]
pub(super) struct Pacer {
    rates: Rates,
    is_mixed: bool,
    /// When the next I/O of a direction is due; `None` if its rate is not limited.
    due_ns: PerDirection<Option<u64>>,
    random: RandomBytes,
    /// When the minimum was last judged, and what had been done then.
    judged_ns: u64,
    judged: PerDirection<(u64, u64)>,
}

impl Pacer {
    /// `None` if the job is not throttled.
    pub(super) fn new(job: &Job, now_ns: u64, seed: u64) -> Option<Self> {
        let rates = &job.rates;
        let is_limited = |direction| {
            rates.bytes_per_s[direction].is_some() || rates.ios_per_s[direction].is_some()
        };
        let has_minimum = |direction| {
            rates.bytes_per_s_min[direction].is_some() || rates.ios_per_s_min[direction].is_some()
        };
        if !Direction::ALL.into_iter().any(|d| is_limited(d) || has_minimum(d)) {
            return None;
        }
        Some(Self {
            rates: rates.clone(),
            is_mixed: job.pattern.is_mixed(),
            due_ns: PerDirection::from_fn(|direction| is_limited(direction).then_some(now_ns)),
            random: RandomBytes::new(seed),
            judged_ns: now_ns,
            judged: PerDirection::default(),
        })
    }

    /// The direction that goes next, given the one that was drawn: of two that are limited the one that
    /// is due first.
    pub(super) fn choose(&self, drawn: Direction) -> Direction {
        match (self.due_ns.read, self.due_ns.write) {
            (Some(read), Some(write)) if self.is_mixed && read != write => {
                if read < write {
                    Direction::Read
                } else {
                    Direction::Write
                }
            }
            _ => drawn,
        }
    }

    /// When a direction may go.
    pub(super) fn due_ns(&self, direction: Direction) -> u64 {
        self.due_ns[direction].unwrap_or(0)
    }

    /// Accounts for an I/O.
    pub(super) fn issued(&mut self, direction: Direction, bytes: u64) {
        let Some(due) = &mut self.due_ns[direction] else { return };
        let by_bytes =
            self.rates.bytes_per_s[direction].map(|rate| bytes as f64 / rate.max(1) as f64);
        let by_ios = self.rates.ios_per_s[direction].map(|rate| 1.0 / f64::from(rate.max(1)));
        let mean_s = by_bytes.unwrap_or(0.0).max(by_ios.unwrap_or(0.0));
        let gap_s = match self.rates.process {
            RateProcess::Linear => mean_s,
            RateProcess::Poisson => -mean_s * (1.0 - unit(&mut self.random)).ln(),
        };
        *due += (gap_s * 1e9) as u64;
    }

    /// Moves everything that is due by the length of a pause that is not to be caught up on.
    pub(super) fn paused(&mut self, pause: Duration) {
        if !self.rates.ignore_think {
            for direction in Direction::ALL {
                if let Some(due) = &mut self.due_ns[direction] {
                    *due += pause.as_nanos() as u64;
                }
            }
        }
    }

    /// Whether a minimum was missed since it was last judged; bytes and I/Os are totals.
    pub(super) fn missed(
        &mut self,
        now_ns: u64,
        totals: PerDirection<(u64, u64)>,
    ) -> Option<Direction> {
        let elapsed = Duration::from_nanos(now_ns.saturating_sub(self.judged_ns));
        if elapsed < self.rates.cycle || elapsed.is_zero() {
            return None;
        }
        let before = std::mem::replace(&mut self.judged, totals);
        self.judged_ns = now_ns;
        Direction::ALL.into_iter().find(|&direction| {
            let (bytes, ios) = totals[direction];
            let per_s = |count: u64| count as f64 / elapsed.as_secs_f64();
            let bytes_per_s = per_s(bytes.saturating_sub(before[direction].0));
            let ios_per_s = per_s(ios.saturating_sub(before[direction].1));
            let rates = &self.rates;
            rates.bytes_per_s_min[direction].is_some_and(|least| bytes_per_s < least as f64)
                || rates.ios_per_s_min[direction].is_some_and(|least| ios_per_s < f64::from(least))
        })
    }
}
