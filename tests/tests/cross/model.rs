//! What a part of a file must hold: known bytes, and bytes that a cancelled write left unknown.

use crate::support::Random;

/// Bytes at the start of each lane's range that one operation works on at a time.
pub(crate) const LANE: usize = 16 << 10;

/// The content of one lane.
#[derive(Debug)]
pub(crate) struct Lane {
    bytes: Vec<u8>,
    /// A write was cancelled: it may have happened, in part or not at all.
    unknown: bool,
}

impl Lane {
    /// As the file is created: zeros.
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; LANE], unknown: false }
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// A write of these bytes began and was not carried out for certain.
    pub(crate) fn forget(&mut self) {
        self.unknown = true;
    }

    /// A write succeeded; one over the whole lane makes everything known again.
    pub(crate) fn write(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self.unknown &= bytes.len() < LANE;
    }

    /// Where `read`, which came from `at`, differs.
    pub(crate) fn difference(&self, at: usize, read: &[u8]) -> Option<usize> {
        if self.unknown || self.bytes[at..at + read.len()] == *read {
            return None;
        }
        let expected = self.bytes[at..].iter();
        expected.zip(read).position(|(expected, read)| expected != read)
    }
}

/// A range inside a lane, in multiples of `unit`, never empty.
pub(crate) fn range(random: &mut Random, unit: usize) -> (usize, usize) {
    let units = LANE / unit;
    let at = random.below(units);
    (at * unit, (1 + random.below(units - at)) * unit)
}
