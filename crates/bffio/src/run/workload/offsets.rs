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

#[derive(Clone, Debug)]
struct Map {
    order: Permutation,
    count: u64,
    visited: u64,
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
        let map = has_map(pattern, align_bytes).map(|align| {
            let count = (length_bytes / align).max(1);
            Map { order: Permutation::new(count, random), count, visited: 0 }
        });
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

    /// Where the next block of a direction goes, from the beginning of the file.
    #[inline]
    pub(super) fn next(
        &mut self,
        direction: Direction,
        block_bytes: u64,
        random: &mut RandomBytes,
    ) -> u64 {
        let within = match self.random_percent[direction] {
            0 => self.sequential(direction, block_bytes),
            100 => self.random(direction, block_bytes, random),
            percent if super::distribution::below(100, random) < u64::from(percent) => {
                self.random(direction, block_bytes, random)
            }
            _ => self.sequential(direction, block_bytes),
        };
        self.start_bytes + within
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

    fn random(&mut self, direction: Direction, block_bytes: u64, random: &mut RandomBytes) -> u64 {
        if self.following[direction] > 0 {
            self.following[direction] -= 1;
            match self.sequence {
                Some(Sequence::Repeat(_)) => return self.next_bytes[direction],
                _ => return self.sequential(direction, block_bytes),
            }
        }
        let block = match &mut self.map {
            Some(map) => map.next(&mut self.has_passed, random),
            None => self.samplers[direction].draw(random),
        };
        let align = self.align_bytes[direction];
        // A block that is larger than its alignment could reach beyond the end.
        let last = self.length_bytes.saturating_sub(block_bytes) / align * align;
        let at = (block * align).min(last);
        (self.following[direction], self.next_bytes[direction]) = match self.sequence {
            Some(Sequence::Run(count)) => (count.saturating_sub(1), at + block_bytes),
            Some(Sequence::Repeat(count)) => (count.saturating_sub(1), at),
            _ => (0, at + block_bytes),
        };
        at
    }
}

impl Map {
    fn next(&mut self, has_passed: &mut bool, random: &mut RandomBytes) -> u64 {
        if self.visited == self.count {
            self.order = Permutation::new(self.count, random);
            self.visited = 0;
        }
        self.visited += 1;
        *has_passed |= self.visited == self.count;
        self.order.at(self.visited - 1)
    }
}

/// Whether every block is to be visited once, and how large a block then is. Blocks of many sizes
/// cannot be told apart; and where popularity is uneven, visiting all alike would even it out.
fn has_map(pattern: &Pattern, align_bytes: PerDirection<u64>) -> Option<u64> {
    let mut used = Direction::ALL.into_iter().filter(|&direction| pattern.does[direction]);
    let align = align_bytes[used.clone().next()?];
    let is_even = used.all(|direction| {
        let sizes = &pattern.block_sizes[direction];
        sizes.min_bytes == sizes.max_bytes
            && sizes.split.is_empty()
            && align_bytes[direction] == align
            && sizes.min_bytes == align
            && pattern.distribution[direction] == Distribution::Uniform
    });
    (pattern.random_map && pattern.is_random() && is_even).then_some(align)
}
