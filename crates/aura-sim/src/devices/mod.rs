//! Models of devices. Each is an example of how to write another.

mod changing;
mod disks;
mod hosted;
mod queues;
mod station;
mod throttled;

pub use changing::{NeighbourOn, Preempted, Scheduled, Sped, Stalling};
pub use disks::{CachedDisk, Elevator, Sized, TokenBucket, VirtioDisk};
pub use hosted::HostedDisk;
pub use queues::{SharedQueue, StripedDies};
pub use station::{Service, Station};
pub use throttled::Throttled;
