//! How buffers return to the shards, and how the memory of idle slabs returns to the system.
//!
//! A wholly free slab goes when the pool holds more than its limit of such memory, when it has been
//! so for the idle time and some thread meets a shard, or when the user trims. The order is always the
//! same: out of every list, so that no buffer of it can be taken; observer; memory; index.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use rustix::time::{ClockId, clock_gettime};

use crate::{
    cache::Batch,
    class::{CACHE_SLOTS, Class},
    depot::Depot,
    observer::{Retire, SlabRef},
    options::PoolOptions,
};

/// After a refusal surplus slabs are left alone for this long, so that a slab which cannot be
/// unregistered yet does not cost two calls at every free.
const REFUSAL_MS: u64 = 100;

/// Large slabs may hold this part of the limit, and idle for a tenth of the time.
const LARGE_SHARE: usize = 4;
const LARGE_IDLE_PART: u64 = 10;

/// When idle memory goes back.
#[derive(Debug)]
pub(crate) struct Limits {
    keep_free_bytes: usize,
    idle_ms: u64,
    /// Looking for idle slabs visits every shard, so it is not done more often than this.
    reap_every_ms: u64,
}

impl Limits {
    pub(crate) fn new(options: &PoolOptions) -> Self {
        let idle_ms = millis(options.idle_after);
        let reap_every_ms = (idle_ms / (4 * LARGE_IDLE_PART)).clamp(10, 1000);
        Self { keep_free_bytes: options.keep_free_bytes, idle_ms, reap_every_ms }
    }

    /// Slabs of a class that are wholly free since then have idled long enough.
    fn idle_since(&self, class: Class, now_ms: u64) -> u64 {
        // "Never" stays never for large slabs, too.
        let part = if class.is_large() && self.idle_ms != u64::MAX { LARGE_IDLE_PART } else { 1 };
        now_ms.saturating_sub(self.idle_ms / part)
    }
}

impl Depot {
    /// Returns buffers to the shards of their slabs, and surplus slabs to the system if `may_release`.
    pub(crate) fn put_back(&self, units: &[u32], may_release: bool) {
        let mut surplus = Batch::new();
        let mut rest = units;
        while let Some(&first) = rest.first() {
            let home = self.map.get(self.map.index_of(first)).shard();
            let mut shard = self.shards[home].lock(&self.map, &self.tally);
            while let Some((&unit, behind)) = rest.split_first() {
                let index = self.map.index_of(unit);
                let slab = self.map.get(index);
                if slab.shard() != home {
                    break;
                }
                rest = behind;
                let whole = shard.put(index, unit, now_ms);
                if whole && may_release && self.over_limit(slab.class()) {
                    // The one that is free for longest, and so the coldest.
                    if let Some(index) = shard.evict(slab.class(), u64::MAX) {
                        surplus.push(index);
                    }
                }
            }
        }
        for &index in surplus.as_slice() {
            self.release(index);
        }
    }

    /// Gives every wholly free slab back; answers how many bytes went.
    #[cold]
    pub(crate) fn trim(&self) -> usize {
        self.release_free_since(|_| u64::MAX)
    }

    /// Gives slabs back that have idled long enough.
    pub(crate) fn reap(&self) -> usize {
        let now_ms = now_ms();
        if self.tally.all() == 0 || now_ms < self.refused_until_ms.load(Relaxed) {
            return 0;
        }
        self.release_free_since(|class| self.limits.idle_since(class, now_ms))
    }

    /// `reap`, if there is anything idle and nobody looked for it lately.
    pub(crate) fn reap_if_due(&self) {
        if self.tally.all() == 0 {
            return;
        }
        let now_ms = now_ms();
        if now_ms >= self.next_reap_ms.load(Relaxed) {
            self.next_reap_ms.store(now_ms + self.limits.reap_every_ms, Relaxed);
            self.reap();
        }
    }

    /// Tells the observer of a slab that just became usable.
    pub(crate) fn announce(&self, index: u32) {
        if let Some(observer) = &self.observer {
            let SlabRef { index, base, len } = self.map.describe(index);
            observer.slab_created(index, base, len);
        }
    }

    /// Tells the observer that every slab goes, at the end of the pool.
    pub(crate) fn farewell(&self) {
        if let Some(observer) = &self.observer {
            for index in self.map.indices() {
                let SlabRef { index, base, len } = self.map.describe(index);
                observer.slab_retiring(index, base, len);
            }
        }
    }

    fn over_limit(&self, class: Class) -> bool {
        let keep = self.limits.keep_free_bytes;
        let over =
            self.tally.all() > keep || class.is_large() && self.tally.large() > keep / LARGE_SHARE;
        over && now_ms() >= self.refused_until_ms.load(Relaxed)
    }

    fn release_free_since(&self, not_after_ms: impl Fn(Class) -> u64) -> usize {
        let mut bytes = 0;
        for shard in &self.shards {
            for class in Class::all() {
                // A slab that is kept goes back in front of the list and would come round again.
                let mut kept = false;
                while !kept && shard.may_have(class) {
                    let mut evicted = Batch::new();
                    {
                        let mut shard = shard.lock(&self.map, &self.tally);
                        while evicted.len() < CACHE_SLOTS {
                            let Some(index) = shard.evict(class, not_after_ms(class)) else {
                                break;
                            };
                            evicted.push(index);
                        }
                    }
                    if evicted.is_empty() {
                        break;
                    }
                    for &index in evicted.as_slice() {
                        let released = self.release(index);
                        kept |= released == 0;
                        bytes += released;
                    }
                }
            }
        }
        bytes
    }

    /// Gives the memory of a slab back that is in no list and has all buffers free. Zero if the
    /// observer or the kernel would not have it; the slab is in use again then.
    fn release(&self, index: u32) -> usize {
        let SlabRef { index, base, len } = self.map.describe(index);
        if let Some(observer) = &self.observer
            && observer.slab_retiring(index, base, len) == Retire::Keep
        {
            self.readmit(index);
            return 0;
        }
        if self.map.unmake(index).is_err() {
            // The observer has let go of it, so it must hear of it again.
            self.announce(index);
            self.readmit(index);
            return 0;
        }
        len
    }

    fn readmit(&self, index: u32) {
        let now_ms = now_ms();
        self.refused_until_ms.store(now_ms + REFUSAL_MS, Relaxed);
        let slab = self.map.get(index);
        let mut shard = self.shards[slab.shard()].lock(&self.map, &self.tally);
        shard.admit(index, slab.class().full_mask(), now_ms);
    }
}

/// Milliseconds of the coarse monotonic clock: one read of shared memory, off by up to a tick, which
/// does not matter for idle times.
fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
