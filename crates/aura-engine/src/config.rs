//! What an engine is made from: validated settings, with the reason when one makes no sense.

use std::time::Duration;

use aura_bufpool::MAX_ALIGNMENT;

use crate::error::{Error, Result};
use crate::handle::MAX_RINGS;

/// How a ring is chosen for a submission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum RingSelect {
    /// The ring of the CPU, unless it is congested and carries much more than its share.
    #[default]
    Adaptive = 0,
    /// The ring of the CPU, always.
    CpuLocal = 1,
    /// One ring after the other.
    RoundRobin = 2,
}

/// Settings of an engine. `None` means "as fits the machine and the other settings".
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Entries of each ring's submission queue, 1 to 32 768, rounded up to a power of two; also
    /// how many operations may be in flight on it. Default 1024.
    pub queue_depth: u32,
    /// Rings, 1 to 1024. Default: one per CPU that the process may run on.
    pub ring_count: Option<u32>,
    /// In-flight limit with which the controller begins its search, or which stays for good if
    /// the controller is off. Default: a quarter of `queue_depth`; without a controller, no limit.
    pub initial_in_flight: Option<u32>,
    /// The controller never goes below. Default 4.
    pub min_in_flight: Option<u32>,
    /// The latency that 99 % of operations shall not exceed. Default: the controller finds the
    /// throughput's knee and takes ten times the undisturbed p99 for a ceiling.
    pub target_p99: Option<Duration>,
    /// Alignment of pool buffers in bytes, a power of two. Default: the page size.
    pub buffer_alignment: Option<usize>,
    /// Leave the limit alone.
    pub disable_adaptive: bool,
    /// Let kernel threads read the submission queues, and sleep after this long without work.
    pub sqpoll_idle: Option<Duration>,
    /// How a ring is chosen.
    pub ring_select: RingSelect,
    /// One thread submits and processes completions: no locks. Enforced.
    pub single_thread: bool,
    /// With `single_thread`: that thread is the one which creates the engine, and which ends it.
    /// Another thread that ends it gives up what is in flight.
    pub thread_bound: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            queue_depth: 1024,
            ring_count: None,
            initial_in_flight: None,
            min_in_flight: None,
            target_p99: None,
            buffer_alignment: None,
            disable_adaptive: false,
            sqpoll_idle: None,
            ring_select: RingSelect::default(),
            single_thread: false,
            thread_bound: false,
        }
    }
}

const MAX_QUEUE_DEPTH: u32 = 32_768;
/// A day. Nobody tunes for more, and a mistaken unit is likely.
const MAX_TARGET: Duration = Duration::from_secs(86_400);

impl Config {
    /// Checks the settings one by one and against each other.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] naming the first setting that makes no sense.
    pub fn validate(&self) -> Result<()> {
        let refuse = |text| Err(Error::Invalid(text));
        if !(1..=MAX_QUEUE_DEPTH).contains(&self.queue_depth) {
            return refuse("queue_depth must be 1 to 32768");
        }
        if self.ring_count.is_some_and(|count| count == 0 || count as usize > MAX_RINGS) {
            return refuse("ring_count must be 1 to 1024, or 0 for one per CPU");
        }
        let depth = 1..=self.queue_depth.next_power_of_two();
        if self.initial_in_flight.is_some_and(|limit| !depth.contains(&limit)) {
            return refuse("initial_in_flight must be 1 to queue_depth");
        }
        if self.min_in_flight.is_some_and(|limit| !depth.contains(&limit)) {
            return refuse("min_in_flight must be 1 to queue_depth");
        }
        if let (Some(initial), Some(min)) = (self.initial_in_flight, self.min_in_flight)
            && initial < min
        {
            return refuse("initial_in_flight must not be below min_in_flight");
        }
        if self.target_p99.is_some_and(|target| target.is_zero() || target > MAX_TARGET) {
            return refuse(
                "max_p99_latency_ms must be above 0 and at most a day, or 0 for automatic",
            );
        }
        let good = |align: usize| align.is_power_of_two() && align <= MAX_ALIGNMENT;
        if self.buffer_alignment.is_some_and(|align| !good(align)) {
            return refuse("buffer_alignment must be a power of two of at most 1 GiB");
        }
        if self.sqpoll_idle.is_some_and(|idle| idle.is_zero() || idle.as_millis() > 86_400_000) {
            return refuse("sqpoll_idle_ms must be above 0 and at most a day");
        }
        if self.thread_bound && !self.single_thread {
            return refuse("thread_bound goes with single_thread");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_nonsense_is_named() {
        let good = Config::default;
        let ms = |ms| Some(Duration::from_millis(ms));
        for (config, word) in [
            (Config { queue_depth: 0, ..good() }, "queue_depth"),
            (Config { queue_depth: 40_000, ..good() }, "queue_depth"),
            (Config { ring_count: Some(0), ..good() }, "ring_count"),
            (Config { ring_count: Some(1025), ..good() }, "ring_count"),
            (Config { initial_in_flight: Some(0), ..good() }, "initial_in_flight"),
            (Config { initial_in_flight: Some(1025), ..good() }, "initial_in_flight"),
            (Config { min_in_flight: Some(0), ..good() }, "min_in_flight"),
            (
                Config { initial_in_flight: Some(3), min_in_flight: Some(4), ..good() },
                "initial_in_flight",
            ),
            (Config { target_p99: ms(0), ..good() }, "max_p99"),
            (Config { target_p99: Some(Duration::MAX), ..good() }, "max_p99"),
            (Config { buffer_alignment: Some(0), ..good() }, "buffer_alignment"),
            (Config { buffer_alignment: Some(4095), ..good() }, "buffer_alignment"),
            (Config { buffer_alignment: Some(1 << 40), ..good() }, "buffer_alignment"),
            (Config { sqpoll_idle: ms(0), ..good() }, "sqpoll_idle"),
        ] {
            let error = config.validate().expect_err(word);
            assert!(error.to_string().contains(word), "{error} should name {word}");
        }
    }

    #[test]
    fn unusual_but_sensible_settings_are_accepted() {
        let config = Config {
            queue_depth: 100, // rounded up
            ring_count: Some(1024),
            initial_in_flight: Some(128),
            min_in_flight: Some(1),
            buffer_alignment: Some(1),
            ..Config::default()
        };
        assert!(config.validate().is_ok());
    }
}
