//! How much the storage can do: under a latency target, and at one depth after the other.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `finder` | when the engine's controller has its answer |
//! | `team` | one search for all workers of a job |
//! | `trials` | fixed depths around it, of which one is the answer |
//! | `sweep` | the jobs of a run at several depths, and the knee |

mod finder;
pub(crate) mod sweep;
mod team;
mod trials;

pub use finder::Answer;
pub(crate) use finder::{Finder, Verdict};
pub(crate) use team::{Seeker, Team};
