//! The time stamp counter of x86-64, as a clock.
//!
//! It is used while the kernel itself uses it (`clocksource0` is `tsc`): then it runs at one rate,
//! on all CPUs alike. Its rate is found by comparing it with `CLOCK_MONOTONIC` over longer and longer
//! times: 10 ms to begin with, which makes an error of a few millionths; then a second; then 30. After
//! that it drifts from the kernel's clock by no more than that clock is being slewed.
//!
//! Each second it is compared again. If it differs by a hundredth (a machine was suspended, or moved to
//! another host), the kernel is asked from then on.
//!
//! Readings are not ordered with the instructions around them: a reading may be some ten nanoseconds
//! too early.
//!
//! This file is `unsafe` because the counter is read by an instruction.
//!
//! # Synchronization
//!
//! The rates are written once each, under a mutex, and then announced in `CURRENT` (release/acquire).

use std::arch::x86_64::_rdtsc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::kernel_ns;
use crate::log::say;

/// Over what time each of the rates is measured.
const BASELINES_NS: [u64; 3] = [10_000_000, 1_000_000_000, 30_000_000_000];
/// How often the counter is compared with the kernel's clock.
const COMPARE_EVERY_NS: u64 = 1_000_000_000;
/// Reading both clocks takes no longer than this, or a comparison is worthless.
const TIGHT_NS: u64 = 2_000;

/// Which of the rates holds, plus one; 0 while the kernel has to be asked.
static CURRENT: AtomicUsize = AtomicUsize::new(0);
static RATES: [Rate; BASELINES_NS.len()] = [const { Rate::unknown() }; BASELINES_NS.len()];
static STATE: Mutex<State> = Mutex::new(State::Fresh);

/// Where the counter was at what time, and its rate.
struct Rate {
    ticks: AtomicU64,
    ns: AtomicU64,
    /// Nanoseconds per tick, times 2³².
    scale: AtomicU64,
}

enum State {
    /// Nobody has asked.
    Fresh,
    /// There are `rates` rates. The first comparison was `start`, the last `last`.
    Measuring { start: Moment, last: Moment, rates: usize },
    /// The counter is no clock here.
    Unusable,
}

/// Both clocks at the same time.
#[derive(Clone, Copy)]
struct Moment {
    ticks: u64,
    ns: u64,
}

impl Rate {
    const fn unknown() -> Self {
        Self { ticks: AtomicU64::new(0), ns: AtomicU64::new(0), scale: AtomicU64::new(0) }
    }
}

/// Now, if the counter's rate is known.
#[inline]
pub(super) fn now_ns() -> Option<u64> {
    let current = CURRENT.load(Ordering::Acquire).checked_sub(1)?;
    Some(RATES[current].ns_at(ticks()))
}

/// See [`super::look_after`].
pub(super) fn look_after() -> u64 {
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    match (&mut *state, Moment::now()) {
        (State::Unusable, _) => COMPARE_EVERY_NS,
        (_, None) => BASELINES_NS[0],
        (State::Fresh, Some(now)) => {
            *state = if is_kernels_clock() && may_be_read() {
                State::Measuring { start: now, last: now, rates: 0 }
            } else {
                State::Unusable
            };
            BASELINES_NS[0]
        }
        (State::Measuring { start, last, rates }, Some(now)) => {
            if *rates > 0 && !RATES[*rates - 1].agrees(*last, now) {
                CURRENT.store(0, Ordering::Release);
                *state = State::Unusable;
                say!(
                    Warning,
                    "the CPU's time stamp counter went wrong; asking the kernel for the time"
                );
                return COMPARE_EVERY_NS;
            }
            *last = now;
            if let Some(baseline_ns) = BASELINES_NS.get(*rates)
                && now.ns.saturating_sub(start.ns) >= *baseline_ns
            {
                RATES[*rates].set(*start, now);
                *rates += 1;
                CURRENT.store(*rates, Ordering::Release);
            }
            if *rates == 0 { BASELINES_NS[0] } else { COMPARE_EVERY_NS }
        }
    }
}

impl Rate {
    #[inline]
    fn ns_at(&self, ticks: u64) -> u64 {
        // Another CPU's counter may be some ticks behind.
        let since = ticks.saturating_sub(self.ticks.load(Ordering::Relaxed));
        self.ns.load(Ordering::Relaxed) + self.to_ns(since)
    }

    #[inline]
    fn to_ns(&self, ticks: u64) -> u64 {
        let scale = u128::from(self.scale.load(Ordering::Relaxed));
        ((u128::from(ticks) * scale) >> 32) as u64
    }

    /// Takes what was observed.
    fn set(&self, start: Moment, now: Moment) {
        let ticks = now.ticks.wrapping_sub(start.ticks).max(1);
        let scale = (u128::from(now.ns - start.ns) << 32) / u128::from(ticks);
        self.scale.store(scale as u64, Ordering::Relaxed);
        self.ticks.store(now.ticks, Ordering::Relaxed);
        self.ns.store(now.ns, Ordering::Relaxed);
    }

    /// Whether both clocks say the same of the time between two moments.
    fn agrees(&self, last: Moment, now: Moment) -> bool {
        let kernel_ns = now.ns.saturating_sub(last.ns);
        let counter_ns = self.to_ns(now.ticks.saturating_sub(last.ticks));
        kernel_ns.abs_diff(counter_ns) <= kernel_ns / 100 + 2 * TIGHT_NS
    }
}

impl Moment {
    /// The best of several tries; `None` if this thread was interrupted every time.
    fn now() -> Option<Self> {
        let tries = (0..5).map(|_| {
            let before_ns = kernel_ns();
            let ticks = ticks();
            let after_ns = kernel_ns();
            (after_ns - before_ns, Self { ticks, ns: before_ns.midpoint(after_ns) })
        });
        let (took_ns, moment) = tries.min_by_key(|(took_ns, _)| *took_ns)?;
        (took_ns <= TIGHT_NS).then_some(moment)
    }
}

#[inline]
fn ticks() -> u64 {
    // SAFETY: every x86-64 has the instruction; who forbade it was asked first (`may_be_read`).
    unsafe { _rdtsc() }
}

/// Whether the kernel keeps its own time by the counter.
fn is_kernels_clock() -> bool {
    const CURRENT: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    std::fs::read_to_string(CURRENT).is_ok_and(|name| name.trim() == "tsc")
}

/// Whether this process may read it: a sandbox can make that a fatal signal.
fn may_be_read() -> bool {
    let mut mode: libc::c_int = 0;
    // SAFETY: the kernel writes an integer.
    let asked = unsafe { libc::prctl(libc::PR_GET_TSC, &raw mut mode) };
    asked == 0 && mode == libc::PR_TSC_ENABLE
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn it_agrees_with_the_kernels_clock_once_it_is_known() {
        if !(is_kernels_clock() && may_be_read()) {
            eprintln!("SKIPPED: the kernel does not keep its time by the counter here");
            return;
        }
        let begun = Instant::now();
        while now_ns().is_none() && begun.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_nanos(look_after()));
        }
        for _ in 0..1000 {
            let (before_ns, now_ns, after_ns) =
                (kernel_ns(), now_ns().expect("known"), kernel_ns());
            // 10 ms told the rate to a few millionths; a test runs for less than a minute.
            let slack_ns = 1_000_000;
            assert!(before_ns <= now_ns + slack_ns && now_ns <= after_ns + slack_ns);
        }
    }

    #[test]
    fn a_rate_is_what_was_observed_and_a_jump_is_noticed() {
        let rate = Rate::unknown();
        let (start, now) = (Moment { ticks: 500, ns: 1_000 }, Moment { ticks: 3_500, ns: 2_000 });
        rate.set(start, now);
        assert_eq!(rate.ns_at(3_500), 2_000);
        assert!(rate.ns_at(3_500 + 3_000_000).abs_diff(2_000 + 1_000_000) <= 1);
        assert_eq!(rate.ns_at(3_000), 2_000, "never before the moment it was measured");
        let later = Moment { ticks: 3_500 + 3_000_000_000, ns: 2_000 + 1_000_000_000 };
        assert!(rate.agrees(now, later));
        let resumed = Moment { ns: later.ns + 50_000_000, ..later };
        assert!(!rate.agrees(now, resumed), "the counter stood still for 50 ms");
        let reset = Moment { ticks: 17, ..later };
        assert!(!rate.agrees(now, reset));
    }
}
