//! What monitoring systems are told: counters that never fall, histograms, the controller's decisions.

use std::fmt;
use std::sync::Weak;
use std::time::Duration;

use aura_engine::aura_metrics;

/// Everything that is exported, as it was at one moment; made by
/// [`Engine::metrics`](crate::Engine::metrics). Counters begin with the engine and are never reset.
///
/// The crates `aura-prometheus` and `aura-otel` hand it to monitoring systems.
///
/// ```
/// let engine = aura::Engine::new()?;
/// let file = std::fs::File::open("/proc/self/exe").unwrap();
/// engine.fdatasync(std::os::fd::AsRawFd::as_raw_fd(&file), |_| ())?;
/// engine.drain(-1)?;
///
/// let metrics = engine.metrics();
/// let syncs = metrics.operation("fdatasync").unwrap();
/// assert_eq!((syncs.count(), syncs.errors()), (1, 0));
/// assert!(metrics.to_prometheus().contains("aura_io_operations_total{op=\"fdatasync\"} 1\n"));
/// # Ok::<(), aura::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Metrics {
    inner: aura_metrics::Metrics,
}

/// Operations of one kind, failed ones included.
#[derive(Clone, Copy, Debug)]
pub struct OperationMetrics<'a> {
    inner: &'a aura_metrics::Operations,
}

/// One decision of the controller: when, what, and why.
#[derive(Clone, Copy, Debug)]
pub struct Decision {
    inner: aura_engine::DecisionRecord,
    created_ns: u64,
}

/// Reads the metrics of an engine as long as that lives, without keeping it alive; for exporters. Made
/// by [`Engine::metrics_reader`](crate::Engine::metrics_reader).
///
/// ```
/// let engine = aura::Engine::new()?;
/// let reader = engine.metrics_reader();
/// assert!(reader.read().is_some());
/// drop(engine);
/// assert!(reader.read().is_none());
/// # Ok::<(), aura::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MetricsReader {
    engine: Weak<aura_engine::Engine>,
}

impl Metrics {
    pub(crate) fn new(inner: aura_metrics::Metrics) -> Self {
        Self { inner }
    }

    /// One entry for each kind of operation there is.
    pub fn operations(&self) -> impl Iterator<Item = OperationMetrics<'_>> {
        self.inner.operations.iter().map(|inner| OperationMetrics { inner })
    }

    /// Operations of one kind: `"read"`, `"write"`, `"readv"`, `"writev"`, `"read_fixed"`,
    /// `"write_fixed"`, `"fsync"`, `"fdatasync"`, `"openat"`, `"close"`, `"statx"`, `"fallocate"`,
    /// `"ftruncate"`, `"sync_file_range"` or `"nop"`.
    #[must_use]
    pub fn operation(&self, kind: &str) -> Option<OperationMetrics<'_>> {
        self.operations().find(|operations| operations.kind() == kind)
    }

    /// Bytes read.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.inner.read_bytes
    }

    /// Bytes written.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.inner.written_bytes
    }

    /// Operations that the kernel has, on all rings.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.inner.rings.iter().map(|ring| ring.in_flight).sum()
    }

    /// What the controller keeps 99 % of reads and writes under: the target that was set, else its own
    /// guard; `None` without adaptive tuning.
    #[must_use]
    pub fn latency_target(&self) -> Option<Duration> {
        self.inner.latency_target_ns.map(Duration::from_nanos)
    }

    /// The controller's phase, in capitals.
    #[must_use]
    pub fn phase(&self) -> &'static str {
        self.inner.phase
    }

    /// How often the limit was raised, and how often it was lowered.
    #[must_use]
    pub fn adjustments(&self) -> (u64, u64) {
        let total = |direction| {
            let of_direction = self.inner.adjustments.iter().filter(|a| a.direction == direction);
            of_direction.map(|adjustment| adjustment.count).sum()
        };
        (total("up"), total("down"))
    }

    /// As text for Prometheus (format 0.0.4).
    #[must_use]
    pub fn to_prometheus(&self) -> String {
        rendered(|out| aura_metrics::prometheus::render(&self.inner, out))
    }

    /// As the body of an OTLP/HTTP request for metrics, in JSON.
    #[must_use]
    pub fn to_otlp_json(&self) -> String {
        rendered(|out| aura_metrics::otlp_json::render(&self.inner, out))
    }

    /// For Aura's own exporters.
    #[doc(hidden)]
    #[must_use]
    pub fn reading(&self) -> &aura_metrics::Metrics {
        &self.inner
    }
}

fn rendered(render: impl FnOnce(&mut String) -> fmt::Result) -> String {
    let mut text = String::with_capacity(16 << 10);
    render(&mut text).expect("a string takes everything");
    text
}

impl OperationMetrics<'_> {
    /// The kind, in lower case.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.inner.kind
    }

    /// How many have completed.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.inner.durations.count()
    }

    /// How many of them failed, cancelled ones included.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.inner.errors
    }

    /// How long all of them took together, each from being given to the kernel until its completion was
    /// taken.
    #[must_use]
    pub fn duration_sum(&self) -> Duration {
        Duration::from_nanos(self.inner.durations.sum_ns)
    }

    /// How many took no longer than each of the fixed bounds, 1 µs to 10 s.
    pub fn durations(&self) -> impl Iterator<Item = (Duration, u64)> {
        let cumulative = self.inner.durations.cumulative();
        cumulative.map(|(bound_ns, count)| (Duration::from_nanos(bound_ns), count))
    }
}

impl Decision {
    pub(crate) fn new(inner: aura_engine::DecisionRecord, created_ns: u64) -> Self {
        Self { inner, created_ns }
    }

    /// When, since the engine was created.
    #[must_use]
    pub fn at(&self) -> Duration {
        Duration::from_nanos(self.inner.at_ns.saturating_sub(self.created_ns))
    }

    /// The in-flight limit before.
    #[must_use]
    pub fn limit_before(&self) -> u32 {
        self.inner.limit_before
    }

    /// The in-flight limit from then on.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.inner.limit
    }

    /// The phase from then on, in capitals.
    #[must_use]
    pub fn phase(&self) -> &'static str {
        aura_engine::Phase::from_i32(self.inner.phase).map_or("UNKNOWN", |phase| phase.name())
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.inner.reason
    }

    /// What was in flight on average in the window that led to it.
    #[must_use]
    pub fn in_flight(&self) -> f64 {
        self.inner.in_flight
    }

    /// What 99 % of the reads and writes of that window did not exceed; zero without any.
    #[must_use]
    pub fn p99(&self) -> Duration {
        Duration::from_nanos(self.inner.p99_ns)
    }
}

/// As in the log.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl MetricsReader {
    pub(crate) fn new(engine: Weak<aura_engine::Engine>) -> Self {
        Self { engine }
    }

    /// The metrics as they are now; `None` when the engine is gone.
    #[must_use]
    pub fn read(&self) -> Option<Metrics> {
        self.engine.upgrade().map(|engine| Metrics::new(engine.metrics()))
    }
}
