//! What is handed out, now and at most: the pool-wide counters and the statistics made from them.
//!
//! # Synchronization
//!
//! Every thread cache counts its own operations and settles with the [`Ledger`] when it meets a shard
//! (`ThreadCache::settle`). All orderings are relaxed: the counters guard nothing. A sum over ledger
//! and caches is exact when no operation runs meanwhile and the reader is ordered after the operations
//! (joined the threads, say).

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// A snapshot of a pool. Exact when no other thread is in the pool meanwhile, close otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Bytes handed out and not given back yet, counted as the buffers' capacity.
    pub allocated_bytes: usize,
    /// The same, counted as the callers asked for it.
    pub requested_bytes: usize,
    /// Buffers handed out and not given back yet.
    pub allocated_buffers: usize,
    /// Most `allocated_bytes` there ever were. Exact for a single thread; with several, off by at most
    /// what the other threads' caches hold (5.25 MiB each at the very most).
    pub high_water_bytes: usize,
    /// Most `allocated_buffers` there ever were, with the same error.
    pub high_water_buffers: usize,
    /// Free bytes in thread caches, out of reach of other threads.
    pub cached_bytes: usize,
    /// Bytes in slabs of which every buffer is free: what [`Pool::trim`](crate::Pool::trim) would give
    /// back.
    pub idle_bytes: usize,
    /// Bytes in slabs: accessible, and resident where touched.
    pub committed_bytes: usize,
    /// Bytes of addresses reserved, resident nowhere by themselves.
    pub reserved_bytes: usize,
    /// Number of slabs.
    pub slabs: usize,
    /// Slabs given back to the system so far.
    pub slabs_retired: u64,
    /// Number of shards.
    pub shard_count: usize,
    /// Threads that have a cache in this pool.
    pub thread_caches: usize,
}

/// Counters of everything that thread caches have settled or that never went through one.
#[derive(Debug, Default)]
#[repr(align(128))] // two lines, because adjacent lines are fetched in pairs
pub(crate) struct Ledger {
    /// Settled balance; any thread adds, `stats` reads.
    pub(crate) live: Amounts,
    /// Highest balance seen; any thread raises it, `stats` reads.
    pub(crate) peak_buffers: AtomicI64,
    pub(crate) peak_bytes: AtomicI64,
}

/// Buffers, their capacity and what was asked for. Signed: a thread that only frees goes negative.
#[derive(Debug, Default)]
pub(crate) struct Amounts {
    pub(crate) buffers: AtomicI64,
    pub(crate) bytes: AtomicI64,
    pub(crate) requested: AtomicI64,
}

/// One change of the balance, with the highest point it passed through on the way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Change {
    pub(crate) buffers: i64,
    pub(crate) bytes: i64,
    pub(crate) requested: i64,
    pub(crate) peak_buffers: i64,
    pub(crate) peak_bytes: i64,
}

impl Change {
    pub(crate) fn taken(capacity: usize, requested: usize) -> Self {
        let bytes = capacity as i64;
        let requested = requested as i64;
        Self { buffers: 1, bytes, requested, peak_buffers: 1, peak_bytes: bytes }
    }

    pub(crate) fn given(capacity: usize, requested: usize) -> Self {
        let (bytes, requested) = (-(capacity as i64), -(requested as i64));
        Self { buffers: -1, bytes, requested, peak_buffers: 0, peak_bytes: 0 }
    }
}

impl Ledger {
    pub(crate) fn settle(&self, change: Change) {
        let buffers = self.live.buffers.fetch_add(change.buffers, Relaxed);
        let bytes = self.live.bytes.fetch_add(change.bytes, Relaxed);
        self.live.requested.fetch_add(change.requested, Relaxed);
        // A plain load first: the high water stands still most of the time.
        raise(&self.peak_buffers, buffers + change.peak_buffers);
        raise(&self.peak_bytes, bytes + change.peak_bytes);
    }
}

fn raise(peak: &AtomicI64, to: i64) {
    if to > peak.load(Relaxed) {
        peak.fetch_max(to, Relaxed);
    }
}
