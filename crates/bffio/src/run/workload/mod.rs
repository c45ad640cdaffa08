//! What the next I/O is: direction, file, offset, size.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `offsets` | where in a file |
//! | `distribution` | random offsets that are not everywhere alike |
//! | `permutation` | every block once, in random order |

mod distribution;
mod offsets;
mod permutation;

use crate::job::{BlockSizes, Direction, FileChoice, Job, Pattern, PerDirection};
use crate::layout::{FileRange, RandomBytes};
use distribution::{Sampler, below};
use offsets::Offsets;

pub(super) use distribution::unit;

/// One I/O to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Step {
    pub(super) direction: Direction,
    /// Index of the file among the worker's.
    pub(super) file: u32,
    pub(super) offset: u64,
    pub(super) length: u32,
}

/// The I/Os of a worker, one after the other, without an end.
#[derive(Debug)]
pub(super) struct Workload {
    random: RandomBytes,
    does: PerDirection<bool>,
    read_percent: u32,
    sizes: PerDirection<Sizes>,
    files: Vec<Offsets>,
    next_file: NextFile,
}

impl Workload {
    /// The I/Os of a job on these files. `seed` decides everything random.
    pub(super) fn new(job: &Job, files: &[FileRange], seed: u64) -> Self {
        let mut random = RandomBytes::new(seed);
        let pattern = &job.pattern;
        Self {
            does: pattern.does,
            read_percent: pattern.read_percent,
            sizes: PerDirection::from_fn(|direction| Sizes::new(pattern, direction)),
            files: files.iter().map(|file| Offsets::new(pattern, file, &mut random)).collect(),
            next_file: NextFile::new(job, files.len(), &mut random),
            random,
        }
    }

    /// The direction of the next I/O.
    #[inline]
    pub(super) fn direction(&mut self) -> Direction {
        match (self.does.read, self.does.write) {
            (true, false) => Direction::Read,
            (false, _) => Direction::Write,
            _ if below(100, &mut self.random) < u64::from(self.read_percent) => Direction::Read,
            _ => Direction::Write,
        }
    }

    /// The next I/O of a direction, of at most `most_bytes`; `None` if no block is so small.
    #[inline]
    pub(super) fn next(&mut self, direction: Direction, most_bytes: u64) -> Option<Step> {
        let length = self.sizes[direction].draw(&mut self.random, most_bytes)?;
        let file = self.next_file.next(&mut self.random, &mut self.files);
        let (offset, length) = self.files[file].next(direction, length, &mut self.random);
        Some(Step { direction, file: file as u32, offset, length: length as u32 })
    }
}

/// Sizes of blocks of a direction.
#[derive(Clone, Debug)]
struct Sizes {
    min_bytes: u64,
    max_bytes: u64,
    /// Sizes of a range are multiples of this.
    step_bytes: u64,
    /// Percent of the I/Os up to and with a size.
    split: Vec<(u64, u64)>,
}

impl Sizes {
    fn new(pattern: &Pattern, direction: Direction) -> Self {
        let BlockSizes { min_bytes, max_bytes, split } = &pattern.block_sizes[direction];
        let mut percent = 0;
        let cumulated = split.iter().map(|share| {
            percent += u64::from(share.percent);
            (percent, share.size_bytes)
        });
        Self {
            min_bytes: *min_bytes,
            max_bytes: *max_bytes,
            step_bytes: if pattern.unaligned_sizes { 1 } else { (*min_bytes).max(1) },
            split: cumulated.collect(),
        }
    }

    #[inline]
    fn draw(&self, random: &mut RandomBytes, most_bytes: u64) -> Option<u64> {
        if most_bytes < self.min_bytes {
            return None;
        }
        let size = if !self.split.is_empty() {
            let percent = below(100, random);
            let share = self.split.iter().find(|(cumulated, _)| percent < *cumulated);
            share.map_or(self.max_bytes, |(_, size)| *size)
        } else if self.min_bytes == self.max_bytes {
            self.min_bytes
        } else {
            let steps = (self.max_bytes - self.min_bytes) / self.step_bytes + 1;
            self.min_bytes + below(steps, random) * self.step_bytes
        };
        Some(if size <= most_bytes { size } else { most_bytes / self.step_bytes * self.step_bytes })
    }
}

/// Which file comes next.
#[derive(Debug)]
struct NextFile {
    choice: FileChoice,
    sampler: Option<Sampler>,
    count: usize,
    ios_each: u32,
    current: usize,
    ios_left: u32,
}

impl NextFile {
    fn new(job: &Job, count: usize, random: &mut RandomBytes) -> Self {
        use crate::job::Distribution::{Normal, Pareto, Uniform, Zipf};
        let next = &job.files.next;
        let center = Some(0.0);
        let distribution = match next.choice {
            FileChoice::RoundRobin | FileChoice::Sequential => None,
            FileChoice::Random => Some(Uniform),
            FileChoice::Zipf(theta) => Some(Zipf { theta, center }),
            FileChoice::Pareto(h) => Some(Pareto { h, center }),
            FileChoice::Normal(deviation_percent) => {
                Some(Normal { deviation_percent, center: Some(0.5) })
            }
        };
        let sampler = distribution.map(|like| Sampler::new(&like, count as u64, 1, random));
        let ios_each = next.ios.max(1);
        // A sampler is asked before the first I/O, too.
        let ios_left = if sampler.is_some() { 0 } else { ios_each };
        Self { choice: next.choice, sampler, count, ios_each, current: 0, ios_left }
    }

    #[inline]
    fn next(&mut self, random: &mut RandomBytes, files: &mut [Offsets]) -> usize {
        if self.count == 1 {
            return 0;
        }
        if self.choice == FileChoice::Sequential {
            if files[self.current].passed() {
                self.current = (self.current + 1) % self.count;
            }
            return self.current;
        }
        if self.ios_left == 0 {
            self.ios_left = self.ios_each;
            self.current = match &self.sampler {
                Some(sampler) => sampler.draw(random) as usize,
                None => (self.current + 1) % self.count,
            };
        }
        self.ios_left -= 1;
        self.current
    }
}
