//! What the supervisor and a worker tell each other while the worker runs.
//!
//! # Synchronization
//!
//! Each atomic has one writing side: `stop` and `report_wanted` the supervisor (and a worker whose error
//! ends all), everything else the worker. They are read as they are, for a display; nothing is ordered by
//! them. Copies of statistics go through a mutex that is taken a few times a second at most.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::job::PerDirection;
use crate::stats::WorkerStats;
use crate::watch::{RingNow, Stage};

/// Where a worker is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum Phase {
    #[default]
    Waiting,
    Ramp,
    Running,
    Searching,
    Verifying,
    Done,
    Failed,
}

const PHASES: [Phase; 7] = [
    Phase::Waiting,
    Phase::Ramp,
    Phase::Running,
    Phase::Searching,
    Phase::Verifying,
    Phase::Done,
    Phase::Failed,
];

/// One worker's board.
#[derive(Debug, Default)]
pub(super) struct Board {
    phase: AtomicU8,
    bytes: PerDirection<AtomicU64>,
    ios: PerDirection<AtomicU64>,
    /// Bytes and I/Os in both directions, brought up to date more often than what is shown.
    counted: (AtomicU64, AtomicU64),
    limit: AtomicU32,
    in_flight: AtomicU32,
    p99_ns: AtomicU64,
    engine_phase: AtomicU8,
    /// The share of its work that is done, in parts of 65 535.
    done: AtomicU32,
    /// Statistics so far, when they were asked for.
    report: Mutex<Option<WorkerStats>>,
    report_wanted: AtomicBool,
    /// The worker is to end.
    stop: AtomicBool,
}

/// What a worker shows at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shown {
    pub(super) bytes: PerDirection<u64>,
    pub(super) ios: PerDirection<u64>,
    pub(super) limit: u32,
    pub(super) in_flight: u32,
    pub(super) p99_ns: u64,
    pub(super) engine_phase: i32,
    pub(super) done: f64,
}

impl Board {
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub(super) fn phase(&self) -> Phase {
        PHASES[usize::from(self.phase.load(Ordering::Relaxed))]
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase(), Phase::Done | Phase::Failed)
    }

    pub(super) fn stage(&self) -> Stage {
        match self.phase() {
            Phase::Waiting => Stage::Waiting,
            Phase::Ramp => Stage::Ramp,
            Phase::Running => Stage::Running,
            Phase::Searching => Stage::Searching,
            Phase::Verifying => Stage::Verifying,
            Phase::Done => Stage::Done,
            Phase::Failed => Stage::Failed,
        }
    }

    pub(super) fn show(&self, shown: &Shown) {
        self.bytes.read.store(shown.bytes.read, Ordering::Relaxed);
        self.bytes.write.store(shown.bytes.write, Ordering::Relaxed);
        self.ios.read.store(shown.ios.read, Ordering::Relaxed);
        self.ios.write.store(shown.ios.write, Ordering::Relaxed);
        self.limit.store(shown.limit, Ordering::Relaxed);
        self.in_flight.store(shown.in_flight, Ordering::Relaxed);
        self.p99_ns.store(shown.p99_ns, Ordering::Relaxed);
        self.engine_phase.store(shown.engine_phase as u8, Ordering::Relaxed);
        self.done.store((shown.done * 65_535.0) as u32, Ordering::Relaxed);
    }

    pub(super) fn count(&self, bytes: u64, ios: u64) {
        self.counted.0.store(bytes, Ordering::Relaxed);
        self.counted.1.store(ios, Ordering::Relaxed);
    }

    pub(super) fn counted(&self) -> (u64, u64) {
        (self.counted.0.load(Ordering::Relaxed), self.counted.1.load(Ordering::Relaxed))
    }

    pub(super) fn shown(&self) -> Shown {
        let load = |from: &PerDirection<AtomicU64>| PerDirection {
            read: from.read.load(Ordering::Relaxed),
            write: from.write.load(Ordering::Relaxed),
        };
        Shown {
            bytes: load(&self.bytes),
            ios: load(&self.ios),
            limit: self.limit.load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            p99_ns: self.p99_ns.load(Ordering::Relaxed),
            engine_phase: self.engine_phase.load(Ordering::Relaxed).into(),
            done: f64::from(self.done.load(Ordering::Relaxed)) / 65_535.0,
        }
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn must_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn want_report(&self) {
        self.report_wanted.store(true, Ordering::Relaxed);
    }

    pub(super) fn report_is_wanted(&self) -> bool {
        self.report_wanted.load(Ordering::Relaxed)
    }

    pub(super) fn leave_report(&self, stats: WorkerStats) {
        if let Ok(mut report) = self.report.lock() {
            *report = Some(stats);
        }
        self.report_wanted.store(false, Ordering::Relaxed);
    }

    pub(super) fn take_report(&self) -> Option<WorkerStats> {
        self.report.lock().ok()?.take()
    }
}

impl Shown {
    /// As observers see it.
    pub(super) fn ring(&self) -> RingNow {
        RingNow {
            limit: self.limit,
            in_flight: self.in_flight,
            p99: Duration::from_nanos(self.p99_ns),
            phase: phase_name(self.engine_phase),
            ios: self.ios.read + self.ios.write,
        }
    }
}

/// The names of the engine's phases, by their numbers.
pub(super) fn phase_name(phase: i32) -> &'static str {
    const NAMES: [&str; 7] =
        ["BASELINE", "PROBING", "STEADY", "BACKOFF", "SETTLING", "CONVERGED", "PASSTHROUGH"];
    usize::try_from(phase).ok().and_then(|phase| NAMES.get(phase)).copied().unwrap_or("UNKNOWN")
}
