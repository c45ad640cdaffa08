//! Services that work in bursts: a throttle that lets through ten times a second what a second may have, a
//! processor that is away for a third of the time.

use crate::window::Window;

/// A service that is silent for more of the time than this works in bursts. What it does meanwhile for a deep
/// queue is throughput, and no accident.
const SILENT_MAX: f64 = 0.18;
/// And once it does, for less than this it no longer does.
const SILENT_MIN: f64 = 0.09;
/// Silences it takes for that. One may show twice, as the end of a window and the beginning of another.
const SILENCES_MIN: f64 = 2.2;
/// What is older than this counts less and less, in nanoseconds.
const MEMORY_NS: f64 = 300e6;
/// A silence is longer than so many median latencies, or than this in nanoseconds where they contain it,
const MEDIANS: u64 = 3;
const LONG_NS: u64 = 4_000_000;
/// and than so many average intervals between completions.
const INTERVALS: u64 = 20;
/// Windows of whole bursts end this part of one early, and the first completions of the next burst close them.
const EARLY: f64 = 0.1;

/// How much of the time a service is silent, and how often. All figures fade.
#[derive(Clone, Debug)]
pub(crate) struct Bursts {
    elapsed_ns: f64,
    silent_ns: f64,
    silent_squared: f64,
    silences: f64,
    /// Whether the service works in bursts.
    pub(crate) are_the_rule: bool,
}

impl Bursts {
    pub(crate) const fn new() -> Self {
        Self {
            elapsed_ns: 0.0,
            silent_ns: 0.0,
            silent_squared: 0.0,
            silences: 0.0,
            are_the_rule: false,
        }
    }

    /// Takes a window, be it a measurement or not.
    pub(crate) fn note(&mut self, window: &Window) {
        let duration_ns = window.duration_ns as f64;
        let kept = MEMORY_NS / (MEMORY_NS + duration_ns);
        self.elapsed_ns = self.elapsed_ns * kept + duration_ns;
        self.silent_ns *= kept;
        self.silent_squared *= kept;
        self.silences *= kept;
        let interval_ns = window.duration_ns / window.operations.max(1);
        let least_ns = window.latency.p50_ns.saturating_mul(MEDIANS).min(LONG_NS);
        let least_ns = least_ns.max(interval_ns.saturating_mul(INTERVALS));
        for silence_ns in window.silences.longer_than(least_ns) {
            let silence_ns = silence_ns as f64;
            self.silent_ns += silence_ns;
            self.silent_squared += silence_ns * silence_ns;
            self.silences += 1.0;
        }
        let silent = self.silent_ns / self.elapsed_ns.max(MEMORY_NS);
        self.are_the_rule = match self.are_the_rule {
            true => silent > SILENT_MIN,
            false => silent > SILENT_MAX && self.silences > SILENCES_MIN,
        };
    }

    /// A time for a window of about `duration_ns` that holds whole bursts: half a burst more or less, and it would
    /// tell nothing.
    pub(crate) fn whole(&self, duration_ns: u64) -> u64 {
        if !self.are_the_rule {
            return duration_ns;
        }
        // By length rather than by number: ends that windows cut off hardly count.
        let period_ns = self.elapsed_ns * self.silent_squared / (self.silent_ns * self.silent_ns);
        let bursts = (duration_ns as f64 / period_ns + 0.75) as u64;
        ((bursts.max(1) as f64 - EARLY) * period_ns) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Latency;

    /// A window of so many milliseconds, the last of which are silent.
    fn window(duration_ms: u64, silent_ms: u64) -> Window {
        let latency = Latency { samples: 2_000, p50_ns: 300_000, ..Latency::default() };
        let duration_ns = duration_ms * 1_000_000;
        let mut window = Window { duration_ns, operations: 2_000, latency, ..Window::default() };
        window.silences.note(silent_ms * 1_000_000);
        window
    }

    fn after(windows: impl IntoIterator<Item = Window>) -> Bursts {
        let mut bursts = Bursts::new();
        windows.into_iter().for_each(|window| bursts.note(&window));
        bursts
    }

    #[test]
    fn three_silences_make_a_rule_and_one_long_stall_does_not() {
        assert!(!after([window(100, 75), window(100, 75)]).are_the_rule);
        assert!(after([window(100, 75), window(100, 75), window(100, 75)]).are_the_rule);
        assert!(!after([window(25, 0), window(1_000, 990), window(25, 0)]).are_the_rule);
        let stalls_now_and_then = (0..400).map(|k| window(25, if k % 40 == 0 { 20 } else { 0 }));
        assert!(!after(stalls_now_and_then).are_the_rule);
    }

    #[test]
    fn what_works_evenly_again_is_no_longer_in_bursts() {
        let mut bursts = after((0..20).map(|_| window(100, 75)));
        let windows = (0..100).take_while(|_| {
            bursts.note(&window(20, 0));
            bursts.are_the_rule
        });
        assert!((5..60).contains(&windows.count()));
    }

    #[test]
    fn windows_hold_whole_bursts() {
        let bursts = after((0..20).map(|_| window(100, 75)));
        for (wanted_ms, bursts_wanted) in [(8, 1), (20, 1), (100, 1), (130, 2), (250, 3)] {
            let whole_ms = bursts.whole(wanted_ms * 1_000_000) as f64 / 1e6;
            let early_ms = f64::from(bursts_wanted) * 100.0 - whole_ms;
            assert!((1.0..20.0).contains(&early_ms), "{wanted_ms}: {whole_ms}");
        }
        assert_eq!(Bursts::new().whole(8_000_000), 8_000_000);
        // A part that the end of a window cuts off makes little difference.
        let parts = (0..20).flat_map(|_| [window(95, 70), window(5, 5)]);
        assert!((70e6..100e6).contains(&(after(parts).whole(1) as f64)));
    }
}
