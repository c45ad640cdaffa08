//! What a row of a benchmark is: a closed loop that keeps a number of operations in flight.
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`raw`] | the loop written by hand, as good as we can make it |
//! | [`callback`] | the same job through Aura's callbacks |

pub mod callback;
pub mod raw;

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::interrupt::{self, Interrupted};
use crate::latency::Latency;
use crate::subject::Subject;
use crate::{BLOCK_BYTES, Error};

/// What all rows share.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Settings {
    /// Operations in flight.
    pub depth: u32,
    /// Operations per system call of the raw loops; never more than `depth`.
    pub batch: u32,
}

/// One turn's work.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Operations, every one checked.
    pub operations: u64,
    /// From the first submission to the last completion.
    pub seconds: f64,
    /// How long single operations took, if the row was asked to sample them.
    pub latency: Option<Latency>,
    /// CPU time, if the row knows it better than who measures this process's.
    pub cpu_seconds: Option<f64>,
}

/// A closed loop.
pub trait Row {
    /// Works for a short time that does not count: fills caches, lets an engine settle.
    ///
    /// # Errors
    ///
    /// As [`turn`](Self::turn).
    fn warm_up(&mut self, time: Duration) -> Result<(), Error> {
        self.turn(time).map(drop)
    }

    /// Works for about so long, and leaves nothing in flight.
    ///
    /// # Errors
    ///
    /// A failed read, wrong content, [`Interrupted`].
    fn turn(&mut self, time: Duration) -> Result<Turn, Error>;

    /// Compares what was kept for the end.
    ///
    /// # Errors
    ///
    /// Wrong content.
    fn finish(&mut self, subject: &Subject) -> Result<(), Error>;
}

/// The memory of one read. Aligned as `O_DIRECT` wants it.
#[repr(align(4096))]
#[derive(Clone, Debug)]
pub struct Block(pub [u8; BLOCK_BYTES]);

/// Tells a loop when its turn is over, looking at the clock once in a while only.
#[derive(Debug)]
pub struct Stopwatch {
    begun: Instant,
    time: Duration,
    looks: u32,
}

/// Calls per look at the clock. A call stands for a batch of operations, so this is often enough.
const CALLS_PER_LOOK: u32 = 64;

impl Stopwatch {
    /// Starts now.
    #[must_use]
    pub fn start(time: Duration) -> Self {
        Self { begun: Instant::now(), time, looks: 0 }
    }

    /// Whether to stop now.
    ///
    /// # Errors
    ///
    /// [`Interrupted`]: the user wants out.
    #[inline]
    pub fn is_over(&mut self) -> Result<bool, Interrupted> {
        self.looks = self.looks.wrapping_add(1);
        if !self.looks.is_multiple_of(CALLS_PER_LOOK) {
            return Ok(false);
        }
        if interrupt::requested() {
            return Err(Interrupted);
        }
        Ok(self.begun.elapsed() >= self.time)
    }

    /// The turn that ends now.
    #[must_use]
    pub fn turn(&self, operations: u64, latency: Option<Latency>) -> Turn {
        let seconds = self.begun.elapsed().as_secs_f64();
        Turn { operations, seconds, latency, cpu_seconds: None }
    }
}
