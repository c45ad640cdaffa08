//! The oracle: what fixed depths get out of the disk.

use std::time::Duration;

use aura_bench::Error;
use aura_bench::subject::Subject;
use aura_bench::summary::median;
use serde::Serialize;

use crate::load::{Limit, Load, Work};
use crate::recording::{Recording, seconds};
use crate::steady::TARGETS;

/// At the beginning of a turn, not counted: queues fill.
const WARM_UP: Duration = Duration::from_millis(100);

/// One fixed depth, and all its turns.
pub(crate) struct Depth {
    pub(crate) depth: usize,
    load: Load,
    byte_rates: Vec<f64>,
    rates: Vec<f64>,
    p99s_ns: Vec<f64>,
}

/// What a depth came to: medians over its turns.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Mark {
    pub(crate) depth: usize,
    pub(crate) iops: f64,
    pub(crate) bytes_per_second: f64,
    pub(crate) p99_ns: u64,
    /// Turns in which more than 1 % took longer than each of the targets, and turns.
    pub(crate) late_turns: [u32; TARGETS.len()],
    pub(crate) turns: u32,
}

/// Depths under comparison.
pub(crate) struct Sweep {
    depths: Vec<Depth>,
    work: Work,
}

impl Sweep {
    pub(crate) fn new(depths: &[usize], work: Work, subject: &Subject) -> Result<Self, Error> {
        let depth = |&depth| {
            let load = Load::new(Limit::Fixed(depth), subject)?;
            let (byte_rates, rates, p99s_ns) = (Vec::new(), Vec::new(), Vec::new());
            Ok(Depth { depth, load, byte_rates, rates, p99s_ns })
        };
        Ok(Self { depths: depths.iter().map(depth).collect::<Result<_, Error>>()?, work })
    }

    /// A turn of every depth.
    pub(crate) fn round(&mut self, time: Duration) -> Result<(), Error> {
        for depth in &mut self.depths {
            let recording = depth.load.turn(self.work, WARM_UP + time)?;
            depth.take(&recording);
        }
        Ok(())
    }

    /// Measures the best depth once more: of several noisy figures the highest is too high. `None` if no
    /// depth keeps the target.
    pub(crate) fn measure_best(
        &mut self,
        target: Option<Duration>,
        rounds: usize,
        time: Duration,
    ) -> Result<Option<Mark>, Error> {
        let Some(best) = self.marks().best(target) else { return Ok(None) };
        self.measure_again(best.depth, rounds, time)?;
        Ok(self.mark_of(best.depth, rounds))
    }

    /// More turns of one depth.
    pub(crate) fn measure_again(
        &mut self,
        depth: usize,
        rounds: usize,
        time: Duration,
    ) -> Result<(), Error> {
        for one in self.depths.iter_mut().filter(|one| one.depth == depth) {
            for _ in 0..rounds {
                let recording = one.load.turn(self.work, WARM_UP + time)?;
                one.take(&recording);
            }
        }
        Ok(())
    }

    /// Of so many turns of one depth, the last ones.
    pub(crate) fn mark_of(&self, depth: usize, turns: usize) -> Option<Mark> {
        self.depths.iter().find(|one| one.depth == depth).map(|one| one.mark(turns))
    }

    /// Compares what was kept for the end; how many operations were checked.
    pub(crate) fn finish(&self, subject: &Subject) -> Result<u64, Error> {
        self.depths.iter().map(|depth| depth.load.finish(subject)).sum()
    }

    /// Of all turns.
    pub(crate) fn marks(&self) -> Marks {
        self.marks_of_last(usize::MAX)
    }

    /// Of so many turns, the last ones.
    pub(crate) fn marks_of_last(&self, turns: usize) -> Marks {
        Marks(self.depths.iter().map(|depth| depth.mark(turns)).collect())
    }
}

impl Depth {
    fn take(&mut self, recording: &Recording) {
        let all = recording.all();
        let counted = seconds(WARM_UP.as_secs_f64(), 0.0).start..all.end;
        self.rates.push(recording.rate(&counted));
        self.byte_rates.push(recording.byte_rate(&counted));
        self.p99s_ns.push(recording.p99_ns(&counted) as f64);
    }

    fn mark(&self, turns: usize) -> Mark {
        let last = |all: &[f64]| median(&all[all.len().saturating_sub(turns)..]);
        Mark {
            depth: self.depth,
            iops: last(&self.rates),
            bytes_per_second: last(&self.byte_rates),
            p99_ns: last(&self.p99s_ns) as u64,
            late_turns: TARGETS.map(|target| {
                let target_ns = target.as_nanos() as f64;
                self.p99s_ns.iter().filter(|p99_ns| **p99_ns > target_ns).count() as u32
            }),
            turns: self.p99s_ns.len() as u32,
        }
    }
}

/// A finished sweep.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Marks(Vec<Mark>);

impl Mark {
    /// Turns of this depth that missed a target, and turns; `None` if it is none of those watched.
    pub(crate) fn missed(&self, target: Duration) -> Option<(u32, u32)> {
        let index = TARGETS.iter().position(|watched| *watched == target)?;
        Some((self.late_turns[index], self.turns))
    }
}

impl Marks {
    #[cfg(test)]
    pub(crate) fn new(marks: Vec<Mark>) -> Self {
        Self(marks)
    }

    /// The fastest depth, of those that keep the target if there is one; `None` if none does.
    pub(crate) fn best(&self, target: Option<Duration>) -> Option<Mark> {
        let target_ns = target.map_or(u64::MAX, |target| target.as_nanos() as u64);
        let keeping = self.0.iter().filter(|mark| mark.p99_ns <= target_ns);
        keeping.max_by(|a, b| a.bytes_per_second.total_cmp(&b.bytes_per_second)).copied()
    }

    /// The smallest depth with 97 % of the best.
    pub(crate) fn knee(&self) -> Option<Mark> {
        let best = self.best(None)?.bytes_per_second;
        self.0.iter().find(|mark| mark.bytes_per_second >= 0.97 * best).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Mark> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(depth: usize, iops: f64, p99_ns: u64) -> Mark {
        Mark { depth, iops, bytes_per_second: iops * 4096.0, p99_ns, late_turns: [0; 3], turns: 1 }
    }

    #[test]
    fn the_best_depth_depends_on_the_target() {
        let marks = [mark(16, 7e4, 400_000), mark(48, 1.19e5, 900_000), mark(64, 1.2e5, 3_000_000)];
        let marks = Marks::new(marks.to_vec());
        let depth = |target| marks.best(target).map(|mark| mark.depth);
        assert_eq!(depth(None), Some(64));
        assert_eq!(depth(Some(Duration::from_millis(1))), Some(48));
        assert_eq!(depth(Some(Duration::from_micros(1))), None);
        assert_eq!(marks.knee().map(|mark| mark.depth), Some(48));
    }
}
