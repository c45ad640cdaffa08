//! Which windows may be believed: pauses of the poller, steps of the clock and stalls of the device
//! are gaps, not news.

use crate::bursts::Bursts;
use crate::window::Window;

/// Windows in a row that may be thrown away; a service that always looks like this is just like
/// this.
const PATIENCE: u32 = 3;

/// Keeps a clock of its own and judges windows.
#[derive(Clone, Debug)]
pub(crate) struct Sanity {
    /// Time the controller has lived through, in nanoseconds. It never steps, whatever the caller's
    /// clock does.
    pub(crate) clock_ns: u64,
    last_ns: Option<u64>,
    rejected: u32,
    /// Windows in a row that were not believed because of a pause.
    paused: u32,
    pub(crate) bursts: Bursts,
    /// Share of the last seconds that was pauses, and until when it is worth an eye on it.
    pauses_lately: f64,
    pauses_until_ns: u64,
    /// Usual length of a pause, in nanoseconds.
    pub(crate) pause_ns: f64,
}

/// A pause is longer than so many median latencies,
const PAUSE_MEDIANS: u64 = 3;
/// and than so many average intervals between completions.
const PAUSE_INTERVALS: u64 = 20;
/// What was paused for more than this part of it is no measurement.
const PAUSED_PART: u64 = 16;
/// What pauses for more of the last seconds than this is worth an eye on it.
const PAUSES_OFTEN: f64 = 0.02;
/// For so long: a queue that is deep enough hides them.
const PAUSES_REMEMBERED_NS: u64 = 20_000_000_000;
const LATELY_NS: f64 = 1e9;
/// Windows have to be so many times as long to hold several bursts.
const BURSTS: u64 = 5;

impl Sanity {
    pub(crate) const fn new() -> Self {
        Self {
            clock_ns: 0,
            last_ns: None,
            rejected: 0,
            paused: 0,
            bursts: Bursts::new(),
            pauses_lately: 0.0,
            pauses_until_ns: 0,
            pause_ns: 0.0,
        }
    }

    /// Whether a window measured at `limit`, closed at `longest_ns` at the latest, may be used.
    pub(crate) fn accepts(&mut self, window: &Window, limit: u32, longest_ns: u64) -> bool {
        let elapsed_ns = window.duration_ns.saturating_add(window.gap_ns);
        self.clock_ns = self.clock_ns.saturating_add(elapsed_ns.min(longest_ns.saturating_mul(4)));
        let stepped = self.last_ns.is_some_and(|last_ns| {
            let tolerance_ns = elapsed_ns / 4 + 1_000_000;
            window.now_ns.wrapping_sub(last_ns.wrapping_add(elapsed_ns)).wrapping_add(tolerance_ns)
                > 2 * tolerance_ns
        });
        self.last_ns = Some(window.now_ns);
        // A window of no length, or of several times the longest asked for, is a clock that stepped
        // or a caller that slept; neither saw the service.
        let absurd = window.duration_ns == 0
            || window.duration_ns > longest_ns.saturating_mul(4)
            || is_nonsense(window);
        let paused = window.gap_ns > window.duration_ns / 20;
        let is_gap = absurd || stepped || paused;
        if !is_gap {
            self.bursts.note(window);
        }
        // Of a service that works in bursts every window looks stalled.
        if is_gap || (!self.bursts.are_the_rule && is_stall(window, limit)) {
            self.rejected += 1;
            let give_in = !absurd && self.rejected > PATIENCE;
            if give_in {
                self.rejected = 0;
            }
            return give_in;
        }
        self.rejected = 0;
        true
    }
}

impl Sanity {
    /// How many times as long as usual a window has to be to say something.
    pub(crate) fn stretch(&self) -> u64 {
        if self.bursts.are_the_rule { BURSTS } else { 1 }
    }

    /// Whether the service pauses time and again.
    pub(crate) fn pauses_often(&self) -> bool {
        self.clock_ns < self.pauses_until_ns
    }

    /// The window as it would have been if the service, or the processor, had not stopped for a moment:
    /// without that time, and without the operations that were in flight meanwhile among the late ones.
    pub(crate) fn without_pause(&mut self, window: &Window, limit: u32) -> Window {
        let interval_ns = window.duration_ns / window.operations.max(1);
        let least_ns = window.latency.p50_ns.saturating_mul(PAUSE_MEDIANS);
        let least_ns = least_ns.max(interval_ns.saturating_mul(PAUSE_INTERVALS));
        let pauses = || window.silences.longer_than(least_ns);
        let paused_ns = pauses().fold(0, u64::saturating_add).min(window.duration_ns);
        let share = paused_ns as f64 / window.duration_ns.max(1) as f64;
        let weight = window.duration_ns as f64 / (window.duration_ns as f64 + LATELY_NS);
        self.pauses_lately += (share - self.pauses_lately) * weight;
        if self.pauses_lately > PAUSES_OFTEN {
            self.pauses_until_ns = self.clock_ns.saturating_add(PAUSES_REMEMBERED_NS);
        }
        for pause_ns in pauses() {
            self.pause_ns += (pause_ns as f64 - self.pause_ns) / 8.0;
        }
        if paused_ns == 0 {
            return *window;
        }
        let waiting = (u64::from(limit) + u64::from(limit) / 4) * pauses().count() as u64;
        let over_target = window.latency.over_target.saturating_sub(waiting);
        // What a service that works in bursts does is throughput on average; that it pauses is no news.
        let taken_ns = if self.bursts.are_the_rule { 0 } else { paused_ns };
        Window {
            duration_ns: (window.duration_ns - taken_ns).max(1),
            latency: crate::window::Latency { over_target, ..window.latency },
            ..*window
        }
    }
}

impl Sanity {
    /// Whether a window tells the service's speed. How much of a pause a service works through, nobody
    /// knows; better measure again, if that does not happen time and again.
    pub(crate) fn is_measured(&mut self, told: &Window, without_pause: &Window) -> bool {
        let paused_ns = told.duration_ns - without_pause.duration_ns;
        let paused = paused_ns > told.duration_ns / PAUSED_PART && self.paused < PATIENCE;
        self.paused = if paused { self.paused + 1 } else { 0 };
        !paused
    }
}

/// Whether the figures contradict each other: a caller's mistake, which must not become a limit.
fn is_nonsense(window: &Window) -> bool {
    let latency = &window.latency;
    !(0.0..1e12).contains(&window.in_flight_avg)
        || latency.over_target > latency.samples
        || latency.samples.max(window.operations) > 1 << 50
}

/// Whether the service stood still for a good part of the window: about one full limit of
/// operations, and no more, took far longer than the median and about equally long.
fn is_stall(window: &Window, limit: u32) -> bool {
    let latency = &window.latency;
    if latency.samples < 32 || latency.max_ns < latency.p50_ns.saturating_mul(10) {
        return false;
    }
    let share = latency.max_ns as f64 / window.duration_ns as f64;
    let in_flight = f64::from(limit).min(window.in_flight_avg.max(1.0) * 1.5);
    if in_flight >= 0.015 * latency.samples as f64 {
        share > 0.25
            && latency.p99_ns > latency.max_ns / 4 * 3
            && in_flight < 0.4 * latency.samples as f64
    } else {
        // Too few to reach the 99th percentile; what they add to the mean counts them.
        let extra_ns = latency.mean_ns.saturating_sub(latency.p50_ns) as f64;
        let stalled = latency.samples as f64 * extra_ns / latency.max_ns as f64;
        share > 0.3 && (0.5..2.0).contains(&(stalled / in_flight))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::{Latency, Silences};

    const LONGEST_NS: u64 = 1_000_000_000;

    fn window(now_ns: u64) -> Window {
        let latency =
            Latency { samples: 800, p50_ns: 400_000, p99_ns: 600_000, ..Latency::default() };
        Window {
            now_ns,
            duration_ns: 8_000_000,
            operations: 800,
            in_flight_avg: 32.0,
            latency: Latency { mean_ns: 410_000, max_ns: 900_000, ..latency },
            ..Window::default()
        }
    }

    #[test]
    fn steps_and_pauses_are_refused_and_the_own_clock_goes_on() {
        let mut sanity = Sanity::new();
        assert!(sanity.accepts(&window(100_000_000), 32, LONGEST_NS));
        assert!(sanity.accepts(&window(108_000_000), 32, LONGEST_NS));
        assert!(!sanity.accepts(&window(3_708_000_000), 32, LONGEST_NS), "clock ran ahead");
        assert!(!sanity.accepts(&window(116_000_000), 32, LONGEST_NS), "clock ran back");
        assert!(sanity.accepts(&window(124_000_000), 32, LONGEST_NS));
        let paused = Window { gap_ns: 50_000_000, ..window(182_000_000) };
        assert!(!sanity.accepts(&paused, 32, LONGEST_NS));
        let stepped = Window { duration_ns: 3_600_000_000_000, ..window(u64::MAX / 2) };
        assert!(!sanity.accepts(&stepped, 32, LONGEST_NS));
        assert!(sanity.clock_ns < 5 * LONGEST_NS);
    }

    #[test]
    fn a_pause_is_taken_out_unless_it_is_the_rule() {
        let mut sanity = Sanity::new();
        let mut paused = window(0);
        paused.silences.note(3_000_000);
        paused.latency.over_target = 45;
        let without = sanity.without_pause(&paused, 32);
        assert_eq!((without.duration_ns, without.latency.over_target), (5_000_000, 5));
        let mut short = Window { silences: Silences::default(), ..paused };
        short.silences.note(200_000);
        assert_eq!(sanity.without_pause(&short, 32), short);
        let mut shortened = |k: u64| {
            paused.now_ns = k * paused.duration_ns;
            sanity.accepts(&paused, 32, LONGEST_NS);
            sanity.without_pause(&paused, 32).duration_ns < paused.duration_ns
        };
        assert!((0..64).filter(|&k| shortened(k)).count() < 32);
        let late = sanity.without_pause(&paused, 32).latency.over_target;
        assert_eq!(late, 5, "what a pause makes late never is the queue's doing");
    }

    #[test]
    fn a_stalled_window_is_refused_but_not_for_ever() {
        let mut sanity = Sanity::new();
        let mut stalled = window(0);
        stalled.duration_ns = 25_000_000;
        (stalled.latency.max_ns, stalled.latency.p99_ns) = (20_000_000, 20_000_000);
        let accepted = (0..8).map(|k| {
            stalled.now_ns = k * 25_000_000;
            sanity.accepts(&stalled, 32, LONGEST_NS)
        });
        assert_eq!(accepted.filter(|&a| a).count(), 2);
    }

    #[test]
    fn bursts_are_no_stalls_once_they_are_the_rule() {
        let mut sanity = Sanity::new();
        let mut burst = window(0);
        (burst.duration_ns, burst.operations) = (100_000_000, 2_000);
        burst.latency.samples = 2_000;
        (burst.latency.max_ns, burst.latency.p99_ns) = (90_000_000, 85_000_000);
        burst.silences.note(80_000_000);
        assert!(is_stall(&burst, 32));
        let mut is_accepted = |k: u64| {
            burst.now_ns = k * burst.duration_ns;
            sanity.accepts(&burst, 32, LONGEST_NS)
        };
        assert!((0..3).filter(|&k| is_accepted(k)).count() <= 1);
        assert!((3..16).all(is_accepted));
    }
}
