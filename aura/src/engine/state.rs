//! Statistics, state, and settings that can be changed at run time.

use std::sync::Arc;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::metrics::{Decision, Metrics, MetricsReader};
use crate::options;
use crate::stats::{BufferStats, Histogram, RingStats, Stats};

/// # Statistics and state
///
/// From any thread at any time.
impl Engine {
    /// Totals over all rings.
    ///
    /// # Errors
    ///
    /// None at present.
    pub fn stats(&self) -> Result<Stats> {
        Ok(Stats::new(self.inner.stats()))
    }

    /// Number of rings.
    #[must_use]
    pub fn ring_count(&self) -> i32 {
        self.inner.ring_count() as i32
    }

    /// One ring, from 0 to [`ring_count`](Self::ring_count)` - 1`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] when there is no such ring.
    pub fn ring_stats(&self, ring: i32) -> Result<RingStats> {
        let stats = ring_index(ring).and_then(|ring| self.inner.ring_stats(ring));
        stats.map(RingStats::new).ok_or(NO_SUCH_RING)
    }

    /// Recent latencies of one ring.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] when there is no such ring.
    pub fn histogram(&self, ring: i32) -> Result<Histogram> {
        let histogram = ring_index(ring).and_then(|ring| self.inner.histogram(ring));
        histogram.map(Histogram::new).ok_or(NO_SUCH_RING)
    }

    /// The buffer pool.
    ///
    /// # Errors
    ///
    /// None at present.
    pub fn buffer_stats(&self) -> Result<BufferStats> {
        Ok(BufferStats::new(self.inner.pool_stats()))
    }

    /// Counters since the engine was created, for monitoring.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics::new(self.inner.metrics())
    }

    /// Reads the metrics as long as the engine lives, without keeping it alive.
    #[must_use]
    pub fn metrics_reader(&self) -> MetricsReader {
        MetricsReader::new(Arc::downgrade(&self.inner))
    }

    /// The controller's last decisions, oldest first; at most 1024 are kept.
    #[must_use]
    pub fn decisions(&self) -> Vec<Decision> {
        let created_ns = self.inner.created_ns();
        let decisions = self.inner.decisions().into_iter();
        decisions.map(|decision| Decision::new(decision, created_ns)).collect()
    }

    /// 0 while all is well, otherwise the `errno` that made the engine unusable. All submissions
    /// then fail with `ESHUTDOWN`.
    ///
    /// # Errors
    ///
    /// None at present.
    pub fn get_fatal_error(&self) -> Result<i32> {
        Ok(self.inner.fatal_error().unwrap_or(0))
    }

    /// Operations in flight, with those that have completed and wait for a `poll` to call them back.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        self.inner.pending() as usize
    }

    /// Changes the latency target while the engine runs; 0 is "automatic". It takes effect at the
    /// end of the controller's present window, within a second of activity.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for a negative, infinite or absurd latency.
    pub fn set_max_p99_latency_ms(&self, latency: f64) -> Result<()> {
        self.inner.set_target_p99(options::target(latency)?);
        Ok(())
    }
}

const NO_SUCH_RING: Error = Error::InvalidArgument("there is no ring with this index");

fn ring_index(ring: i32) -> Option<usize> {
    usize::try_from(ring).ok()
}
