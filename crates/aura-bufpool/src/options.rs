//! How a pool is set up: alignment, shards, how much idle memory it keeps and for how long.

use std::{sync::Arc, thread, time::Duration};

use crate::{
    class::{MAX_ALIGNMENT, MAX_BUFFER_BYTES},
    error::CreateError,
    observer::SlabObserver,
};

/// Settings of a [`Pool`](crate::Pool), each with a default that suits file I/O.
///
/// ```
/// use aura_bufpool::{Pool, PoolOptions};
/// use std::time::Duration;
///
/// let options = PoolOptions::new().alignment(512).shards(4).idle_after(Duration::from_secs(2));
/// assert_eq!(Pool::new(options).unwrap().stats().shard_count, 4);
/// assert!(Pool::new(PoolOptions::new().alignment(48)).is_err());
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PoolOptions {
    pub(crate) alignment: usize,
    pub(crate) shards: usize,
    pub(crate) reserve_bytes: usize,
    pub(crate) keep_free_bytes: usize,
    pub(crate) idle_after: Duration,
    pub(crate) observer: Option<Arc<dyn SlabObserver>>,
}

impl PoolOptions {
    /// The defaults: page alignment, one shard per two CPUs, 64 GiB of addresses, 256 MiB kept for up
    /// to ten seconds, no observer.
    pub fn new() -> Self {
        Self {
            alignment: rustix::param::page_size(),
            shards: default_shards(thread::available_parallelism().map_or(2, usize::from)),
            reserve_bytes: 64 << 30,
            keep_free_bytes: 256 << 20,
            idle_after: Duration::from_secs(10),
            observer: None,
        }
    }

    /// Alignment of every buffer in bytes: a power of two up to [`MAX_ALIGNMENT`]. Buffers are never
    /// aligned to less than 4 KiB, and every buffer is aligned to its own capacity; an alignment
    /// above 4 KiB therefore makes it the smallest buffer as well.
    pub fn alignment(mut self, bytes: usize) -> Self {
        self.alignment = bytes;
        self
    }

    /// Number of shards: a power of two in `2..=256`. More shards mean fewer threads at one lock.
    pub fn shards(mut self, count: usize) -> Self {
        self.shards = count;
        self
    }

    /// Most bytes of addresses to reserve, and so the most that buffers can occupy. Rounded up to a
    /// power of two of at least 128 MiB; halved down to that while the kernel refuses.
    pub fn reserve_bytes(mut self, bytes: usize) -> Self {
        self.reserve_bytes = bytes;
        self
    }

    /// How many bytes in wholly free slabs the pool keeps for reuse. What exceeds it goes back to the
    /// system at once. Slabs of 1 MiB and more may make up a quarter of it.
    pub fn keep_free_bytes(mut self, bytes: usize) -> Self {
        self.keep_free_bytes = bytes;
        self
    }

    /// How long a wholly free slab is kept before some later call gives it back; slabs of 1 MiB and
    /// more a tenth of that. [`Duration::MAX`] keeps them until [`Pool::trim`](crate::Pool::trim).
    pub fn idle_after(mut self, idle: Duration) -> Self {
        self.idle_after = idle;
        self
    }

    /// Who is told of slabs. Without one, nobody is.
    pub fn observer(mut self, observer: Arc<dyn SlabObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    pub(crate) fn validate(&self) -> Result<(), CreateError> {
        if !self.alignment.is_power_of_two() || self.alignment > MAX_ALIGNMENT {
            return Err(CreateError::Alignment(self.alignment));
        }
        if !self.shards.is_power_of_two() || !(2..=256).contains(&self.shards) {
            return Err(CreateError::Shards(self.shards));
        }
        Ok(())
    }

    /// The range to try first. Capped because the tables' entries hold 24-bit slab indices.
    pub(crate) fn reserve_rounded(&self) -> usize {
        const CAP: usize = 4 << 40;
        self.reserve_bytes.clamp(MAX_BUFFER_BYTES, CAP).next_power_of_two()
    }
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// One shard per two CPUs: caches reach a shard once per half a cache, so shards are rarely met.
fn default_shards(cpus: usize) -> usize {
    cpus.div_ceil(2).next_power_of_two().clamp(2, 256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_shards_are_a_power_of_two_in_range() {
        for cpus in [1, 2, 3, 8, 96, 128, 1000, 4096] {
            let shards = default_shards(cpus);
            assert!(shards.is_power_of_two() && (2..=256).contains(&shards), "{cpus} CPUs");
        }
        assert!(default_shards(64) > default_shards(8));
    }

    #[test]
    fn invalid_settings_are_refused() {
        for alignment in [0, 3, 4097, MAX_ALIGNMENT * 2] {
            let refused = PoolOptions::new().alignment(alignment).validate();
            assert!(matches!(refused, Err(CreateError::Alignment(bytes)) if bytes == alignment));
        }
        for shards in [0, 1, 3, 512] {
            let refused = PoolOptions::new().shards(shards).validate();
            assert!(matches!(refused, Err(CreateError::Shards(count)) if count == shards));
        }
        for alignment in [1, 512, 4096, 2 << 20, MAX_ALIGNMENT] {
            assert!(PoolOptions::new().alignment(alignment).validate().is_ok());
        }
    }
}
