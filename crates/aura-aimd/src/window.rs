//! What goes in: one window of observations, and when the caller should close the next one.

/// Latencies of the operations *submitted since the last change of limit* that completed within the
/// window. Operations submitted earlier say nothing about the present limit; leave them out.
///
/// Successful data operations only: errors and metadata operations take other paths and would be
/// mistaken for the device's speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Operations counted here. All other fields are meaningless when this is 0.
    pub samples: u64,
    /// How many of them took longer than
    /// [`Controller::target_p99_ns`](crate::Controller::target_p99_ns); 0 while that is `None`.
    /// Counting against the exact threshold beats reading it off a percentile.
    pub over_target: u64,
    /// Median, in nanoseconds.
    pub p50_ns: u64,
    /// 99th percentile, in nanoseconds.
    pub p99_ns: u64,
    /// Mean, in nanoseconds.
    pub mean_ns: u64,
    /// Largest, in nanoseconds.
    pub max_ns: u64,
}

/// One window of observations: everything the controller ever learns about the world.
///
/// Windows follow each other without overlap. A change of limit
/// ([`Decision::limit_changed`](crate::Decision::limit_changed)) begins a new epoch, and the next
/// window begins with it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Window {
    /// Time at the window's end, in nanoseconds of any steady clock.
    pub now_ns: u64,
    /// Length of the window in nanoseconds, without [`gap_ns`](Self::gap_ns).
    pub duration_ns: u64,
    /// Operations completed within the window, of whatever epoch.
    pub operations: u64,
    /// Bytes those operations moved; 0 if operations have no size.
    pub bytes: u64,
    /// Operations in flight, averaged over the window's time.
    pub in_flight_avg: f64,
    /// Most operations in flight at any moment of the window.
    pub in_flight_max: u32,
    /// Submissions that wanted to go out and found the limit reached, once per operation or once
    /// per attempt: only the difference between none, few and many matters.
    pub gated: u64,
    /// Latencies of the present epoch's operations.
    pub latency: Latency,
    /// The longest stretches of the window in which nothing completed although operations were in
    /// flight. A device or a processor that stops for a moment shows here, and is not mistaken for a
    /// slow one.
    pub silences: Silences,
    /// Time taken out of the window because nobody was looking, in nanoseconds: the poller paused,
    /// the machine slept, the clock stepped. A window with a sizeable gap decides nothing.
    pub gap_ns: u64,
}

/// The longest of many stretches of time, in nanoseconds. A device that stands still does so more than
/// once in a long window, so the longest alone would not do.
///
/// ```
/// let mut silences = aura_aimd::Silences::default();
/// [300, 4_000_000, 200, 3_000_000].into_iter().for_each(|ns| silences.note(ns));
/// assert_eq!(silences.longer_than(1_000_000).sum::<u64>(), 7_000_000);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silences {
    /// Longest first; 0 where there were fewer.
    longest_ns: [u64; SILENCES],
}

/// More pauses than that in one window are not accidents.
const SILENCES: usize = 8;

impl Silences {
    /// Keeps a stretch of time if it is one of the longest so far.
    #[inline]
    pub fn note(&mut self, silence_ns: u64) {
        if silence_ns > self.longest_ns[SILENCES - 1] {
            self.insert(silence_ns);
        }
    }

    #[cold]
    fn insert(&mut self, silence_ns: u64) {
        let position = self.longest_ns.partition_point(|&longer_ns| longer_ns >= silence_ns);
        self.longest_ns.copy_within(position..SILENCES - 1, position + 1);
        self.longest_ns[position] = silence_ns;
    }

    /// Those above `least_ns`, longest first.
    pub fn longer_than(&self, least_ns: u64) -> impl Iterator<Item = u64> {
        self.longest_ns.into_iter().take_while(move |&silence_ns| silence_ns > least_ns)
    }
}

impl Window {
    /// Operations per second over the window; 0 for an empty one.
    #[must_use]
    pub fn operations_per_second(&self) -> f64 {
        if self.duration_ns == 0 {
            0.0
        } else {
            self.operations as f64 * 1e9 / self.duration_ns as f64
        }
    }
}

/// When to close the next window: once it has `min_samples` *and* `min_duration_ns`, or at
/// `max_duration_ns` with whatever it has. It changes with every decision, so ask each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowGoal {
    /// [`Latency::samples`] wanted, that is, completions of the present epoch.
    pub min_samples: u64,
    /// Shortest window worth closing, in nanoseconds.
    pub min_duration_ns: u64,
    /// Longest window, in nanoseconds.
    pub max_duration_ns: u64,
}

impl WindowGoal {
    /// Whether a window with so many samples and nanoseconds should be closed now.
    #[inline]
    #[must_use]
    pub const fn is_met(&self, samples: u64, duration_ns: u64) -> bool {
        duration_ns >= self.max_duration_ns
            || (samples >= self.min_samples && duration_ns >= self.min_duration_ns)
    }
}
