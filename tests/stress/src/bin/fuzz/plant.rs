//! Mistakes made on purpose between the library and the oracle: a fuzzer that finds nothing may be blind.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::ValueEnum;

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Plant {
    /// A completion is not heard.
    LostCompletion,
    /// A completion is heard twice.
    DoubleCompletion,
    /// A call gives another errno than it should.
    WrongErrno,
    /// A name that is over is followed as an address.
    Crash,
    /// A call does not return.
    Hang,
}

static PLANTED: OnceLock<Option<Plant>> = OnceLock::new();
/// Occasions so far.
static OCCASIONS: AtomicU64 = AtomicU64::new(0);
/// The mistake is made on one occasion in so many.
const ONE_IN: u64 = 100;

pub(crate) fn set(plant: Option<Plant>) {
    PLANTED.get_or_init(|| plant);
}

/// Whether this mistake is to be made now. A case that is replayed makes it on its first occasion.
pub(crate) fn is_due(plant: Plant) -> bool {
    PLANTED.get().is_some_and(|planted| *planted == Some(plant))
        && (crate::oracle::is_replay() || OCCASIONS.fetch_add(1, Ordering::Relaxed) % ONE_IN == 50)
}
