#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod baselines;
pub mod catalogue;
mod device;
mod devices;
mod load;
mod oracle;
mod policy;
mod rng;
mod run;
mod trace;

pub use baselines::{Gradient2, Law, Limiter, Original, Vegas};
pub use device::{Device, Operation};
pub use devices::{
    CachedDisk, Elevator, HostedDisk, NeighbourOn, Preempted, Scheduled, Service, SharedQueue,
    Sized, Sped, Stalling, Station, StripedDies, Throttled, TokenBucket, VirtioDisk,
};
pub use load::Load;
pub use oracle::Oracle;
pub use policy::{Fixed, Policy, Sampling};
pub use rng::Rng;
pub use run::{Faults, Party, Setup, run, run_together};
pub use trace::{Step, Trace};

/// Nanoseconds in a millisecond.
pub const MS: u64 = 1_000_000;
/// Nanoseconds in a second.
pub const SEC: u64 = 1_000_000_000;
