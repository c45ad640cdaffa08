//! Settings of an engine.

use std::time::Duration;

use aura_engine::Config;

use crate::error::{Error, Result};

/// How a ring is chosen for a submission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RingSelect {
    /// The ring of the CPU that submits, as long as it is not congested. When it is (above 75 % of
    /// its limit) and carries more than twice the average of all rings, the lighter of two others
    /// picked at random. Best for most programs.
    #[default]
    Adaptive,
    /// The ring of the CPU that submits, always. For programs where crossing NUMA nodes costs
    /// more than waiting.
    CpuLocal,
    /// One ring after the other. For few threads that want all rings.
    RoundRobin,
}

/// Settings of an engine; every one has a default that fits.
///
/// Values are checked when the engine is created, and one that makes no sense is named in the
/// error.
///
/// ```
/// use aura::{Engine, Options};
///
/// let engine = Engine::with_options(&Options::new().queue_depth(512).ring_count(2))?;
/// assert_eq!(engine.ring_count(), 2);
///
/// let error = Engine::with_options(&Options::new().queue_depth(-1)).unwrap_err();
/// assert!(error.to_string().contains("queue_depth"));
/// # Ok::<(), aura::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Options {
    queue_depth: i32,
    ring_count: i32,
    initial_in_flight: Option<i32>,
    min_in_flight: Option<i32>,
    max_p99_latency_ms: f64,
    buffer_alignment: Option<usize>,
    disable_adaptive: bool,
    enable_sqpoll: bool,
    sqpoll_idle_ms: i32,
    ring_select: RingSelect,
    single_thread: bool,
    thread_bound: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            queue_depth: 1024,
            ring_count: 0,
            initial_in_flight: None,
            min_in_flight: None,
            max_p99_latency_ms: 0.0,
            buffer_alignment: None,
            disable_adaptive: false,
            enable_sqpoll: false,
            sqpoll_idle_ms: 1000,
            ring_select: RingSelect::Adaptive,
            single_thread: false,
            thread_bound: false,
        }
    }

    /// Entries of each ring's queue, and the most operations in flight on it: 1 to 32 768, rounded
    /// up to a power of two. Default 1024.
    pub fn queue_depth(mut self, depth: i32) -> Self {
        self.queue_depth = depth;
        self
    }

    /// Number of rings, 1 to 1024; 0 (the default) is one per CPU that the process may run on, or
    /// fewer if `RLIMIT_MEMLOCK` has no room for so many (the log says so).
    pub fn ring_count(mut self, count: i32) -> Self {
        self.ring_count = count;
        self
    }

    /// The in-flight limit with which the search begins, 1 to `queue_depth`; by default a quarter
    /// of that. Before the search there is no limit but `queue_depth`: the controller first watches
    /// without interfering (phase PASSTHROUGH), and begins when the load asks for it. With [`disable_adaptive`](Self::disable_adaptive) it is the limit for good, and
    /// there is none unless it is given.
    pub fn initial_in_flight(mut self, limit: i32) -> Self {
        self.initial_in_flight = Some(limit);
        self
    }

    /// The controller never sets the limit below this, 1 to `queue_depth`. Default 4.
    pub fn min_in_flight(mut self, limit: i32) -> Self {
        self.min_in_flight = Some(limit);
        self
    }

    /// The latency in milliseconds that 99 % of reads and writes shall stay under. At 0 (the
    /// default) the controller looks for the best throughput, and steps back only from latencies
    /// of ten times the undisturbed p99. The first burst of a heavy load is measured before it is
    /// limited; `queue_depth` bounds it.
    pub fn max_p99_latency_ms(mut self, latency: f64) -> Self {
        self.max_p99_latency_ms = latency;
        self
    }

    /// Alignment of the pool's buffers in bytes, a power of two. Default: the page size, which is
    /// enough for `O_DIRECT`.
    pub fn buffer_alignment(mut self, alignment: usize) -> Self {
        self.buffer_alignment = Some(alignment);
        self
    }

    /// Leaves the in-flight limit alone.
    pub fn disable_adaptive(mut self, disable: bool) -> Self {
        self.disable_adaptive = disable;
        self
    }

    /// Lets a kernel thread per ring read the queue, so that submitting needs no system call. It
    /// takes a CPU each while there is work. If the kernel refuses, the engine works without it
    /// and says so in the log.
    pub fn enable_sqpoll(mut self, enable: bool) -> Self {
        self.enable_sqpoll = enable;
        self
    }

    /// How long those kernel threads stay awake without work, in milliseconds. Default 1000.
    pub fn sqpoll_idle_ms(mut self, timeout: i32) -> Self {
        self.sqpoll_idle_ms = timeout;
        self
    }

    /// How a ring is chosen for a submission. Default [`RingSelect::Adaptive`].
    pub fn ring_select(mut self, mode: RingSelect) -> Self {
        self.ring_select = mode;
        self
    }

    /// One thread does everything: submits, registers, processes completions. The engine then needs
    /// no locks. It is held to it: the first thread to do any of that becomes the owner, and the
    /// calls of other threads fail with [`Error::InvalidArgument`]. Cancelling,
    /// [`Engine::stop`](crate::Engine::stop) and questions stay open to all.
    pub fn single_thread(mut self, enable: bool) -> Self {
        self.single_thread = enable;
        self
    }

    /// With [`single_thread`](Self::single_thread): that thread is the one which creates the engine, and which drops
    /// it. With one ring the kernel is told so (`IORING_SETUP_DEFER_TASKRUN`, from Linux 6.1): it then never
    /// interrupts that thread for a completion, which pays at small depths and with buffered writes (see
    /// `docs/performance.md`). Completions are seen only when that thread polls or waits.
    ///
    /// Dropped by another thread the engine cannot reach what is in flight: that memory is given up, and those callbacks
    /// are never called, which the log says. With nothing in flight any thread may drop it.
    ///
    /// ```
    /// use aura::{Engine, Options};
    ///
    /// let engine = Engine::with_options(&Options::new().single_thread(true).thread_bound(true).ring_count(1))?;
    /// let elsewhere = std::thread::scope(|scope| scope.spawn(|| engine.poll()).join().unwrap());
    /// assert!(elsewhere.is_err());
    /// # Ok::<(), aura::Error>(())
    /// ```
    pub fn thread_bound(mut self, enable: bool) -> Self {
        self.thread_bound = enable;
        self
    }

    /// The same settings as the engine takes them.
    pub(crate) fn to_config(&self) -> Result<Config> {
        let limit = |limit: Option<i32>, text| match limit {
            None => Ok(None),
            Some(limit) => u32::try_from(limit).map(Some).map_err(|_| Error::InvalidArgument(text)),
        };
        let count =
            |count: i32, text| u32::try_from(count).map_err(|_| Error::InvalidArgument(text));
        let rings = count(self.ring_count, "ring_count must be 1 to 1024, or 0 for one per CPU")?;
        let idle_ms = count(self.sqpoll_idle_ms, "sqpoll_idle_ms must not be negative")?;
        if idle_ms == 0 {
            return Err(Error::InvalidArgument("sqpoll_idle_ms must be above 0"));
        }
        Ok(Config {
            queue_depth: count(self.queue_depth, "queue_depth must be 1 to 32768")?,
            ring_count: (rings > 0).then_some(rings),
            initial_in_flight: limit(
                self.initial_in_flight,
                "initial_in_flight must be 1 to queue_depth",
            )?,
            min_in_flight: limit(self.min_in_flight, "min_in_flight must be 1 to queue_depth")?,
            target_p99: target(self.max_p99_latency_ms)?,
            buffer_alignment: self.buffer_alignment,
            disable_adaptive: self.disable_adaptive,
            sqpoll_idle: self.enable_sqpoll.then(|| Duration::from_millis(idle_ms.into())),
            ring_select: match self.ring_select {
                RingSelect::Adaptive => aura_engine::RingSelect::Adaptive,
                RingSelect::CpuLocal => aura_engine::RingSelect::CpuLocal,
                RingSelect::RoundRobin => aura_engine::RingSelect::RoundRobin,
            },
            single_thread: self.single_thread,
            thread_bound: self.thread_bound,
        })
    }
}

/// A latency target in milliseconds; 0 is none.
pub(crate) fn target(latency_ms: f64) -> Result<Option<Duration>> {
    if latency_ms == 0.0 {
        return Ok(None);
    }
    let target = Duration::try_from_secs_f64(latency_ms / 1e3).ok();
    let sensible = target.filter(|t| !t.is_zero() && *t <= Duration::from_secs(86_400));
    sensible.map(Some).ok_or(Error::InvalidArgument(
        "max_p99_latency_ms must be above 0 and at most a day, or 0 for automatic",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_make_no_sense_are_named() {
        for (options, word) in [
            (Options::new().queue_depth(-1), "queue_depth"),
            (Options::new().queue_depth(0), "queue_depth"),
            (Options::new().queue_depth(i32::MAX), "queue_depth"),
            (Options::new().ring_count(-1), "ring_count"),
            (Options::new().ring_count(i32::MAX), "ring_count"),
            (Options::new().initial_in_flight(-1), "initial_in_flight"),
            (Options::new().initial_in_flight(0), "initial_in_flight"),
            (Options::new().initial_in_flight(i32::MAX), "initial_in_flight"),
            (Options::new().min_in_flight(0), "min_in_flight"),
            (Options::new().min_in_flight(i32::MIN), "min_in_flight"),
            (Options::new().max_p99_latency_ms(-1.0), "max_p99_latency_ms"),
            (Options::new().max_p99_latency_ms(f64::NAN), "max_p99_latency_ms"),
            (Options::new().max_p99_latency_ms(f64::INFINITY), "max_p99_latency_ms"),
            (Options::new().max_p99_latency_ms(1e300), "max_p99_latency_ms"),
            (Options::new().buffer_alignment(0), "buffer_alignment"),
            (Options::new().buffer_alignment(3), "buffer_alignment"),
            (Options::new().buffer_alignment(usize::MAX), "buffer_alignment"),
            (Options::new().sqpoll_idle_ms(0), "sqpoll_idle_ms"),
            (Options::new().sqpoll_idle_ms(-7), "sqpoll_idle_ms"),
        ] {
            let checked = options.to_config().and_then(|c| c.validate().map_err(Error::of_call));
            match checked {
                Err(Error::InvalidArgument(text)) => assert!(text.contains(word), "{text}"),
                other => panic!("{word}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_engine() {
        assert_eq!(Options::default().to_config().unwrap(), Config::default());
    }
}
