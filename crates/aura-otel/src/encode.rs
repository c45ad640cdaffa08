//! A reading as the messages of the protocol.

use aura_metrics::buckets::BOUNDS_NS;
use aura_metrics::{Durations, Family, Label, Metrics, Point, SCHEMA_VERSION, Type, Value};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// Everything of one engine, with what is being measured.
pub(crate) fn request(
    metrics: &Metrics,
    resource: &[(String, String)],
) -> ExportMetricsServiceRequest {
    let own = [
        ("telemetry.sdk.name", "aura"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.version", metrics.version),
        ("aura.metrics.schema.version", SCHEMA_VERSION),
    ];
    // What the user says counts, also where it is said otherwise here.
    let own = own.into_iter().filter(|(key, _)| resource.iter().all(|(given, _)| given != key));
    let own = own.map(|(key, value)| attribute(key, value));
    let given = resource.iter().map(|(key, value)| attribute(key, value));
    let families = metrics.families();
    let scope = ScopeMetrics {
        scope: Some(InstrumentationScope {
            name: "aura".into(),
            version: metrics.version.into(),
            ..Default::default()
        }),
        metrics: families.iter().filter_map(|family| metric(metrics, family)).collect(),
        ..Default::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource {
                attributes: given.chain(own).collect(),
                ..Default::default()
            }),
            scope_metrics: vec![scope],
            ..Default::default()
        }],
    }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = any_value::Value::StringValue(value.into());
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

fn attributes(labels: &[Label]) -> Vec<KeyValue> {
    labels.iter().map(|label| attribute(label.otel_name, &label.value)).collect()
}

/// A family as a metric, or `None` where it is the resource's business.
fn metric(metrics: &Metrics, family: &Family<'_>) -> Option<Metric> {
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    let numbers = || family.points.iter().filter_map(|point| number(metrics, point)).collect();
    let data = match family.kind {
        Type::Counter => {
            Data::Sum(Sum { data_points: numbers(), aggregation_temporality, is_monotonic: true })
        }
        Type::Gauge | Type::Info => Data::Gauge(Gauge { data_points: numbers() }),
        Type::Histogram => {
            let points = family.points.iter().filter_map(|point| histogram(metrics, point));
            Data::Histogram(Histogram { data_points: points.collect(), aggregation_temporality })
        }
    };
    Some(Metric {
        name: family.otel_name?.into(),
        description: family.help.into(),
        unit: family.otel_unit.into(),
        data: Some(data),
        ..Default::default()
    })
}

fn number(metrics: &Metrics, point: &Point<'_>) -> Option<NumberDataPoint> {
    let value = match point.value {
        Value::Integer(number) => Number::AsInt(i64::try_from(number).unwrap_or(i64::MAX)),
        Value::Float(number) => Number::AsDouble(number),
        Value::Durations(_) => return None,
    };
    Some(NumberDataPoint {
        attributes: attributes(&point.labels),
        start_time_unix_nano: metrics.started_unix_ns,
        time_unix_nano: metrics.taken_unix_ns,
        value: Some(value),
        ..Default::default()
    })
}

fn histogram(metrics: &Metrics, point: &Point<'_>) -> Option<HistogramDataPoint> {
    let Value::Durations(durations) = point.value else { return None };
    let Durations { counts, sum_ns } = durations;
    let seconds = |ns: u64| ns as f64 / 1e9;
    Some(HistogramDataPoint {
        attributes: attributes(&point.labels),
        start_time_unix_nano: metrics.started_unix_ns,
        time_unix_nano: metrics.taken_unix_ns,
        count: durations.count(),
        sum: Some(seconds(*sum_ns)),
        bucket_counts: counts.to_vec(),
        explicit_bounds: BOUNDS_NS.map(seconds).to_vec(),
        ..Default::default()
    })
}
