#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

use std::fmt;

use aura::{Engine, Metrics, MetricsReader};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;

pub use aura_metrics::prometheus::CONTENT_TYPE as TEXT_CONTENT_TYPE;

use aura_metrics::buckets::BOUNDS_NS;
use aura_metrics::{Durations, Family, Point, Type, Value};

/// The metrics of one engine or several, read anew at each scrape.
///
/// ```
/// use aura_prometheus::AuraCollector;
/// use prometheus_client::{encoding::text, registry::Registry};
///
/// let (log, data) = (aura::Engine::new()?, aura::Engine::new()?);
/// let mut registry = Registry::default();
/// let both = AuraCollector::default().engine("log", &log).engine("data", &data);
/// registry.register_collector(Box::new(both));
///
/// let mut page = String::new();
/// text::encode(&mut page, &registry).expect("a string takes everything");
/// assert!(page.contains("aura_ring_spills_total{engine=\"data\"} 0\n"));
/// # Ok::<(), aura::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct AuraCollector {
    sources: Vec<Source>,
}

#[derive(Clone, Debug)]
struct Source {
    /// The value of the label `engine`, if there is one.
    name: Option<String>,
    reader: MetricsReader,
}

impl AuraCollector {
    /// For the only engine of a process.
    #[must_use]
    pub fn of(engine: &Engine) -> Self {
        Self { sources: vec![Source { name: None, reader: engine.metrics_reader() }] }
    }

    /// Adds an engine, told apart by the label `engine`. Names have to differ.
    #[must_use]
    pub fn engine(mut self, name: impl Into<String>, engine: &Engine) -> Self {
        self.sources.push(Source { name: Some(name.into()), reader: engine.metrics_reader() });
        self
    }
}

impl Collector for AuraCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let read = |source: &Source| Some((source.name.clone(), source.reader.read()?));
        let readings: Vec<(Option<String>, Metrics)> =
            self.sources.iter().filter_map(read).collect();
        let mut engines: Vec<_> = readings
            .iter()
            .map(|(name, metrics)| (name.as_deref(), metrics.reading().families().into_iter()))
            .collect();
        // The families of all engines are the same, in the same order; each is announced once.
        loop {
            let next = engines.iter_mut().filter_map(|(name, left)| Some((*name, left.next()?)));
            let same: Vec<(Option<&str>, Family<'_>)> = next.collect();
            let Some((_, first)) = same.first() else { return Ok(()) };
            let (name, kind) = described(first);
            let mut metric = encoder.encode_descriptor(name, first.help, None, kind)?;
            for (engine, family) in &same {
                for point in &family.points {
                    encode_point(&mut metric, *engine, family, point)?;
                }
            }
        }
    }
}

/// Name and type in OpenMetrics, whose encoder adds the suffixes.
fn described(family: &Family<'_>) -> (&'static str, MetricType) {
    let without = |suffix| family.name.strip_suffix(suffix).unwrap_or(family.name);
    match family.kind {
        Type::Counter => (without("_total"), MetricType::Counter),
        Type::Gauge => (family.name, MetricType::Gauge),
        Type::Histogram => (family.name, MetricType::Histogram),
        Type::Info => (without("_info"), MetricType::Info),
    }
}

fn encode_point(
    metric: &mut MetricEncoder<'_>,
    engine: Option<&str>,
    family: &Family<'_>,
    point: &Point<'_>,
) -> fmt::Result {
    let own = point.labels.iter().map(|label| (label.name, label.value.as_str()));
    let labels: Vec<(&str, &str)> =
        engine.map(|name| ("engine", name)).into_iter().chain(own).collect();
    if family.kind == Type::Info {
        return metric.encode_info(&labels);
    }
    let mut metric = metric.encode_family(&labels)?;
    match (family.kind, point.value) {
        (Type::Counter, Value::Integer(count)) => {
            metric.encode_counter::<NoLabels, u64, u64>(&count, None)
        }
        (_, Value::Integer(number)) => metric.encode_gauge(&number),
        (_, Value::Float(number)) => metric.encode_gauge(&number),
        (_, Value::Durations(durations)) => encode_durations(&mut metric, durations),
    }
}

/// Exemplars would have labels; there are none.
type NoLabels = [(&'static str, &'static str); 0];

fn encode_durations(metric: &mut MetricEncoder<'_>, durations: &Durations) -> fmt::Result {
    let seconds = |ns: u64| ns as f64 / 1e9;
    let bounds = BOUNDS_NS.into_iter().map(seconds).chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(durations.counts).collect();
    let sum = seconds(durations.sum_ns);
    metric.encode_histogram::<NoLabels>(sum, durations.count(), &buckets, None)
}
