//! Counts of what came of operations, and findings: what did not hold.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::Serialize;

/// What can come of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Came {
    /// Its result is as it must be.
    Right,
    /// It failed as it must: the error of the descriptor.
    Failed,
    /// A read at the end of the file brought less, as it must.
    Short,
    /// It was cancelled, and that had been asked for.
    Cancelled,
    /// The call refused it: an argument made no sense.
    Refused,
    /// Its future was dropped.
    Abandoned,
    /// Its callback panicked, as it was told to.
    Panicked,
}

/// Counters, in the order of [`Came`], and what goes beside them. Relaxed: they are statistics.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    came: [AtomicU64; 7],
    bytes_verified: AtomicU64,
    at_the_limit: AtomicU64,
    threads: AtomicU64,
    engines: AtomicU64,
    /// Whether there are findings. Looked at wherever somebody waits.
    has_findings: AtomicBool,
    findings: Mutex<Vec<String>>,
}

/// The same, to be written down.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Counts {
    pub(crate) right: u64,
    pub(crate) failed_as_planned: u64,
    pub(crate) short_at_the_end: u64,
    pub(crate) cancelled: u64,
    pub(crate) refused: u64,
    pub(crate) abandoned: u64,
    pub(crate) panicked_as_planned: u64,
    /// Not operations: attempts at the in-flight limit, which were repeated.
    pub(crate) attempts_at_the_limit: u64,
    pub(crate) bytes_verified: u64,
    pub(crate) threads: u64,
    pub(crate) engines: u64,
}

/// Findings beyond these are consequences.
const FINDINGS_MAX: usize = 20;

impl Tally {
    pub(crate) fn came(&self, came: Came) {
        self.came[came as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn verified(&self, bytes: usize) {
        self.bytes_verified.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn at_the_limit(&self) {
        self.at_the_limit.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn thread(&self) {
        self.threads.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn engine(&self) {
        self.engines.fetch_add(1, Ordering::Relaxed);
    }

    /// Something does not hold. The run ends with this shift.
    #[cold]
    pub(crate) fn finding(&self, what: impl Into<String>) {
        self.has_findings.store(true, Ordering::Relaxed);
        let mut findings = self.findings.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if findings.len() < FINDINGS_MAX {
            findings.push(what.into());
        }
    }

    pub(crate) fn has_findings(&self) -> bool {
        self.has_findings.load(Ordering::Relaxed)
    }

    pub(crate) fn findings(&self) -> Vec<String> {
        self.findings.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// All operations so far.
    pub(crate) fn operations(&self) -> u64 {
        self.came.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn counts(&self) -> Counts {
        let came = |came: Came| self.came[came as usize].load(Ordering::Relaxed);
        Counts {
            right: came(Came::Right),
            failed_as_planned: came(Came::Failed),
            short_at_the_end: came(Came::Short),
            cancelled: came(Came::Cancelled),
            refused: came(Came::Refused),
            abandoned: came(Came::Abandoned),
            panicked_as_planned: came(Came::Panicked),
            attempts_at_the_limit: self.at_the_limit.load(Ordering::Relaxed),
            bytes_verified: self.bytes_verified.load(Ordering::Relaxed),
            threads: self.threads.load(Ordering::Relaxed),
            engines: self.engines.load(Ordering::Relaxed),
        }
    }
}
