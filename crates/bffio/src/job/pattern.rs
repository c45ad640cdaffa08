//! Which I/O a job does: directions, order, block sizes, where random offsets fall.

use std::ops::{Index, IndexMut};

/// Read or write.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Direction {
    /// From the file.
    Read,
    /// To the file.
    Write,
}

impl Direction {
    /// Both, in fio's order.
    pub const ALL: [Self; 2] = [Self::Read, Self::Write];
}

/// A value for each direction.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PerDirection<T> {
    /// For reads.
    pub read: T,
    /// For writes.
    pub write: T,
}

impl<T> PerDirection<T> {
    /// What `value` gives for each direction.
    pub fn from_fn(mut value: impl FnMut(Direction) -> T) -> Self {
        Self { read: value(Direction::Read), write: value(Direction::Write) }
    }

    /// The same value for both directions.
    pub fn both(value: T) -> Self
    where
        T: Clone,
    {
        Self { read: value.clone(), write: value }
    }
}

impl<T> Index<Direction> for PerDirection<T> {
    type Output = T;

    fn index(&self, direction: Direction) -> &T {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }
}

impl<T> IndexMut<Direction> for PerDirection<T> {
    fn index_mut(&mut self, direction: Direction) -> &mut T {
        match direction {
            Direction::Read => &mut self.read,
            Direction::Write => &mut self.write,
        }
    }
}

/// The I/O of a job.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// Which directions occur. At least one does.
    pub does: PerDirection<bool>,
    /// `rwmixread=`: share of reads when both directions occur, in percent.
    pub read_percent: u32,
    /// Share of the I/Os of a direction whose offset is random, in percent: 0 for `read`, 100 for
    /// `randread`, and `percentage_random=` of the latter.
    pub random_percent: PerDirection<u32>,
    /// What `rw=…:modifier` asks for.
    pub sequence: Option<Sequence>,
    /// Sizes of the blocks.
    pub block_sizes: PerDirection<BlockSizes>,
    /// `blockalign=`: offsets of random I/Os are multiples of this; the smallest block unless given.
    pub align_bytes: PerDirection<u64>,
    /// `bs_unaligned=`: sizes of a range need not be multiples of its smallest.
    pub unaligned_sizes: bool,
    /// `random_distribution=`.
    pub distribution: PerDirection<Distribution>,
    /// Each block once before any a second time; false with `norandommap=`.
    pub random_map: bool,
    /// The same offsets in each run (`randrepeat=`, `allrandrepeat=`).
    pub repeatable: bool,
    /// `randseed=`: where the repeatable sequence begins.
    pub seed: Option<u64>,
    /// `number_ios=`: the job ends after so many I/Os.
    pub io_count_max: Option<u64>,
}

impl Pattern {
    /// Whether reads and writes are mixed.
    #[must_use]
    pub fn is_mixed(&self) -> bool {
        self.does.read && self.does.write
    }

    /// Whether any offset is random.
    #[must_use]
    pub fn is_random(&self) -> bool {
        Direction::ALL
            .iter()
            .any(|&direction| self.does[direction] && self.random_percent[direction] > 0)
    }

    /// fio's name of the workload: `randread`, `rw`, …
    #[must_use]
    pub fn name(&self) -> &'static str {
        match (self.is_random(), self.does.read, self.does.write) {
            (false, true, true) => "rw",
            (false, true, false) => "read",
            (false, ..) => "write",
            (true, true, true) => "randrw",
            (true, true, false) => "randread",
            (true, ..) => "randwrite",
        }
    }
}

/// The modifier after `rw=`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sequence {
    /// `read:8k`: so many bytes are added to the offset after each I/O (backwards if negative).
    Skip(i64),
    /// `randread:8` with `rw_sequencer=sequential`: so many sequential I/Os from each random offset.
    Run(u32),
    /// `randread:8` with `rw_sequencer=identical`: so many I/Os at each random offset.
    Repeat(u32),
}

/// Sizes of blocks of one direction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BlockSizes {
    /// The smallest.
    pub min_bytes: u64,
    /// The largest; equal to `min_bytes` unless `bsrange=` or `bssplit=` say otherwise.
    pub max_bytes: u64,
    /// `bssplit=`: shares that add up to 100, in the order given; empty if there is no split.
    pub split: Vec<BlockShare>,
}

/// One size of a `bssplit=`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BlockShare {
    /// The size.
    pub size_bytes: u64,
    /// How many of a hundred I/Os have it.
    pub percent: u32,
}

/// Where random offsets fall.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Distribution {
    /// Everywhere alike.
    #[default]
    Uniform,
    /// `zipf:theta[:center]`.
    Zipf {
        /// Steepness; not 1.
        theta: f64,
        /// Where the most popular block is, as a share of the range; hashed all over if `None`.
        center: Option<f64>,
    },
    /// `pareto:h[:center]`.
    Pareto {
        /// Pareto power, 0 to 1.
        h: f64,
        /// As with `Zipf`.
        center: Option<f64>,
    },
    /// `normal:dev[:center]`.
    Normal {
        /// Deviation in percent of the range.
        deviation_percent: f64,
        /// Where the mean is, as a share of the range; hashed all over if `None`.
        center: Option<f64>,
    },
    /// `zoned:access/size:…` and `zoned_abs:access/size:…`: shares of accesses add up to 100.
    Zoned(Vec<Zone>),
}

/// One zone of a zoned distribution, in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Zone {
    /// How many of a hundred accesses fall here.
    pub access_percent: u32,
    /// How large the zone is.
    pub size: ZoneSize,
}

/// Size of a [`Zone`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ZoneSize {
    /// Percent of the file.
    Percent(u32),
    /// Bytes (`zoned_abs`).
    Bytes(u64),
}
