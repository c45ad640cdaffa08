//! The histogram that one thread records into while others read.
//!
//! # Synchronization
//!
//! The *writer* is whoever calls `record`, `record_cumulative_only` and `swap_window`: one thread at a
//! time. Everything else is for readers, on any thread, and never delays the writer.
//!
//! Windows are numbered by `sequence`. While window `s` is active, `s - 1` is the closed one and stays
//! whole; opening `s + 1` hands the counters of `s - 1` to it.
//!
//! All loads and stores are relaxed but for these pairs:
//!
//! * `swap_window` stores `sequence` with *release*, readers load it first with *acquire*: who sees the
//!   new number sees all that was counted in the windows before it, and the totals of the new one begun.
//! * `swap_window` follows that store by a *release fence*, readers precede their second load of
//!   `sequence` by an *acquire fence*: who has seen anything of the new window, be it a count that
//!   displaced one of the closed window, finds that the number has changed, and reads again.
//! * `Totals` puts a *release fence* between storing a maximum and the count of the sample, readers
//!   an *acquire fence* between loading counts and the maximum: no counted sample exceeds the maximum
//!   read with it. Percentiles bound themselves by that. Maxima change rarely, so this costs nothing.

use core::fmt;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

// Relative, here and in the files that this one uses, because the models have them in a module.
use super::Snapshot;
use super::counters::{Counts, WindowCounts};
use super::layout::slot_of_ns;
use super::primitive::{AtomicU64, fence};
use super::totals::Totals;

/// Latencies counted twice: since ever, and in the current window.
///
/// # One writer
///
/// [`record`](Self::record), [`record_cumulative_only`](Self::record_cumulative_only) and
/// [`swap_window`](Self::swap_window) are for one thread at a time. They take `&self`, so that the
/// histogram can be shared with readers, and the compiler cannot check this. Two writers at once lose
/// samples, and bounds of percentiles may be too narrow; nothing worse happens.
///
/// # What readers see
///
/// A reader on the writer's thread, or one ordered after it, sees every sample. One that runs at the
/// same time sees each sample once or not yet, and the sum may run a few samples ahead of the counts
/// or behind them; the maximum is never behind. The views of windows are of one point in the sequence
/// of windows: if the writer opens a window meanwhile, the reader starts over. Only when that happens
/// in each of eight attempts (windows a microsecond long) does it make do with the last one, in which
/// counts may be too low, the sum is estimated from them and the maximum is that of all samples ever.
///
/// Sums wrap around after 584 years' worth of latencies, which 1 000 operations in flight at all times
/// pile up in seven months. That spoils [`Snapshot::sum_ns`] and the mean of the cumulative samples,
/// not those of windows.
// Aligned so that the writers of two neighbouring histograms share no cache line, nor a pair of lines
// that the prefetcher fetches together.
#[repr(align(128))]
pub struct LatencyHistogram {
    /// Number of the active window. Only `swap_window` stores it, and only ever the next number.
    sequence: AtomicU64,
    /// Sums and maxima, of everything and of the windows.
    totals: Totals,
    /// Counts of the active window `s` and of the closed one, `s - 1`.
    windows: WindowCounts,
    /// Counts of all samples ever recorded. They never fall.
    cumulative: Counts,
}

impl LatencyHistogram {
    /// A histogram without samples. It takes 8 KiB, and may be a `static`.
    #[must_use]
    pub const fn new() -> Self {
        Self::starting_at(0)
    }

    /// *Writer only.* Records a latency in the active window and in the cumulative counts.
    #[inline]
    pub fn record(&self, latency_ns: u64) {
        let slot = slot_of_ns(latency_ns);
        let sequence = self.sequence.load(Relaxed);
        self.totals.add(sequence, latency_ns);
        self.windows.increment(slot, sequence);
        self.cumulative.increment(slot);
    }

    /// *Writer only.* Records a latency in the cumulative counts and leaves the window out: for samples
    /// that say nothing about the present, such as operations begun before a setting was changed.
    #[inline]
    pub fn record_cumulative_only(&self, latency_ns: u64) {
        self.totals.add_left_out(latency_ns);
        self.cumulative.increment(slot_of_ns(latency_ns));
    }

    /// *Writer only.* Closes the active window and opens an empty one, in constant time. The closed one
    /// stays readable until the next call, the one before it is forgotten.
    #[inline]
    pub fn swap_window(&self) {
        let opened = self.sequence.load(Relaxed).wrapping_add(1);
        self.totals.open(opened);
        self.sequence.store(opened, Release);
        fence(Release);
        // From here on the counts of the window that was the closed one may be overwritten.
        self.windows.refresh_one(opened);
    }

    /// All samples ever recorded. From one call to the next no count ever falls.
    #[must_use]
    pub fn cumulative(&self) -> Snapshot {
        filled(|snapshot| self.cumulative_into(snapshot))
    }

    /// The samples of the active window so far.
    #[must_use]
    pub fn window(&self) -> Snapshot {
        filled(|snapshot| self.window_into(snapshot))
    }

    /// The samples of the window that the last [`swap_window`](Self::swap_window) closed.
    #[must_use]
    pub fn closed_window(&self) -> Snapshot {
        filled(|snapshot| self.closed_window_into(snapshot))
    }

    /// The samples of the closed and the active window: a view of the recent past that is not empty
    /// just because a window has just been opened.
    #[must_use]
    pub fn recent(&self) -> Snapshot {
        filled(|snapshot| self.recent_into(snapshot))
    }

    /// Adds the samples of [`cumulative`](Self::cumulative) to a snapshot.
    pub fn cumulative_into(&self, snapshot: &mut Snapshot) {
        self.cumulative.add_to(snapshot);
        fence(Acquire); // pairs with the fence in `Totals`
        self.totals.add_cumulative_to(snapshot);
    }

    /// Adds the samples of [`window`](Self::window) to a snapshot.
    pub fn window_into(&self, snapshot: &mut Snapshot) {
        self.windows_into(snapshot, ACTIVE, || ());
    }

    /// Adds the samples of [`closed_window`](Self::closed_window) to a snapshot.
    pub fn closed_window_into(&self, snapshot: &mut Snapshot) {
        self.windows_into(snapshot, CLOSED, || ());
    }

    /// Adds the samples of [`recent`](Self::recent) to a snapshot.
    pub fn recent_into(&self, snapshot: &mut Snapshot) {
        self.windows_into(snapshot, BOTH, || ());
    }

    const fn starting_at(sequence: u64) -> Self {
        Self {
            sequence: AtomicU64::new(sequence),
            totals: Totals::new(),
            windows: WindowCounts::new(),
            cumulative: Counts::new(),
        }
    }

    /// Adds the wanted windows to a snapshot, as they are at one moment.
    ///
    /// `meanwhile` runs in the middle of each attempt. Tests let it do what a writer could do there.
    fn windows_into(&self, snapshot: &mut Snapshot, wanted: Wanted, mut meanwhile: impl FnMut()) {
        let Wanted { active, closed } = wanted;
        let mut view = Snapshot::new();
        for _ in 0..ATTEMPTS {
            view.clear();
            let sequence = self.sequence.load(Acquire); // pairs with the store in `swap_window`
            let before = sequence.wrapping_sub(1);
            if closed {
                self.windows.add_to(&mut view, before);
            }
            meanwhile();
            if active {
                self.windows.add_to(&mut view, sequence);
            }
            fence(Acquire); // pairs with the fence in `Totals`
            if closed {
                self.totals.add_closed_to(&mut view, before);
            }
            if active {
                self.totals.add_active_to(&mut view, sequence);
            }
            fence(Acquire); // pairs with the fence in `swap_window`
            if self.sequence.load(Relaxed) == sequence {
                snapshot.merge(&view);
                return;
            }
        }
        // Tags have kept the samples of other windows out of the counts. Nothing did so for the totals.
        view.estimate_sum();
        view.raise_max_ns(self.totals.max_ns());
        snapshot.merge(&view);
    }
}

#[derive(Clone, Copy)]
struct Wanted {
    active: bool,
    closed: bool,
}

const ACTIVE: Wanted = Wanted { active: true, closed: false };
const CLOSED: Wanted = Wanted { active: false, closed: true };
const BOTH: Wanted = Wanted { active: true, closed: true };

/// A reader needs about a microsecond and windows are open for milliseconds, so the second attempt
/// succeeds. The limit exists so that no writer, however strange, can hold a reader up.
const ATTEMPTS: usize = 8;

// What the documentation promises.
const _: () = assert!(size_of::<LatencyHistogram>() <= 8 << 10);

fn filled(fill: impl FnOnce(&mut Snapshot)) -> Snapshot {
    let mut snapshot = Snapshot::new();
    fill(&mut snapshot);
    snapshot
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LatencyHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LatencyHistogram")
            .field("window_sequence", &self.sequence.load(Relaxed))
            .field("window", &self.window())
            .field("cumulative", &self.cumulative())
            .finish()
    }
}

#[cfg(test)]
#[path = "histogram/tests.rs"] // Said, because the models have this file elsewhere.
mod tests;
