//! What the engine says about itself. Reading disturbs nobody: counters and snapshots.

use std::sync::atomic::Ordering;

use aura_bufpool::PoolStats;
use aura_histogram::Snapshot;

use crate::backend::Backend;
use crate::decisions::DecisionRecord;
use crate::engine::Engine;
use crate::ring::EngineRing;

/// Totals of an engine.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct EngineStats {
    /// Operations completed, failures included.
    pub ops_completed: u64,
    /// Those of them that failed.
    pub ops_failed: u64,
    /// Bytes read and written.
    pub bytes_transferred: u64,
    /// Bytes per second over the last window, 0 when nothing moved for two seconds.
    pub throughput_bps: f64,
    /// 99 % of recent reads and writes took no longer, in milliseconds; 0 without any.
    pub p99_latency_ms: f64,
    /// Operations in flight.
    pub in_flight: u64,
    /// The limit in force: the sum over all rings.
    pub limit: u32,
    /// The most that was in flight on all rings together.
    pub peak_in_flight: u64,
    /// Queued operations that make a batch worth handing over.
    pub batch: u32,
    /// Submissions that went to another ring than the CPU's own.
    pub spills: u64,
    /// Submissions that were refused because the limit was reached.
    pub gated: u64,
    /// Callbacks that panicked.
    pub callback_panics: u64,
    /// The controller's phase, by its number.
    pub phase: i32,
}

/// One ring.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "as in `EngineStats`, for one ring")]
pub struct RingStats {
    pub ops_completed: u64,
    pub ops_failed: u64,
    pub bytes_transferred: u64,
    pub in_flight: u64,
    /// Operations whose callbacks have not begun.
    pub pending: u64,
    pub peak_in_flight: u32,
    pub limit: u32,
    pub batch: u32,
    pub p99_latency_ms: f64,
    pub throughput_bps: f64,
    pub phase: i32,
    /// Entries of its submission queue.
    pub queue_depth: u32,
}

/// A throughput older than this is history.
const STALE_NS: u64 = 2_000_000_000;

impl<B: Backend> Engine<B> {
    /// Totals over all rings.
    #[must_use]
    pub fn stats(&self) -> EngineStats {
        let mut latencies = Snapshot::new();
        self.rings.iter().for_each(|ring| self.latencies_into(ring, &mut latencies));
        let sum = |of: fn(&EngineRing<B>) -> u64| self.rings.iter().map(of).sum::<u64>();
        let bytes = sum(|ring| ring.meters.bytes());
        let ops_failed = sum(failed);
        EngineStats {
            // Read after those that failed, which are never more.
            ops_completed: sum(|ring| ring.completion.called.load(Ordering::Relaxed)),
            ops_failed,
            bytes_transferred: bytes,
            throughput_bps: self.recent_bps(
                f64::from_bits(self.published.throughput_bps.load(Ordering::Relaxed)),
                bytes,
            ),
            p99_latency_ms: p99_ms(&latencies),
            in_flight: self.in_flight(),
            limit: self.published.limit.load(Ordering::Relaxed),
            peak_in_flight: self.peak_in_flight.load(Ordering::Relaxed),
            batch: self.published.batch.load(Ordering::Relaxed),
            spills: self.spills.load(Ordering::Relaxed),
            gated: sum(|ring| ring.submission.gated.load(Ordering::Relaxed)),
            callback_panics: self.callback_panics.load(Ordering::Relaxed),
            phase: self.published.phase.load(Ordering::Relaxed),
        }
    }

    /// One ring, or `None` if there is no such ring.
    #[must_use]
    pub fn ring_stats(&self, ring: usize) -> Option<RingStats> {
        let ring = self.rings.get(ring)?;
        let mut latencies = Snapshot::new();
        self.latencies_into(ring, &mut latencies);
        let bytes = ring.meters.bytes();
        let ops_failed = failed(ring);
        Some(RingStats {
            ops_completed: ring.completion.called.load(Ordering::Relaxed), // As above.
            ops_failed,
            bytes_transferred: bytes,
            in_flight: ring.in_flight(),
            pending: ring.pending(),
            peak_in_flight: ring.completion.peak.load(Ordering::Relaxed),
            limit: ring.submission.limit.load(Ordering::Relaxed),
            batch: ring.submission.batch_threshold.load(Ordering::Relaxed),
            p99_latency_ms: p99_ms(&latencies),
            throughput_bps: self.recent_bps(
                f64::from_bits(ring.completion.throughput_bps.load(Ordering::Relaxed)),
                bytes,
            ),
            phase: self.published.phase.load(Ordering::Relaxed),
            queue_depth: ring.backend.entries(),
        })
    }

    /// Recent latencies of a ring's reads and writes: the window that was closed last and the one
    /// that is open. Without a controller nothing closes windows, and it is all there ever were.
    #[must_use]
    pub fn histogram(&self, ring: usize) -> Option<Snapshot> {
        let mut latencies = Snapshot::new();
        self.latencies_into(self.rings.get(ring)?, &mut latencies);
        Some(latencies)
    }

    /// All latencies of a ring's reads and writes since the engine was created.
    #[must_use]
    pub fn cumulative_histogram(&self, ring: usize) -> Option<Snapshot> {
        Some(self.rings.get(ring)?.histogram.cumulative())
    }

    /// The controller's last decisions, oldest first; at most 1024 are kept.
    #[must_use]
    pub fn decisions(&self) -> Vec<DecisionRecord> {
        self.published.decisions()
    }

    /// The buffer pool.
    #[must_use]
    pub fn pool_stats(&self) -> PoolStats {
        self.pool().stats()
    }

    fn latencies_into(&self, ring: &EngineRing<B>, latencies: &mut Snapshot) {
        if self.config().disable_adaptive {
            ring.histogram.cumulative_into(latencies);
        } else {
            ring.histogram.recent_into(latencies);
        }
    }

    /// The last window's throughput if it is fresh; before the first window the average so far.
    fn recent_bps(&self, window_bps: f64, bytes: u64) -> f64 {
        let now_ns = B::now_ns();
        match self.published.window_closed_ns.load(Ordering::Relaxed) {
            0 => bytes as f64 * 1e9 / now_ns.saturating_sub(self.created_ns).max(1) as f64,
            closed_ns if now_ns.saturating_sub(closed_ns) > STALE_NS => 0.0,
            _ => window_bps,
        }
    }
}

/// Failures are counted when completions are taken off the queue, which may be long before their
/// callbacks run: no more are told than operations have completed.
fn failed<B>(ring: &EngineRing<B>) -> u64 {
    ring.meters.failed().min(ring.completion.called.load(Ordering::Relaxed))
}

fn p99_ms(latencies: &Snapshot) -> f64 {
    latencies.percentile(99.0).map_or(0.0, |found| found.value_ms())
}
