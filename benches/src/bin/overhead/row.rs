//! What a row of the benchmark is: a closed loop that keeps a number of operations in flight.

use std::time::{Duration, Instant};

use aura_bench::interrupt::{self, Interrupted};
use aura_bench::subject::Subject;
use aura_bench::{BLOCK_BYTES, Error};
use serde::Serialize;

/// What all rows share.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Settings {
    /// Operations in flight.
    pub(crate) depth: u32,
    /// Operations per system call of the raw loops; never more than `depth`.
    pub(crate) batch: u32,
}

/// The name of a row and the row it is compared with, which is itself for a raw one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Description {
    pub(crate) name: &'static str,
    pub(crate) baseline: &'static str,
}

/// One turn's work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) operations: u64,
    pub(crate) seconds: f64,
}

pub(crate) trait Row {
    fn description(&self) -> Description;

    /// Works for about so long, and leaves nothing in flight.
    fn turn(&mut self, time: Duration) -> Result<Turn, Error>;

    /// Compares what was kept for the end.
    fn finish(&mut self, subject: &Subject) -> Result<(), Error>;
}

/// The memory of one read. Aligned as `O_DIRECT` wants it.
#[repr(align(4096))]
#[derive(Clone)]
pub(crate) struct Block(pub(crate) [u8; BLOCK_BYTES]);

/// Tells a loop when its turn is over, looking at the clock once in a while only.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    begun: Instant,
    time: Duration,
    looks: u32,
}

/// Calls per look at the clock. A call stands for a batch of operations, so this is often enough.
const CALLS_PER_LOOK: u32 = 64;

impl Stopwatch {
    pub(crate) fn start(time: Duration) -> Self {
        Self { begun: Instant::now(), time, looks: 0 }
    }

    /// Whether to stop now.
    #[inline]
    pub(crate) fn is_over(&mut self) -> Result<bool, Interrupted> {
        self.looks = self.looks.wrapping_add(1);
        if !self.looks.is_multiple_of(CALLS_PER_LOOK) {
            return Ok(false);
        }
        if interrupt::requested() {
            return Err(Interrupted);
        }
        Ok(self.begun.elapsed() >= self.time)
    }

    pub(crate) fn turn(&self, operations: u64) -> Turn {
        Turn { operations, seconds: self.begun.elapsed().as_secs_f64() }
    }
}
