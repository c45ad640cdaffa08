//! The controller at work: windows of observations go to `aura-aimd`, its decisions come back as
//! limits and batch thresholds of the rings.
//!
//! Runs inside poll and wait, on the poller's thread, with the time of the batch just processed:
//! there is no thread and no timer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aura_aimd::{Controller, Decision, Latency, Reason, Silences, Window};
use aura_histogram::Snapshot;

use crate::backend::Backend;
use crate::config::Config;
use crate::decisions::DecisionRecord;
use crate::error::{Error, Result};
use crate::ring::EngineRing;

/// How often spill averages are refreshed, and the window is looked at when nothing completes.
const TICK_NS: u64 = 10_000_000;
/// A longer pause of the poller says nothing about the device.
const GAP_NS: u64 = 50_000_000;

/// What everybody may read.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// Sum of what the rings may have in flight.
    pub(crate) limit: AtomicU32,
    pub(crate) batch: AtomicU32,
    pub(crate) phase: AtomicI32,
    /// Bytes per second of the last window, as `f64` bits.
    pub(crate) throughput_bps: AtomicU64,
    /// When the last window was closed.
    pub(crate) window_closed_ns: AtomicU64,
    /// A latency target for the controller to take over at the end of the window.
    pub(crate) new_target: Mutex<Option<NewTarget>>,
    /// A floor of the limit for the controller to take over at the end of the window; 0: none.
    pub(crate) new_min_limit: AtomicU32,
    /// The batch threshold that was asked for, whatever the controller thinks; 0: none.
    pub(crate) fixed_batch: AtomicU32,
    /// What latencies are compared with; 0: nothing.
    target_ns: AtomicU64,
    /// Changes of the limit by direction and reason. Written inside the gate.
    pub(crate) adjustments: [[AtomicU64; Reason::ALL.len()]; 2],
    /// The last decisions, oldest first.
    pub(crate) decisions: Mutex<VecDeque<DecisionRecord>>,
}

/// A changed target; `None` goes back to the automatic ceiling.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewTarget(pub(crate) Option<u64>);

/// The poller's part, touched only by the thread inside the gate.
#[derive(Debug)]
pub(crate) struct Tuner {
    controller: Option<Controller>,
    opened_ns: u64,
    /// The earliest time at which the window is worth looking at.
    look_at_ns: u64,
    last_at_work_ns: u64,
    /// When the last batch of completions was taken that is part of `seen_sum_ns`.
    last_batch_ns: u64,
    seen_sum_ns: u64,
    silences: Silences,
    gap_ns: u64,
    /// Operations submitted before this moment say nothing about the present limit.
    pub(crate) epoch_ns: u64,
    /// What the controller wants latencies compared with.
    pub(crate) target_ns: u64,
    /// Samples of the present epoch in this window.
    pub(crate) samples: u64,
    /// How many of them took longer than the target.
    pub(crate) over_target: u64,
    /// Sum of all latencies in this window: divided by its length, by Little's law, the average
    /// in-flight.
    pub(crate) latency_sum_ns: u64,
    pub(crate) in_flight_max: u64,
    /// Counters as they were when the window opened.
    opened: Counters,
    per_ring_bytes: Vec<u64>,
    per_ring_gated: Vec<u64>,
    scratch: Box<Snapshot>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    operations: u64,
    bytes: u64,
    gated: u64,
}

impl Tuner {
    pub(crate) fn new(config: &Config, rings: usize, depth: u32, now_ns: u64) -> Result<Self> {
        let max_limit = depth.saturating_mul(rings as u32).min(aura_aimd::MAX_LIMIT);
        let initial = config.initial_in_flight.unwrap_or((config.queue_depth / 4).max(1));
        // Whoever asks to begin lower than the usual minimum wants to be able to stay there.
        let min_limit = config.min_in_flight.unwrap_or(initial.min(4)).min(max_limit);
        let controller = aura_aimd::Config {
            initial_limit: initial.clamp(min_limit, max_limit),
            min_limit,
            max_limit,
            target_p99_ns: config.target_p99.map(crate::clock::ns),
            seed: now_ns | 1,
            ..aura_aimd::Config::default()
        };
        let controller = (!config.disable_adaptive).then(|| Controller::new(controller));
        let controller = controller.transpose().map_err(|_| {
            Error::Invalid("the in-flight limits and the latency target do not fit together")
        })?;
        let target_ns = target_of(controller.as_ref());
        Ok(Self {
            controller,
            opened_ns: now_ns,
            look_at_ns: now_ns + TICK_NS,
            last_at_work_ns: now_ns,
            last_batch_ns: now_ns,
            seen_sum_ns: 0,
            silences: Silences::default(),
            gap_ns: 0,
            epoch_ns: 0,
            target_ns,
            samples: 0,
            over_target: 0,
            latency_sum_ns: 0,
            in_flight_max: 0,
            opened: Counters::default(),
            per_ring_bytes: vec![0; rings],
            per_ring_gated: vec![0; rings],
            scratch: Box::default(),
        })
    }

    /// The decision in force when the engine starts, or `None` without a controller.
    pub(crate) fn first(&self) -> Option<Decision> {
        self.controller.as_ref().map(Controller::decision)
    }

    /// Notes that the poller is at work. A long time since it last was is a pause of the
    /// application, not of the device, and is taken out of the window; unless the poller `slept`
    /// for want of completions.
    #[inline]
    pub(crate) fn at_work(&mut self, now_ns: u64, slept: bool) {
        // What was accounted for since the last call was taken at the time of that call.
        self.note_silence(self.last_at_work_ns);
        let away_ns = now_ns.saturating_sub(self.last_at_work_ns);
        if away_ns > GAP_NS && !slept {
            self.gap_ns += away_ns;
        }
        self.last_at_work_ns = now_ns;
    }

    /// Takes down how long nothing had completed, if something has meanwhile: at `batch_ns`.
    #[inline]
    fn note_silence(&mut self, batch_ns: u64) {
        if self.latency_sum_ns != self.seen_sum_ns {
            self.silences.note(batch_ns.saturating_sub(self.last_batch_ns));
            (self.seen_sum_ns, self.last_batch_ns) = (self.latency_sum_ns, batch_ns);
        }
    }

    /// Whether [`close_if_due`](Self::close_if_due) has anything to do. Two compares.
    #[inline]
    pub(crate) fn is_due(&self, now_ns: u64) -> bool {
        now_ns >= self.look_at_ns
    }

    /// Closes the window if the controller has seen enough of it, asks the controller, and deals
    /// out the limit. Returns whether a window was closed.
    pub(crate) fn close_if_due<B: Backend>(
        &mut self,
        now_ns: u64,
        rings: &[EngineRing<B>],
        published: &Published,
    ) -> bool {
        let length_ns = now_ns.saturating_sub(self.opened_ns);
        let goal = self.controller.as_ref().map(Controller::goal);
        let met = goal.map_or(length_ns >= 1_000_000_000, |g| g.is_met(self.samples, length_ns));
        // Looked at again soon: a short search lives on short windows.
        self.look_at_ns = now_ns + goal.map_or(TICK_NS, |g| g.min_duration_ns / 4).min(TICK_NS);
        let now = Counters::of(rings);
        if !met || (now.operations == self.opened.operations && now.gated == self.opened.gated) {
            if met {
                self.open(now_ns, now); // Nothing happened; there is nothing to tell.
            }
            return false;
        }
        let window = self.window(now_ns, length_ns, now, rings);
        self.publish_throughput(now_ns, length_ns, now, rings, published);
        if let Some(controller) = &mut self.controller {
            let before = controller.decision();
            let decision = controller.on_window(&window);
            if let Some(NewTarget(target_ns)) = lock(&published.new_target).take() {
                controller.set_target_p99_ns(target_ns);
            }
            let mut decision = match published.new_min_limit.swap(0, Ordering::Relaxed) {
                0 => decision,
                min_limit => {
                    let raised = controller.set_min_limit(min_limit);
                    let limit_changed = raised.limit_changed || decision.limit_changed;
                    Decision { limit_changed, ..raised }
                }
            };
            match published.fixed_batch.load(Ordering::Relaxed) {
                0 => {}
                fixed => decision.batch = fixed,
            }
            if decision.limit_changed || decision.phase != before.phase {
                published.record(&window, &before, &decision);
            }
            if decision.limit_changed {
                self.epoch_ns = now_ns;
            }
            published.announce(&decision);
            self.deal(&decision, rings);
            rings.iter().for_each(|ring| ring.histogram.swap_window());
        }
        self.target_ns = target_of(self.controller.as_ref());
        published.announce_target(self.target_ns);
        self.open(now_ns, now);
        true
    }

    /// Deals the engine's limit out among the rings by what they have and wanted to have.
    fn deal<B: Backend>(&mut self, decision: &Decision, rings: &[EngineRing<B>]) {
        let gated = rings.iter().map(|ring| ring.submission.gated.load(Ordering::Relaxed));
        let wanted = gated.zip(&mut self.per_ring_gated).map(|(now, before)| {
            let refused = now - std::mem::replace(before, now);
            refused.min(u64::from(decision.limit))
        });
        let demand: Vec<u64> =
            rings.iter().zip(wanted).map(|(ring, refused)| ring.in_flight() + refused).collect();
        let all: u32 = rings.iter().map(|ring| ring.backend.entries()).sum();
        for (ring, share) in rings.iter().zip(shares(decision.limit, &demand)) {
            let entries = ring.backend.entries();
            // A limit that excludes nothing is no reason to hold any ring back.
            let share = if decision.limit >= all { entries } else { share.min(entries) };
            let _writer = ring.lock();
            ring.submission.limit.store(share, Ordering::Relaxed);
            ring.submission.set_batch(decision.batch);
        }
    }

    fn window<B: Backend>(
        &mut self,
        now_ns: u64,
        length_ns: u64,
        now: Counters,
        rings: &[EngineRing<B>],
    ) -> Window {
        self.note_silence(self.last_at_work_ns);
        self.silences.note(now_ns.saturating_sub(self.last_batch_ns));
        self.scratch.clear();
        rings.iter().for_each(|ring| ring.histogram.window_into(&mut self.scratch));
        let duration_ns = length_ns.saturating_sub(self.gap_ns).max(1);
        Window {
            now_ns,
            duration_ns,
            operations: now.operations - self.opened.operations,
            bytes: now.bytes - self.opened.bytes,
            in_flight_avg: self.latency_sum_ns as f64 / length_ns as f64,
            in_flight_max: u32::try_from(self.in_flight_max).unwrap_or(u32::MAX),
            gated: now.gated - self.opened.gated,
            latency: self.latency(),
            silences: self.silences,
            gap_ns: self.gap_ns,
        }
    }

    fn latency(&self) -> Latency {
        let snapshot = &self.scratch;
        let at = |p| snapshot.percentile(p).map_or(0, |found| (found.value_us * 1e3) as u64);
        Latency {
            samples: snapshot.count(),
            over_target: self.over_target,
            p50_ns: at(50.0),
            p99_ns: at(99.0),
            mean_ns: snapshot.mean_us().map_or(0, |mean_us| (mean_us * 1e3) as u64),
            max_ns: snapshot.max_ns().unwrap_or(0),
        }
    }

    fn publish_throughput<B: Backend>(
        &mut self,
        now_ns: u64,
        length_ns: u64,
        now: Counters,
        rings: &[EngineRing<B>],
        published: &Published,
    ) {
        let per_second = 1e9 / length_ns.max(1) as f64;
        for (ring, before) in rings.iter().zip(&mut self.per_ring_bytes) {
            let bytes = ring.meters.bytes();
            let moved = (bytes - std::mem::replace(before, bytes)) as f64;
            let throughput = (moved * per_second).to_bits();
            ring.completion.throughput_bps.store(throughput, Ordering::Relaxed);
        }
        let moved = (now.bytes - self.opened.bytes) as f64;
        published.throughput_bps.store((moved * per_second).to_bits(), Ordering::Relaxed);
        published.window_closed_ns.store(now_ns, Ordering::Relaxed);
    }

    fn open(&mut self, now_ns: u64, now: Counters) {
        self.opened = now;
        self.opened_ns = now_ns;
        (self.samples, self.over_target) = (0, 0);
        (self.latency_sum_ns, self.in_flight_max, self.gap_ns) = (0, 0, 0);
        (self.seen_sum_ns, self.last_batch_ns, self.silences) = (0, now_ns, Silences::default());
    }
}

impl Published {
    /// What the controller compares latencies with; `None` without a controller.
    pub(crate) fn target_ns(&self) -> Option<u64> {
        Some(self.target_ns.load(Ordering::Relaxed)).filter(|target_ns| *target_ns != 0)
    }

    /// Publishes what latencies are compared with.
    pub(crate) fn announce_target(&self, target_ns: u64) {
        let target_ns = if target_ns == u64::MAX { 0 } else { target_ns };
        self.target_ns.store(target_ns, Ordering::Relaxed);
    }

    pub(crate) fn announce(&self, decision: &Decision) {
        self.limit.store(decision.limit, Ordering::Relaxed);
        self.batch.store(decision.batch, Ordering::Relaxed);
        self.phase.store(decision.phase as i32, Ordering::Relaxed);
    }
}

/// Nothing panics under these locks, so poisoning means nothing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Counters {
    fn of<B: Backend>(rings: &[EngineRing<B>]) -> Self {
        rings.iter().fold(Self::default(), |sum, ring| Self {
            operations: sum.operations + ring.completion.completed.load(Ordering::Relaxed),
            bytes: sum.bytes + ring.meters.bytes(),
            gated: sum.gated + ring.submission.gated.load(Ordering::Relaxed),
        })
    }
}

/// Without a target nothing is over it.
fn target_of(controller: Option<&Controller>) -> u64 {
    controller.and_then(Controller::target_p99_ns).unwrap_or(u64::MAX)
}

/// Splits `limit` in proportion to demand, with nothing lost to rounding; at least one each if
/// there are enough.
pub(crate) fn shares(limit: u32, demand: &[u64]) -> impl Iterator<Item = u32> + '_ {
    let least = u32::from(limit as usize >= demand.len());
    let spare = u64::from(limit) - u64::from(least) * demand.len() as u64;
    // One added to each, so that the sum is never zero.
    let total: u64 = demand.iter().map(|d| d + 1).sum();
    let (mut seen, mut dealt) = (0, 0);
    demand.iter().map(move |d| {
        seen += d + 1;
        let before = std::mem::replace(&mut dealt, spare * seen / total);
        least + (dealt - before) as u32
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shares_add_up_to_the_limit(
            limit in 1u32..100_000,
            demand in prop::collection::vec(0u64..10_000, 1..64),
        ) {
            let dealt: Vec<u32> = shares(limit, &demand).collect();
            let enough = limit as usize >= demand.len();
            prop_assert!(!enough || dealt.iter().all(|share| *share >= 1));
            prop_assert_eq!(dealt.iter().sum::<u32>(), limit);
        }
    }

    #[test]
    fn shares_follow_demand() {
        assert_eq!(shares(100, &[50, 50]).collect::<Vec<_>>(), [50, 50]);
        let skewed: Vec<u32> = shares(100, &[90, 0, 10]).collect();
        assert!(skewed[0] > 80 && skewed[1] <= 2 && skewed[2] > 5, "{skewed:?}");
    }
}
