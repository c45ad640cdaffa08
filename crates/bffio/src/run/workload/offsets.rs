//! Where in a file the next I/O goes.

use super::distribution::Sampler;
use super::permutation::Permutation;
use crate::job::{Direction, Distribution, Pattern, PerDirection, Sequence};
use crate::layout::{FileRange, RandomBytes};

/// Offsets within a range of one file.
#[derive(Clone, Debug)]
pub(super) struct Offsets {
    start_bytes: u64,
    length_bytes: u64,
    sequence: Option<Sequence>,
    random_percent: PerDirection<u32>,
    align_bytes: PerDirection<u64>,
    samplers: PerDirection<Sampler>,
    /// The order of blocks, where each is to be visited once before any comes again.
    map: Option<Map>,
    /// Where each direction's last I/O ended, within the range.
    next_bytes: PerDirection<u64>,
    /// I/Os that still follow the last random offset.
    following: PerDirection<u32>,
    /// Whether the range has been gone through since [`Offsets::passed`] was last asked.
    has_passed: bool,
}

/// Units of the smallest block, each of which is visited once in a pass.
#[derive(Clone, Debug)]
struct Map {
    order: Permutation,
    unit_bytes: u64,
    count: u64,
    /// How far the order has been gone through.
    visited: u64,
    /// Where blocks may be larger than a unit: a bit for each unit that some block has covered.
    covered: Option<Vec<u64>>,
}

impl Offsets {
    pub(super) fn new(pattern: &Pattern, file: &FileRange, random: &mut RandomBytes) -> Self {
        let length_bytes = file.length_bytes;
        let align_bytes = PerDirection::from_fn(|direction| pattern.align_bytes[direction].max(1));
        let samplers = PerDirection::from_fn(|direction| {
            let align = align_bytes[direction];
            let count = (length_bytes / align).max(1);
            Sampler::new(&pattern.distribution[direction], count, align, random)
        });
        let map = unit_of_map(pattern, align_bytes)
            .map(|unit| Map::new(unit, length_bytes, has_one_size(pattern, unit), random));
        Self {
            start_bytes: file.start_bytes,
            length_bytes,
            sequence: pattern.sequence,
            random_percent: pattern.random_percent,
            align_bytes,
            samplers,
            map,
            next_bytes: PerDirection::default(),
            following: PerDirection::default(),
            has_passed: false,
        }
    }

    /// Where the next block of a direction goes, from the beginning of the file, and how long it is: less
    /// than asked for where it would cover what this pass has covered already.
    #[inline]
    pub(super) fn next(
        &mut self,
        direction: Direction,
        block_bytes: u64,
        random: &mut RandomBytes,
    ) -> (u64, u64) {
        let is_random = match self.random_percent[direction] {
            0 => false,
            100 => true,
            percent => super::distribution::below(100, random) < u64::from(percent),
        };
        let (within, length) = if is_random {
            self.random(direction, block_bytes, random)
        } else {
            (self.sequential(direction, block_bytes), block_bytes)
        };
        (self.start_bytes + within, length)
    }

    /// Whether the range has been gone through since this was last asked.
    pub(super) fn passed(&mut self) -> bool {
        std::mem::take(&mut self.has_passed)
    }

    fn sequential(&mut self, direction: Direction, block_bytes: u64) -> u64 {
        let mut at = self.next_bytes[direction];
        if at > self.length_bytes.saturating_sub(block_bytes) {
            at = 0;
        }
        let skip = match self.sequence {
            Some(Sequence::Skip(skip)) => skip,
            _ => 0,
        };
        let next = (at + block_bytes).checked_add_signed(skip);
        // Going backwards, the way ends at the beginning and goes on at the end.
        let last = self.length_bytes.saturating_sub(block_bytes);
        let next = next.unwrap_or(last);
        self.has_passed |= next > last || next == last && skip < 0;
        self.next_bytes[direction] = next;
        at
    }

    fn random(
        &mut self,
        direction: Direction,
        block_bytes: u64,
        random: &mut RandomBytes,
    ) -> (u64, u64) {
        if self.following[direction] > 0 {
            self.following[direction] -= 1;
            let at = match self.sequence {
                Some(Sequence::Repeat(_)) => self.next_bytes[direction],
                _ => self.sequential(direction, block_bytes),
            };
            return (at, block_bytes);
        }
        let align = self.align_bytes[direction];
        let (at, block_bytes) = match &mut self.map {
            Some(map) => map.next(block_bytes, &mut self.has_passed, random),
            None => (self.samplers[direction].draw(random) * align, block_bytes),
        };
        // A block that is larger than its alignment could reach beyond the end.
        let at = at.min(self.length_bytes.saturating_sub(block_bytes) / align * align);
        (self.following[direction], self.next_bytes[direction]) = match self.sequence {
            Some(Sequence::Run(count)) => (count.saturating_sub(1), at + block_bytes),
            Some(Sequence::Repeat(count)) => (count.saturating_sub(1), at),
            _ => (0, at + block_bytes),
        };
        (at, block_bytes)
    }
}

impl Map {
    fn new(unit_bytes: u64, length_bytes: u64, one_size: bool, random: &mut RandomBytes) -> Self {
        let count = (length_bytes / unit_bytes).max(1);
        let covered = (!one_size).then(|| vec![0; count.div_ceil(64) as usize]);
        Self { order: Permutation::new(count, random), unit_bytes, count, visited: 0, covered }
    }

    fn next(
        &mut self,
        block_bytes: u64,
        has_passed: &mut bool,
        random: &mut RandomBytes,
    ) -> (u64, u64) {
        loop {
            if self.visited == self.count {
                self.order = Permutation::new(self.count, random);
                self.visited = 0;
                self.covered.iter_mut().flatten().for_each(|bits| *bits = 0);
            }
            self.visited += 1;
            *has_passed |= self.visited == self.count;
            let unit = self.order.at(self.visited - 1);
            let Some(covered) = &mut self.covered else {
                return (unit * self.unit_bytes, block_bytes);
            };
            let end = (unit + block_bytes / self.unit_bytes).min(self.count);
            match cover(covered, unit..end) {
                0 => {} // A larger block was here before.
                units => return (unit * self.unit_bytes, units * self.unit_bytes),
            }
        }
    }
}

/// Covers units from the first on, up to one that is covered; says how many.
fn cover(covered: &mut [u64], units: std::ops::Range<u64>) -> u64 {
    let first = units.start;
    let was_free = |unit: &u64| {
        let (bits, bit) = (&mut covered[(unit / 64) as usize], 1 << (unit % 64));
        let was_free = *bits & bit == 0;
        *bits |= bit;
        was_free
    };
    units.take_while(was_free).last().map_or(0, |last| last - first + 1)
}

/// How large the units are of which each is to be visited once, if so it is. Where popularity is uneven,
/// visiting all alike would even it out.
fn unit_of_map(pattern: &Pattern, align_bytes: PerDirection<u64>) -> Option<u64> {
    let unit = used(pattern).map(|direction| align_bytes[direction]).min()?;
    // Blocks at odd places or of odd sizes cannot be told apart by units.
    let is_regular = used(pattern).all(|direction| {
        let sizes = &pattern.block_sizes[direction];
        let split = sizes.split.iter().map(|share| share.size_bytes);
        let mut all = split.chain([sizes.min_bytes, sizes.max_bytes, align_bytes[direction]]);
        pattern.distribution[direction] == Distribution::Uniform
            && all.all(|bytes| bytes.is_multiple_of(unit))
    });
    let has_map = pattern.random_map && pattern.is_random() && !pattern.unaligned_sizes;
    (has_map && is_regular).then_some(unit)
}

/// Whether all blocks are as large as a unit.
fn has_one_size(pattern: &Pattern, unit_bytes: u64) -> bool {
    used(pattern).all(|direction| pattern.block_sizes[direction].max_bytes == unit_bytes)
}

fn used(pattern: &Pattern) -> impl Iterator<Item = Direction> + '_ {
    Direction::ALL.into_iter().filter(|&direction| pattern.does[direction])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_many_sizes_cover_everything_once() {
        let mut random = RandomBytes::new(5);
        let (unit, count) = (512, 1000);
        let mut map = Map::new(unit, unit * count, false, &mut random);
        for _pass in 0..3 {
            let mut blocks = Vec::new();
            let mut covered_bytes = 0;
            while covered_bytes < unit * count {
                let wanted = unit * (1 + random.next_u64() % 16);
                let (at, length) = map.next(wanted, &mut false, &mut random);
                assert!(length <= wanted);
                covered_bytes += length;
                blocks.push((at, length));
            }
            blocks.sort_unstable();
            let mut end = 0;
            for (at, length) in blocks {
                assert_eq!(at, end, "no gap, nothing twice");
                end = at + length;
            }
            assert_eq!(end, unit * count);
        }
    }
}
