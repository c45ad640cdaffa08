//! Settings of an exporter.

use std::time::Duration;

use aura::{Engine, MetricsReader};
use ureq::http::{HeaderName, HeaderValue, Uri};

use crate::error::BuildError;
use crate::push::Exporter;

/// Where collectors listen.
const ENDPOINT: &str = "http://localhost:4318/v1/metrics";
/// The defaults of OpenTelemetry's own exporters.
const INTERVAL: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(10);

/// Settings of an [`Exporter`].
#[derive(Clone, Debug)]
pub struct Builder {
    reader: MetricsReader,
    endpoint: String,
    headers: Vec<(String, String)>,
    interval: Duration,
    timeout: Duration,
    resource: Vec<(String, String)>,
}

impl Exporter {
    /// An exporter of this engine's metrics. It does not keep the engine alive.
    #[must_use]
    pub fn builder(engine: &Engine) -> Builder {
        Builder {
            reader: engine.metrics_reader(),
            endpoint: ENDPOINT.into(),
            headers: Vec::new(),
            interval: INTERVAL,
            timeout: TIMEOUT,
            resource: vec![("service.name".into(), unknown_service())],
        }
    }
}

impl Builder {
    /// The whole URL to post to; `http://localhost:4318/v1/metrics` unless said otherwise.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = url.into();
        self
    }

    /// A header that each request carries.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Time between two pushes; 60 s unless said otherwise.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// What one push may take, from looking the name up to the end of the answer; 10 s unless said
    /// otherwise.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Says something of what is being measured. The last value given for a key counts;
    /// `service.name` is `unknown_service:` and the program's name unless given.
    #[must_use]
    pub fn resource_attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let key = key.into();
        self.resource.retain(|(known, _)| *known != key);
        self.resource.push((key, value.into()));
        self
    }

    /// The exporter. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`BuildError`] naming the setting that makes no sense.
    pub fn build(self) -> Result<Exporter, BuildError> {
        check_endpoint(&self.endpoint)
            .map_err(|why| BuildError::Endpoint { endpoint: self.endpoint.clone(), why })?;
        for (name, value) in &self.headers {
            let fits = HeaderName::try_from(name).is_ok() && HeaderValue::try_from(value).is_ok();
            if !fits {
                return Err(BuildError::Header { name: name.clone() });
            }
        }
        for (what, duration) in [("interval", self.interval), ("timeout", self.timeout)] {
            if duration.is_zero() {
                return Err(BuildError::Zero { what });
            }
        }
        let Self { reader, endpoint, headers, interval, timeout, resource } = self;
        Ok(Exporter::new(reader, endpoint, headers, interval, timeout, resource))
    }
}

fn check_endpoint(endpoint: &str) -> Result<(), &'static str> {
    let uri = endpoint.parse::<Uri>().map_err(|_| "not a URL; an IPv6 address is in brackets")?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        _ => return Err("not http://host:port/path"),
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err("there is no host in it");
    }
    Ok(())
}

/// What the conventions of OpenTelemetry say for want of a name.
fn unknown_service() -> String {
    let program = std::env::current_exe().ok();
    let name = program.as_deref().and_then(|program| program.file_name());
    name.map_or_else(
        || "unknown_service".into(),
        |name| format!("unknown_service:{}", name.to_string_lossy()),
    )
}
