//! What the engine says about itself: snapshots, taken without disturbing anybody.

use aura_engine::{EngineStats, PoolStats, Snapshot, layout};

/// Totals of an engine.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    inner: EngineStats,
}

/// One ring of an engine.
#[derive(Clone, Debug)]
pub struct RingStats {
    inner: aura_engine::RingStats,
}

/// The engine's buffer pool.
#[derive(Clone, Debug)]
pub struct BufferStats {
    inner: PoolStats,
}

/// Recent latencies of a ring's reads and writes: 320 buckets in four tiers from 10 µs to 1 ms
/// wide, up to 100 ms.
///
/// With adaptive tuning it is the present and the last window; without, all there ever were.
///
/// ```
/// let engine = aura::Engine::new()?;
/// let empty = engine.histogram(0)?;
/// assert_eq!((empty.total_count(), empty.percentile(99.0)), (0, None));
/// assert_eq!((empty.bucket_lower_us(100), empty.bucket_upper_us(100)), (1000, 1050));
/// # Ok::<(), aura::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Histogram {
    inner: Snapshot,
}

/// Counts are 64 bits wide inside and narrower here.
fn narrow<T: TryFrom<u64>>(count: u64, most: T) -> T {
    T::try_from(count).unwrap_or(most)
}

impl Stats {
    pub(crate) fn new(inner: EngineStats) -> Self {
        Self { inner }
    }

    /// Operations completed, failed ones included.
    #[must_use]
    pub fn ops_completed(&self) -> i64 {
        narrow(self.inner.ops_completed, i64::MAX)
    }

    /// Operations that failed.
    #[must_use]
    pub fn ops_failed(&self) -> i64 {
        narrow(self.inner.ops_failed, i64::MAX)
    }

    /// Bytes read and written.
    #[must_use]
    pub fn bytes_transferred(&self) -> i64 {
        narrow(self.inner.bytes_transferred, i64::MAX)
    }

    /// Bytes per second over the last window.
    #[must_use]
    pub fn throughput_bps(&self) -> f64 {
        self.inner.throughput_bps
    }

    /// 99 % of recent reads and writes took no longer, in milliseconds; 0 without any.
    #[must_use]
    pub fn p99_latency_ms(&self) -> f64 {
        self.inner.p99_latency_ms
    }

    /// Operations in flight.
    #[must_use]
    pub fn current_in_flight(&self) -> i32 {
        narrow(self.inner.in_flight, i32::MAX)
    }

    /// The in-flight limit that the controller found, over all rings.
    #[must_use]
    pub fn optimal_in_flight(&self) -> i32 {
        narrow(self.inner.limit.into(), i32::MAX)
    }

    /// Queued operations that the controller thinks worth a system call.
    #[must_use]
    pub fn optimal_batch_size(&self) -> i32 {
        narrow(self.inner.batch.into(), i32::MAX)
    }

    /// Submissions that ADAPTIVE ring selection moved to another ring.
    #[must_use]
    pub fn adaptive_spills(&self) -> u64 {
        self.inner.spills
    }

    /// The most operations that were in flight, over all rings.
    #[must_use]
    pub fn peak_in_flight(&self) -> i32 {
        narrow(self.inner.peak_in_flight, i32::MAX)
    }

    /// Submissions refused with `EAGAIN` because the limit was reached.
    #[must_use]
    pub fn refused_at_limit(&self) -> u64 {
        self.inner.gated
    }

    /// Callbacks that panicked; each was caught and logged.
    #[must_use]
    pub fn callback_panics(&self) -> u64 {
        self.inner.callback_panics
    }
}

impl RingStats {
    pub(crate) fn new(inner: aura_engine::RingStats) -> Self {
        Self { inner }
    }

    /// Operations completed on this ring, failed ones included.
    #[must_use]
    pub fn ops_completed(&self) -> i64 {
        narrow(self.inner.ops_completed, i64::MAX)
    }

    /// Bytes read and written through this ring.
    #[must_use]
    pub fn bytes_transferred(&self) -> i64 {
        narrow(self.inner.bytes_transferred, i64::MAX)
    }

    /// Operations in flight on this ring.
    #[must_use]
    pub fn pending_count(&self) -> i32 {
        narrow(self.inner.pending, i32::MAX)
    }

    /// The most operations that were in flight on this ring.
    #[must_use]
    pub fn peak_in_flight(&self) -> i32 {
        narrow(self.inner.peak_in_flight.into(), i32::MAX)
    }

    /// This ring's share of the in-flight limit.
    #[must_use]
    pub fn in_flight_limit(&self) -> i32 {
        narrow(self.inner.limit.into(), i32::MAX)
    }

    /// Queued operations that make a batch worth a system call.
    #[must_use]
    pub fn batch_threshold(&self) -> i32 {
        narrow(self.inner.batch.into(), i32::MAX)
    }

    /// 99 % of this ring's recent reads and writes took no longer, in milliseconds.
    #[must_use]
    pub fn p99_latency_ms(&self) -> f64 {
        self.inner.p99_latency_ms
    }

    /// Bytes per second over the last window.
    #[must_use]
    pub fn throughput_bps(&self) -> f64 {
        self.inner.throughput_bps
    }

    /// The controller's phase, by its number (0–6).
    #[must_use]
    pub fn aimd_phase(&self) -> i32 {
        self.inner.phase
    }

    /// The controller's phase: `"BASELINE"`, `"PROBING"`, `"STEADY"`, `"BACKOFF"`, `"SETTLING"`,
    /// `"CONVERGED"` or `"PASSTHROUGH"`.
    #[must_use]
    pub fn aimd_phase_name(&self) -> &'static str {
        aura_engine::Phase::from_i32(self.inner.phase).map_or("UNKNOWN", |phase| phase.name())
    }

    /// Entries of the ring's queue.
    #[must_use]
    pub fn queue_depth(&self) -> i32 {
        narrow(self.inner.queue_depth.into(), i32::MAX)
    }
}

impl Histogram {
    pub(crate) fn new(inner: Snapshot) -> Self {
        Self { inner }
    }

    /// Samples in a bucket; 0 if there is no such bucket.
    #[must_use]
    pub fn bucket(&self, bucket: usize) -> u32 {
        narrow(self.inner.bucket(bucket), u32::MAX)
    }

    /// Samples above the highest latency tracked.
    #[must_use]
    pub fn overflow(&self) -> u32 {
        narrow(self.inner.overflow(), u32::MAX)
    }

    /// All samples.
    #[must_use]
    pub fn total_count(&self) -> u32 {
        narrow(self.inner.count(), u32::MAX)
    }

    /// The highest latency tracked, in microseconds.
    #[must_use]
    pub fn max_tracked_us(&self) -> i32 {
        narrow(layout::MAX_TRACKED_US.into(), i32::MAX)
    }

    /// Where a bucket begins, in microseconds; 0 if there is no such bucket.
    #[must_use]
    pub fn bucket_lower_us(&self, bucket: usize) -> i32 {
        narrow(layout::bucket_lower_us(bucket).unwrap_or(0).into(), i32::MAX)
    }

    /// Where a bucket ends, in microseconds; 0 if there is no such bucket.
    #[must_use]
    pub fn bucket_upper_us(&self, bucket: usize) -> i32 {
        narrow(layout::bucket_upper_us(bucket).unwrap_or(0).into(), i32::MAX)
    }

    /// A percentile in milliseconds, interpolated inside its bucket, whose width bounds the error.
    /// `None` without samples and outside 0 to 100.
    #[must_use]
    pub fn percentile(&self, percentile: f64) -> Option<f64> {
        Some(self.inner.percentile(percentile)?.value_ms())
    }
}

impl BufferStats {
    pub(crate) fn new(inner: PoolStats) -> Self {
        Self { inner }
    }

    /// Bytes of the buffers that are handed out, as they were rounded up.
    #[must_use]
    pub fn total_allocated_bytes(&self) -> usize {
        self.inner.allocated_bytes
    }

    /// Buffers that are handed out.
    #[must_use]
    pub fn total_buffers(&self) -> usize {
        self.inner.allocated_buffers
    }

    /// Shards that the pool's free buffers are spread over.
    #[must_use]
    pub fn shard_count(&self) -> i32 {
        narrow(self.inner.shard_count as u64, i32::MAX)
    }
}
