//! Who submits what, and when.

use crate::rng::Rng;
use std::fmt;

/// Of an open loop: given the time of an arrival, when the next comes and of how many operations.
pub(crate) type Arrivals = Box<dyn FnMut(u64, &mut Rng) -> (u64, u32)>;
/// Size in bytes of an operation submitted at a time.
pub(crate) type Sizes = Box<dyn FnMut(u64) -> u32>;

/// A load: clients that each wait for their operation before they send the next (closed), or
/// arrivals that wait for nothing (open).
pub struct Load {
    /// Clients of a closed loop; 0 for an open one.
    pub(crate) clients: u32,
    /// What makes a loop open.
    pub(crate) arrivals: Option<Arrivals>,
    /// Size of an operation submitted at this time.
    pub(crate) bytes: Sizes,
}

impl fmt::Debug for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Load").field("clients", &self.clients).finish_non_exhaustive()
    }
}

impl Load {
    /// So many clients, 4 KiB each.
    #[must_use]
    pub fn closed(clients: u32) -> Self {
        Self { clients, arrivals: None, bytes: Box::new(|_| 4096) }
    }

    /// Independent arrivals at a constant rate per second.
    #[must_use]
    pub fn poisson(rate: f64) -> Self {
        Self::open(move |now_ns, rng| (now_ns + (rng.exponential() * 1e9 / rate) as u64 + 1, 1))
    }

    /// Arrivals as a function says: given the time of one, when the next comes and of how many
    /// operations.
    #[must_use]
    pub fn open(next: impl FnMut(u64, &mut Rng) -> (u64, u32) + 'static) -> Self {
        Self { clients: 0, arrivals: Some(Box::new(next)), bytes: Box::new(|_| 4096) }
    }

    /// The same load with other sizes.
    #[must_use]
    pub fn with_bytes(self, bytes: impl FnMut(u64) -> u32 + 'static) -> Self {
        Self { bytes: Box::new(bytes), ..self }
    }
}
