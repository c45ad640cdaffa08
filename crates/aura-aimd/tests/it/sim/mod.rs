//! A discrete-event simulator of devices, loads and whoever limits them.
//!
//! Virtual clock, one seed per run, no dependency on the rest of the crate but the types of a
//! window and a decision, so that it can become a crate of its own:
//!
//! - [`Device`] is what is being controlled; `device` and `shaped` hold models of it,
//! - [`Load`] says who submits what, and when,
//! - [`Policy`] decides the limit: a fixed number, or the controller under test,
//! - [`run`] plays one against the other and returns a [`Trace`].

#![allow(unreachable_pub, reason = "public here means: part of the future crate")]
#![allow(dead_code, reason = "an example and the tests each use a part")]
#![allow(unused_imports, reason = "an example and the tests each use a part")]

mod device;
mod load;
mod policy;
mod rng;
mod run;
mod shaped;
mod trace;

pub use device::{Device, Operation, Service, SharedQueue, Sped, Station, StripedDies};
pub use load::Load;
pub use policy::{Fixed, Policy};
pub use rng::Rng;
pub use run::{Faults, Setup, run};
pub use shaped::{
    CachedDisk, Elevator, NeighbourOn, Scheduled, Sized, Stalling, TokenBucket, VirtioDisk,
};
pub use trace::{Oracle, Step, Trace};

/// Nanoseconds in a millisecond.
pub const MS: u64 = 1_000_000;
/// Nanoseconds in a second.
pub const SEC: u64 = 1_000_000_000;
