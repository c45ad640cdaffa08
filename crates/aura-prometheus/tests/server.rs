//! A real Prometheus scrapes what is served, and answers with the numbers of the engine.

#[path = "../examples/support/mod.rs"]
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aura::{Engine, Options};
use aura_metrics::{Family, Type, Value as Number};
use serde_json::Value;
use support::MetricsServer;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn both_forms_of_the_page_are_valid_and_prometheus_answers_with_the_engines_numbers() {
    let engine = worked_engine();
    let server = MetricsServer::start(&engine, "127.0.0.1:0").unwrap();
    let address = server.address().to_string();
    promtool_has_no_complaint(&get(&address, "/metrics"));
    assert!(get(&address, "/elsewhere").contains("try /metrics"));

    let c = CExporter::start();
    if let Some(c) = &c {
        promtool_has_no_complaint(&get(&c.address, "/metrics"));
    }
    let targets: Vec<_> = [("rust", address.as_str())]
        .into_iter()
        .chain(c.iter().map(|c| ("c", c.address.as_str())))
        .collect();
    let Some(prometheus) = Prometheus::start(&targets) else { return };
    // The engine rests, so that what was scraped is what it says now.
    let metrics = engine.metrics();
    for family in metrics.reading().families() {
        for (query, number) in samples(&family, "rust") {
            assert_eq!(prometheus.value(&query), number, "{query}");
        }
    }
    the_dashboard_asks_what_prometheus_answers(&prometheus);
    if let Some(c) = &c {
        // This one is at work: what was scraped lies between before and after.
        let name = "aura_io_operations_total{op=\"read\"}";
        let reads = || line_value(&get(&c.address, "/metrics"), name);
        let before = reads();
        let query = "aura_io_operations_total{job=\"c\",op=\"read\"}";
        let scraped = prometheus.value_above(query, before);
        let after = reads();
        assert!((before..=after).contains(&scraped), "{before} {scraped} {after}");
        for family in metrics.reading().families() {
            let suffix = if family.kind == Type::Histogram { "_count" } else { "" };
            prometheus.value(&format!("count({}{suffix}{{job=\"c\"}})", family.name));
        }
    }
}

/// Every query of the dashboard is understood, and those that have to give an answer.
fn the_dashboard_asks_what_prometheus_answers(prometheus: &Prometheus) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/grafana/aura.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mut queries = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "5s");
            let query =
                query.replace("$job", "rust").replace("$instance", ".*").replace("$op", "read");
            assert!(!query.contains('$'), "{query}");
            // Comparisons leave out what did not happen; a rate needs two scrapes.
            let answer = || prometheus.answer(&format!("count({query}) or vector(0)"));
            let least = if query.contains("> 0") { 0.0 } else { 1.0 };
            let began = Instant::now();
            while answer().and_then(|answer| answer.first().copied()).is_none_or(|n| n < least) {
                assert!(began.elapsed() < LONG, "{}: {query}", panel["title"]);
                std::thread::sleep(Duration::from_millis(200));
            }
            queries += 1;
        }
    }
    assert!(queries > 10, "{queries} queries");
}

/// An engine that has read, written and failed, on two rings.
fn worked_engine() -> Engine {
    let options = Options::new().ring_count(2).max_p99_latency_ms(7.5);
    let engine = Engine::with_options(&options).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    aura::block_on(&engine, async {
        let options = aura::OpenOptions::new().read(true).write(true);
        let file = engine.open(file.path(), options).await?;
        for block in 0..20 {
            let buffer = engine.allocate_buffer(4096)?;
            let (_, buffer) = file.write_at(buffer, block * 4096).await?;
            file.read_at(buffer, block * 4096).await?;
        }
        assert!(engine.open("/no/such/file", aura::OpenOptions::new().read(true)).await.is_err());
        file.close().await
    })
    .unwrap();
    engine
}

/// Queries for a job's points of this family, and the numbers that they should give.
fn samples(family: &Family<'_>, job: &str) -> Vec<(String, f64)> {
    let (name, mut samples) = (family.name, Vec::new());
    for point in &family.points {
        let labels =
            point.labels.iter().map(|label| format!(",{}=\"{}\"", label.name, label.value));
        let labels: String = labels.collect();
        let mut sample = |suffix: &str, bound: &str, number| {
            samples.push((format!("{name}{suffix}{{job=\"{job}\"{labels}{bound}}}"), number));
        };
        match point.value {
            Number::Integer(number) => sample("", "", number as f64),
            Number::Float(number) => sample("", "", number),
            Number::Durations(durations) => {
                sample("_count", "", durations.count() as f64);
                sample("_sum", "", durations.sum_ns as f64 / 1e9);
                let (_, below) = durations.cumulative().nth(9).unwrap();
                sample("_bucket", ",le=\"0.001\"", below as f64);
            }
        }
    }
    assert!(!samples.is_empty() && (family.kind != Type::Histogram || samples.len() >= 6));
    samples
}

fn promtool_has_no_complaint(answer: &str) {
    let page = answer.split_once("\r\n\r\n").expect("an HTTP answer").1;
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = match command.spawn() {
        Ok(promtool) => promtool,
        Err(error) => {
            return eprintln!("SKIP: no promtool here ({error}): apt-get install prometheus");
        }
    };
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn line_value(page: &str, name: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(name)).expect("is on the page");
    line.trim().parse().expect("a number")
}

/// The example in C, where it was built.
struct CExporter {
    process: Child,
    address: String,
}

impl CExporter {
    fn start() -> Option<Self> {
        let Some(program) = std::env::var_os("AURA_C_EXPORTER") else {
            eprintln!("SKIP: the C program is not built here: cargo xtask library servers");
            return None;
        };
        let mut command = Command::new(program);
        let mut process = command.arg("0").stdout(Stdio::piped()).spawn().expect("it was built");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().trim_start_matches("http://").trim_end_matches("/metrics").into();
        Some(Self { process, address })
    }
}

impl Drop for CExporter {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Prometheus {
    process: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// Starts one that scrapes these jobs every second, and waits until it has scraped each.
    fn start(targets: &[(&str, &str)]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let conf = folder.path().join("prometheus.yml");
        let jobs = targets.iter().map(|(job, address)| {
            format!("  - job_name: {job}\n    static_configs: [{{targets: ['{address}']}}]\n")
        });
        let head = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n";
        fs::write(&conf, head.to_owned() + &jobs.collect::<String>()).unwrap();
        // Free now; should another take it meanwhile, Prometheus says so and ends.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let option = |name: &str, value: &Path| format!("--{name}={}", value.display());
        let mut command = Command::new("prometheus");
        command.arg(option("config.file", &conf));
        command.arg(option("storage.tsdb.path", &folder.path().join("data")));
        command.arg(format!("--web.listen-address={address}")).arg("--log.level=warn");
        let process = match command.spawn() {
            Ok(process) => process,
            Err(error) => {
                eprintln!("SKIP: no prometheus here ({error}): apt-get install prometheus");
                return None;
            }
        };
        let prometheus = Self { process, address, _folder: folder };
        let began = Instant::now();
        for (job, _) in targets {
            while prometheus.query(&format!("up{{job=\"{job}\"}}")) != Some(1.0) {
                assert!(began.elapsed() < LONG, "{job} was never scraped");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        Some(prometheus)
    }

    /// The numbers that answer a query; nothing is different before the server listens.
    fn answer(&self, query: &str) -> Option<Vec<f64>> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(LONG)).ok()?;
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let head = format!("GET /api/v1/query?query={encoded} HTTP/1.0\r\n\r\n");
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let answer: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
        assert!(answer["error"].is_null(), "{query}: {answer}");
        let number = |result: &Value| result["value"][1].as_str()?.parse().ok();
        answer["data"]["result"].as_array()?.iter().map(number).collect()
    }

    /// The one number that answers a query, if there is one.
    fn query(&self, query: &str) -> Option<f64> {
        let numbers = self.answer(query)?;
        assert!(numbers.len() <= 1, "{query}: {numbers:?}");
        numbers.first().copied()
    }

    fn value(&self, query: &str) -> f64 {
        self.query(query).unwrap_or_else(|| panic!("{query}: no answer"))
    }

    /// The answer when it has come to be that much.
    fn value_above(&self, query: &str, least: f64) -> f64 {
        let began = Instant::now();
        loop {
            match self.value(query) {
                value if value >= least => return value,
                value => assert!(began.elapsed() < LONG, "{query} stays at {value}"),
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
