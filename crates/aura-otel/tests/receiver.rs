//! What a receiver made from the official messages sees; and collectors that are not as they should be.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use aura::{Engine, Options};
use aura_otel::proto::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use aura_otel::proto::common::v1::{KeyValue, any_value};
use aura_otel::proto::metrics::v1::{Metric, NumberDataPoint, metric, number_data_point};
use aura_otel::{BuildError, Exporter, PushError};
use prost::Message;
use tiny_http::{Response, Server};

const LONG: Duration = Duration::from_secs(60);

fn engine() -> Engine {
    let engine =
        Engine::with_options(&Options::new().ring_count(2).max_p99_latency_ms(2.0)).unwrap();
    aura::block_on(&engine, async {
        let file = engine.open("/proc/self/exe", aura::OpenOptions::new().read(true)).await?;
        for block in 0..5 {
            file.read_at(engine.allocate_buffer(4096)?, block * 4096).await?;
        }
        assert!(engine.open("/no/such/file", aura::OpenOptions::new().read(true)).await.is_err());
        file.close().await
    })
    .unwrap();
    engine
}

fn exporter_to(engine: &Engine, endpoint: &str, timeout: Duration) -> Exporter {
    Exporter::builder(engine).endpoint(endpoint).timeout(timeout).build().unwrap()
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key).expect(key);
    match found.value.as_ref().unwrap().value.as_ref().unwrap() {
        any_value::Value::StringValue(text) => text.clone(),
        other => panic!("{key} is {other:?}"),
    }
}

fn numbers(metric: &Metric) -> &[NumberDataPoint] {
    match metric.data.as_ref().unwrap() {
        metric::Data::Sum(sum) => {
            assert_eq!(
                (sum.aggregation_temporality, sum.is_monotonic),
                (2, true),
                "{}",
                metric.name
            );
            &sum.data_points
        }
        metric::Data::Gauge(gauge) => &gauge.data_points,
        other => panic!("{} is {other:?}", metric.name),
    }
}

fn integer(metric: &Metric, label: &str, value: &str) -> i64 {
    let points = numbers(metric).iter();
    let point = points.clone().find(|point| text(&point.attributes, label) == value).expect(value);
    match point.value {
        Some(number_data_point::Value::AsInt(number)) => number,
        other => panic!("{value} is {other:?}"),
    }
}

#[test]
fn a_receiver_decodes_every_field() {
    let server = Server::http("[::1]:0").or_else(|_| Server::http("127.0.0.1:0")).unwrap();
    let engine = engine();
    let exporter = Exporter::builder(&engine)
        .endpoint(format!("http://{}/v1/metrics", server.server_addr()))
        .header("authorization", "Bearer ü".replace('ü', "secret"))
        .resource_attribute("service.name", "a \"quoted\" ü name")
        .resource_attribute("host.name", "here")
        .timeout(LONG)
        .build()
        .unwrap();
    let (request, headers) = std::thread::scope(|scope| {
        let received = scope.spawn(|| {
            let mut request = server.recv().unwrap();
            let headers = format!("{} {} {:?}", request.method(), request.url(), request.headers());
            let mut body = Vec::new();
            request.as_reader().read_to_end(&mut body).unwrap();
            request.respond(Response::empty(200)).unwrap();
            (ExportMetricsServiceRequest::decode(&body[..]).expect("of the protocol"), headers)
        });
        exporter.push().unwrap();
        received.join().unwrap()
    });
    for part in ["POST /v1/metrics", "application/x-protobuf", "Bearer secret"] {
        assert!(headers.contains(part), "{headers}");
    }

    let [of_resource] = &request.resource_metrics[..] else { panic!("one resource") };
    let resource = &of_resource.resource.as_ref().unwrap().attributes;
    assert_eq!(text(resource, "service.name"), "a \"quoted\" ü name");
    assert_eq!(text(resource, "host.name"), "here");
    assert_eq!(text(resource, "telemetry.sdk.version"), aura::version());
    let [scope] = &of_resource.scope_metrics[..] else { panic!("one scope") };
    assert_eq!(scope.scope.as_ref().unwrap().name, "aura");
    let metric = |name: &str| scope.metrics.iter().find(|m| m.name == name).expect(name);

    assert_eq!(integer(metric("aura.io.operations"), "op", "read"), 5);
    assert_eq!(metric("aura.io.operations").unit, "{operation}");
    assert_eq!(integer(metric("aura.io.errors"), "op", "openat"), 1);
    assert_eq!(integer(metric("aura.io.bytes"), "disk.io.direction", "read"), 5 * 4096);
    assert_eq!(metric("aura.io.bytes").unit, "By");
    assert_eq!(integer(metric("aura.inflight"), "ring", "1"), 0);
    assert!(integer(metric("aura.inflight_limit"), "ring", "0") > 0);
    let target = numbers(metric("aura.latency_target"))[0].value;
    assert_eq!(target, Some(number_data_point::Value::AsDouble(0.002)));
    assert_eq!(integer(metric("aura.controller.adjustments"), "reason", "plateau"), 0);
    assert_eq!(integer(metric("aura.controller.phase"), "phase", engine.metrics().phase()), 1);
    for name in ["aura.ring.spills", "aura.bufferpool.bytes", "aura.engine.fatal_errno"] {
        assert_eq!(numbers(metric(name)).len(), 1, "{name}");
    }
    let points = scope.metrics.iter().filter(|m| m.name != "aura.io.duration").flat_map(numbers);
    let times: Vec<_> = points.map(|p| (p.start_time_unix_nano, p.time_unix_nano)).collect();
    assert!(times.iter().all(|time| *time == times[0] && time.0 > 1 << 60 && time.0 < time.1));

    let duration = metric("aura.io.duration");
    let Some(metric::Data::Histogram(histogram)) = &duration.data else { panic!("{duration:?}") };
    assert_eq!((histogram.aggregation_temporality, duration.unit.as_str()), (2, "s"));
    let mut points = histogram.data_points.iter();
    let reads = points.find(|point| text(&point.attributes, "op") == "read").unwrap();
    assert_eq!((reads.count, reads.bucket_counts.iter().sum::<u64>()), (5, 5));
    assert_eq!((reads.explicit_bounds.len(), reads.bucket_counts.len()), (22, 23));
    assert_eq!((reads.explicit_bounds[0], reads.explicit_bounds[21]), (1e-6, 10.0));
    let sum = engine.metrics().operation("read").unwrap().duration_sum().as_secs_f64();
    assert_eq!(reads.sum, Some(sum));
}

/// The JSON of the C library, and of `Metrics::to_otlp_json`, is the same request.
#[test]
fn the_json_form_is_the_same_request() {
    let engine = engine();
    let metrics = engine.metrics();
    let json: ExportMetricsServiceRequest =
        serde_json::from_str(&metrics.to_otlp_json()).expect("the protocol's JSON");
    let ours = exporter_to(&engine, "http://localhost", LONG).request().unwrap();
    let scope = |request: &ExportMetricsServiceRequest| {
        let mut metrics = request.resource_metrics[0].scope_metrics[0].metrics.clone();
        // The two were read at different times.
        for metric in &mut metrics {
            match metric.data.as_mut().unwrap() {
                metric::Data::Sum(sum) => {
                    sum.data_points.iter_mut().for_each(|p| p.time_unix_nano = 0)
                }
                metric::Data::Gauge(gauge) => {
                    gauge.data_points.iter_mut().for_each(|p| p.time_unix_nano = 0);
                }
                metric::Data::Histogram(histogram) => {
                    histogram.data_points.iter_mut().for_each(|p| p.time_unix_nano = 0);
                }
                other => panic!("{other:?}"),
            }
        }
        metrics
    };
    assert_eq!(scope(&json), scope(&ours));
}

/// The outcome of a push to a server that does this with its connection.
fn pushed(
    timeout: Duration,
    serve: impl FnOnce(TcpStream) + Send + 'static,
) -> Result<(), PushError> {
    let engine = Engine::with_options(&Options::new().ring_count(1)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/v1/metrics", listener.local_addr().unwrap());
    std::thread::spawn(move || serve(listener.accept().unwrap().0));
    exporter_to(&engine, &endpoint, timeout).push()
}

/// Reads the request and answers with this.
fn answering(answer: Vec<u8>) -> impl FnOnce(TcpStream) + Send + 'static {
    move |mut stream| {
        let (mut request, mut some) = (Vec::new(), [0; 4096]);
        let is_whole = |request: &[u8]| {
            let text = String::from_utf8_lossy(request);
            let head = text.find("\r\n\r\n").map(|at| at + 4);
            let length = text.to_lowercase().find("content-length: ").map(|at| at + 16);
            head.zip(length).is_some_and(|(head, length)| {
                let digits = text[length..].split("\r\n").next().unwrap();
                request.len() >= head + digits.parse::<usize>().unwrap()
            })
        };
        while !is_whole(&request) {
            match stream.read(&mut some).unwrap() {
                0 => break,
                count => request.extend_from_slice(&some[..count]),
            }
        }
        let _ = stream.write_all(&answer);
    }
}

fn http(status: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nLocation: http://[::1]/\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[test]
fn refusals_are_told_with_their_status() {
    for (status, code) in [("404 Not Found", 404), ("503 Later", 503), ("302 Elsewhere", 302)] {
        let outcome = pushed(LONG, answering(http(status, b"")));
        assert_eq!(outcome, Err(PushError::Refused(code)));
    }
}

#[test]
fn points_that_were_rejected_are_an_error() {
    let partly =
        ExportMetricsPartialSuccess { rejected_data_points: 7, error_message: "too many".into() };
    let answer = ExportMetricsServiceResponse { partial_success: Some(partly) };
    let outcome = pushed(LONG, answering(http("200 OK", &answer.encode_to_vec())));
    let rejected = PushError::Rejected { points: 7, message: "too many".into() };
    assert_eq!(outcome, Err(rejected));
}

#[test]
fn garbage_is_no_collector() {
    for garbage in [b"SSH-2.0-OpenSSH_9\r\n".to_vec(), http("200 OK", b"<html>welcome</html>")] {
        let outcome = pushed(LONG, answering(garbage));
        assert!(matches!(outcome, Err(PushError::NotACollector(_))), "{outcome:?}");
    }
}

#[test]
fn silence_costs_the_time_limit_and_no_more() {
    let (began, timeout) = (Instant::now(), Duration::from_millis(200));
    let outcome = pushed(timeout, |stream| {
        std::thread::sleep(LONG); // The test is over before.
        drop(stream);
    });
    assert_eq!(outcome, Err(PushError::TimedOut(timeout)));
    assert!(began.elapsed() < LONG / 2);
}

#[test]
fn nobody_there_is_unreachable_and_counted_and_logged_once() {
    let engine = engine();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (sender, messages) = std::sync::mpsc::channel();
    let endpoint = format!("http://{free}/mark");
    let mark = endpoint.clone();
    aura::set_log_handler(move |_, message| {
        if message.contains(&mark) {
            let _ = sender.send(message.to_owned());
        }
    });
    let builder = Exporter::builder(&engine).endpoint(endpoint).interval(Duration::from_millis(5));
    let exporter = builder.build().unwrap();
    assert!(matches!(exporter.push(), Err(PushError::Unreachable(_))));
    let pushing = exporter.start().unwrap();
    while pushing.pushes() < 5 {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(pushing.failures() >= 5, "each of them");
    // The engine goes on, and is not kept.
    aura::block_on(&engine, async { engine.open("/", aura::OpenOptions::new().read(true)).await })
        .unwrap();
    drop(engine);
    drop(pushing);
    aura::clear_log_handler();
    assert_eq!(messages.try_iter().count(), 1);
}

#[test]
fn what_is_left_is_pushed_when_the_handle_is_dropped() {
    let server = Server::http("127.0.0.1:0").unwrap();
    let engine = engine();
    let endpoint = format!("http://{}", server.server_addr());
    let pushing = exporter_to(&engine, &endpoint, LONG).start().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| server.recv().unwrap().respond(Response::empty(200)).unwrap());
        drop(pushing); // Long before the interval has passed.
    });
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let engine = Engine::with_options(&Options::new().ring_count(1)).unwrap();
    let new = || Exporter::builder(&engine);
    for endpoint in
        ["", "localhost:4318", "ftp://host/", "http://", "http://::1:4318/", "http://a b/"]
    {
        let error = new().endpoint(endpoint).build().unwrap_err();
        assert!(matches!(error, BuildError::Endpoint { .. }), "{endpoint}: {error}");
    }
    for (name, value) in [("a b", "c"), ("", "c"), ("a", "b\r\nEvil: 1")] {
        let error = new().header(name, value).build().unwrap_err();
        assert_eq!(error, BuildError::Header { name: name.into() });
    }
    assert_eq!(
        new().interval(Duration::ZERO).build().unwrap_err(),
        BuildError::Zero { what: "interval" }
    );
    assert_eq!(
        new().timeout(Duration::ZERO).build().unwrap_err(),
        BuildError::Zero { what: "timeout" }
    );
    let somebody = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://{}/", somebody.local_addr().unwrap());
    assert_eq!(new().endpoint(endpoint).build().unwrap().push(), Err(PushError::NoTls));
}
