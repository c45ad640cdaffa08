//! Pushing: once, or again and again on a thread of its own.
//!
//! # Synchronization
//!
//! The thread sleeps on a channel whose sender is the handle's: dropping that wakes it, for a last push.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use aura::{LogLevel, MetricsReader, log_emit};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use prost::Message;
use ureq::Agent;

use crate::encode;
use crate::error::PushError;

/// No collector has so much to say.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Pushes the metrics of an engine. Made by [`Exporter::builder`].
#[derive(Debug)]
pub struct Exporter {
    reader: MetricsReader,
    endpoint: String,
    headers: Vec<(String, String)>,
    interval: Duration,
    timeout: Duration,
    resource: Vec<(String, String)>,
    agent: Agent,
}

impl Exporter {
    pub(crate) fn new(
        reader: MetricsReader,
        endpoint: String,
        headers: Vec<(String, String)>,
        interval: Duration,
        timeout: Duration,
        resource: Vec<(String, String)>,
    ) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0) // A collector that has moved is for its user to know.
            .max_redirects_will_error(false)
            .build()
            .into();
        Self { reader, endpoint, headers, interval, timeout, resource, agent }
    }

    /// What would be pushed now; `None` when the engine is gone.
    #[must_use]
    pub fn request(&self) -> Option<ExportMetricsServiceRequest> {
        Some(encode::request(self.reader.read()?.reading(), &self.resource))
    }

    /// Pushes once, and waits for the answer: not for the thread that processes completions.
    ///
    /// # Errors
    ///
    /// [`PushError`], after the time limit at the latest.
    pub fn push(&self) -> Result<(), PushError> {
        let body = self.request().ok_or(PushError::EngineGone)?.encode_to_vec();
        let mut post = self.agent.post(&self.endpoint).content_type("application/x-protobuf");
        for (name, value) in &self.headers {
            post = post.header(name, value);
        }
        let mut answer = post.send(&body[..]).map_err(|error| self.failure(error))?;
        let status = answer.status().as_u16();
        if !(200..300).contains(&status) {
            return Err(PushError::Refused(status));
        }
        let said = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let said = said.map_err(|error| self.failure(error))?;
        let said = ExportMetricsServiceResponse::decode(&said[..])
            .map_err(|error| PushError::NotACollector(error.to_string()))?;
        match said.partial_success {
            Some(partly) if partly.rejected_data_points > 0 => Err(PushError::Rejected {
                points: partly.rejected_data_points,
                message: partly.error_message,
            }),
            _ => Ok(()),
        }
    }

    /// Pushes at every interval, on a thread of its own, until the handle is dropped or the engine is
    /// gone.
    ///
    /// # Errors
    ///
    /// That of starting a thread.
    pub fn start(self) -> io::Result<Pushing> {
        let counts = Arc::new(Counts::default());
        let (stop, stopped) = mpsc::channel::<()>();
        let counted = Arc::clone(&counts);
        let thread = std::thread::Builder::new().name("aura-otel".into()).spawn(move || {
            let mut last = Ok(());
            loop {
                let is_over = stopped.recv_timeout(self.interval) != Err(RecvTimeoutError::Timeout);
                let result = self.push();
                if result == Err(PushError::EngineGone) {
                    return;
                }
                counted.note(&result);
                self.tell_changes(&last, &result);
                last = result;
                if is_over {
                    return;
                }
            }
        })?;
        Ok(Pushing { counts, stop: Some(stop), thread: Some(thread) })
    }

    fn tell_changes(&self, last: &Result<(), PushError>, now: &Result<(), PushError>) {
        let endpoint = &self.endpoint;
        match now {
            now if now == last => {}
            Err(error) => {
                let message = format!("pushing metrics to {endpoint}: {error}");
                log_emit(LogLevel::Warning, &message);
            }
            Ok(()) => {
                log_emit(LogLevel::Notice, &format!("pushing metrics to {endpoint} works again"));
            }
        }
    }

    fn failure(&self, error: ureq::Error) -> PushError {
        match error {
            ureq::Error::Timeout(_) => PushError::TimedOut(self.timeout),
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                PushError::TimedOut(self.timeout)
            }
            ureq::Error::Io(error) => PushError::Unreachable(error.to_string()),
            ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => {
                PushError::Unreachable(error.to_string())
            }
            ureq::Error::TlsRequired => PushError::NoTls,
            other => PushError::NotACollector(other.to_string()),
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    pushes: AtomicU64,
    failures: AtomicU64,
}

impl Counts {
    fn note(&self, result: &Result<(), PushError>) {
        self.pushes.fetch_add(1, Ordering::Relaxed);
        self.failures.fetch_add(u64::from(result.is_err()), Ordering::Relaxed);
    }
}

/// Metrics are being pushed as long as this is there. Dropping it pushes a last time and waits for that.
#[derive(Debug)]
pub struct Pushing {
    counts: Arc<Counts>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Pushing {
    /// Pushes that were tried.
    #[must_use]
    pub fn pushes(&self) -> u64 {
        self.counts.pushes.load(Ordering::Relaxed)
    }

    /// Pushes that failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.counts.failures.load(Ordering::Relaxed)
    }
}

impl Drop for Pushing {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // It does not panic; if it did, that was said already.
        }
    }
}
