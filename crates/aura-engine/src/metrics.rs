//! What is counted for monitoring, per ring, and the reading of all of it.
//!
//! # Synchronization
//!
//! As for all counters of a ring's completion side: written by the thread inside the gate, without
//! read-modify-write, and read by everybody.

use std::sync::atomic::{AtomicU64, Ordering};

use aura_aimd::Phase;
use aura_metrics::{Adjustment, Metrics, OperationMeter, Operations, Ring};

use crate::backend::Backend;
use crate::engine::Engine;
use crate::op::OpKind;
use crate::ring::{EngineRing, add};

/// Counted where completions are accounted for; never reset. On cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Meters {
    /// By kind.
    operations: [OperationMeter; OpKind::ALL.len()],
    read_bytes: AtomicU64,
    written_bytes: AtomicU64,
}

impl Meters {
    /// Counts a completed operation.
    #[inline]
    pub(crate) fn record(&self, kind: OpKind, latency_ns: u64, result: i32) {
        let meter = &self.operations[kind as usize];
        meter.record(latency_ns);
        if result < 0 {
            meter.record_error();
        } else if kind.transfers_data() {
            let bytes = if kind.writes() { &self.written_bytes } else { &self.read_bytes };
            add(bytes, result as u64);
        }
    }

    /// Bytes read and written.
    pub(crate) fn bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed) + self.written_bytes.load(Ordering::Relaxed)
    }

    /// Operations that failed.
    pub(crate) fn failed(&self) -> u64 {
        self.operations.iter().map(OperationMeter::errors).sum()
    }
}

/// The names of the controller's phases, in the order of their numbers.
const PHASES: [&str; 7] = {
    let mut names = [""; 7];
    let mut number = 0;
    while number < names.len() {
        names[number] = match Phase::from_i32(number as i32) {
            Some(phase) => phase.name(),
            None => panic!("0 to 6 are phases"),
        };
        number += 1;
    }
    names
};

/// Directions in which the limit is moved.
pub(crate) const DIRECTIONS: [&str; 2] = ["up", "down"];

impl<B: Backend> Engine<B> {
    /// Everything that monitoring wants to know, as it is now. From any thread; takes no lock that
    /// an operation takes.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        // Cancellations are the engine's own, and have no completions of their own.
        let kinds = OpKind::ALL.into_iter().filter(|kind| *kind != OpKind::Cancel);
        let sum = |of: fn(&Meters) -> &AtomicU64| {
            self.rings.iter().map(|ring| of(&ring.meters).load(Ordering::Relaxed)).sum()
        };
        let age_ns = B::now_ns().saturating_sub(self.created_ns);
        Metrics {
            version: env!("CARGO_PKG_VERSION"),
            started_unix_ns: self.created_unix_ns,
            taken_unix_ns: self.created_unix_ns + age_ns,
            operations: kinds.map(|kind| self.operations(kind)).collect(),
            read_bytes: sum(|meters| &meters.read_bytes),
            written_bytes: sum(|meters| &meters.written_bytes),
            rings: self.rings.iter().map(ring_now).collect(),
            latency_target_ns: self.published.target_ns(),
            phases: &PHASES,
            phase: PHASES[self.published.phase.load(Ordering::Relaxed) as usize],
            adjustments: self.adjustments(),
            spills: self.spills.load(Ordering::Relaxed),
            pool_bytes: self.pool().stats().allocated_bytes as u64,
            fatal_errno: self.fatal_error().unwrap_or(0),
        }
    }

    fn operations(&self, kind: OpKind) -> Operations {
        let mut operations = Operations::new(kind.name());
        for ring in &self.rings {
            ring.meters.operations[kind as usize].add_to(&mut operations);
        }
        operations
    }

    fn adjustments(&self) -> Vec<Adjustment> {
        let counts = DIRECTIONS.into_iter().zip(&self.published.adjustments);
        let adjustment = |(direction, reasons): (&'static str, _)| {
            aura_aimd::Reason::ALL.into_iter().zip(reasons).map(
                move |(reason, count): (_, &AtomicU64)| Adjustment {
                    direction,
                    reason: reason.as_str(),
                    count: count.load(Ordering::Relaxed),
                },
            )
        };
        counts.flat_map(adjustment).collect()
    }
}

fn ring_now<B: Backend>(ring: &EngineRing<B>) -> Ring {
    Ring { in_flight: ring.in_flight(), limit: ring.submission.limit.load(Ordering::Relaxed) }
}
