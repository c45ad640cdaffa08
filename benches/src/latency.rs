//! Latencies of a few operations out of many, at a cost that does not show.
//!
//! A clock reading takes some 20 ns and an operation needs two, which is more than what the benchmarks
//! look for. One operation in 17 costs 2 to 3 ns on average, and gives the same percentiles. The number
//! is prime, so that samples do not keep step with batches, whose first operations wait longest.

use std::time::Instant;

use hdrhistogram::Histogram;
use serde::Serialize;

/// One operation in so many is timed.
pub const SAMPLE_EVERY: u32 = 17;
/// One minute: longer ones count as this.
const LATENCY_MAX_NS: u64 = 60_000_000_000;
/// Two significant figures: more than repetitions agree on.
const FIGURES: u8 = 2;

/// Latencies of one turn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// The median.
    pub p50_ns: u64,
    /// What one operation in a hundred exceeds.
    pub p99_ns: u64,
}

/// Picks operations to be timed, and keeps their latencies.
#[derive(Clone, Debug)]
pub struct Sampler {
    /// Operations until the next one that is timed.
    left: u32,
    histogram: Histogram<u64>,
}

impl Sampler {
    /// The first operation to be timed is the `phase`-th: samplers that start together differ in it.
    #[must_use]
    pub fn new(phase: u32) -> Self {
        Self { left: phase % SAMPLE_EVERY, histogram: histogram() }
    }

    /// Called where an operation begins: the time, if this one is to be timed.
    #[inline]
    pub fn begin(&mut self) -> Option<Instant> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                None
            }
            None => {
                self.left = SAMPLE_EVERY - 1;
                Some(Instant::now())
            }
        }
    }

    /// Called where that operation has ended. Returns the time, which thereby is known anyway.
    pub fn end(&mut self, begun: Instant) -> Instant {
        let now = Instant::now();
        let nanoseconds = (now - begun).as_nanos().try_into().unwrap_or(u64::MAX);
        self.histogram.saturating_record(nanoseconds);
        now
    }

    /// The latencies so far of all samplers together, which are empty afterwards. `None` for none.
    pub fn take<'a>(samplers: impl IntoIterator<Item = &'a mut Self>) -> Option<Latency> {
        let mut all = histogram();
        for sampler in samplers {
            let one = std::mem::replace(&mut sampler.histogram, histogram());
            all.add(one).expect("all have the same bounds");
        }
        (!all.is_empty()).then(|| Latency {
            p50_ns: all.value_at_quantile(0.5),
            p99_ns: all.value_at_quantile(0.99),
        })
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX_NS, FIGURES)
        .expect("bounds in order, figures below 6")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn one_operation_in_so_many_is_timed_from_its_phase_on() {
        let mut sampler = Sampler::new(SAMPLE_EVERY + 3);
        let timed = (0..3 * SAMPLE_EVERY).filter(|_| sampler.begin().is_some());
        assert_eq!(timed.collect::<Vec<_>>(), [3, 3 + SAMPLE_EVERY, 3 + 2 * SAMPLE_EVERY]);
    }

    #[test]
    fn samplers_are_summed_up_and_emptied() {
        let long_ago = |ms| Instant::now().checked_sub(Duration::from_millis(ms)).expect("booted");
        let mut samplers = [Sampler::new(0), Sampler::new(1)];
        (0..98).for_each(|_| _ = samplers[0].end(long_ago(10)));
        (0..2).for_each(|_| _ = samplers[1].end(long_ago(100)));
        let latency = Sampler::take(&mut samplers).expect("a hundred samples");
        // Two figures, and the moments until `end` looked at the clock.
        assert!((9_900_000..20_000_000).contains(&latency.p50_ns), "{latency:?}");
        assert!((99_000_000..150_000_000).contains(&latency.p99_ns), "{latency:?}");
        assert_eq!(Sampler::take(&mut samplers), None);
    }
}
