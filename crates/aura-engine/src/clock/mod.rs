//! The engine's clock: nanoseconds of `CLOCK_MONOTONIC`, read from the CPU's own counter where that
//! is known to be as good.
//!
//! Asking the kernel costs some 22 ns, the counter 9; at depth 1 each operation pays for one or two
//! readings.

#[cfg(target_arch = "x86_64")]
mod counter;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Now. When the counter's rate becomes known better, later readings may be some microseconds smaller.
#[inline]
pub(crate) fn now_ns() -> u64 {
    #[cfg(target_arch = "x86_64")]
    if let Some(now_ns) = counter::now_ns() {
        return now_ns;
    }
    kernel_ns()
}

fn kernel_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // The monotonic clock starts at boot, so neither field is negative.
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Compares the counter with the kernel's clock, now and then: learns its rate, and stops using it
/// if it goes wrong. Returns when to come again, in nanoseconds from now.
pub(crate) fn look_after() -> u64 {
    #[cfg(target_arch = "x86_64")]
    return counter::look_after();
    #[cfg(not(target_arch = "x86_64"))]
    1_000_000_000
}

/// Nanoseconds since 1970, for whoever compares with other machines.
pub(crate) fn unix_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, ns)
}

/// A duration in nanoseconds; 584 years at most.
pub(crate) fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
