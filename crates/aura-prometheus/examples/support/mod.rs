//! A small HTTP server for `/metrics`, in the format that the scraper asks for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use aura_prometheus::{AuraCollector, TEXT_CONTENT_TYPE};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use tiny_http::{Header, Request, Response, Server};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves until it is dropped.
pub(crate) struct MetricsServer {
    server: Arc<Server>,
    thread: Option<JoinHandle<()>>,
}

impl MetricsServer {
    /// Serves the metrics of an engine at an address; port 0 takes any that is free.
    pub(crate) fn start(engine: &aura::Engine, address: &str) -> io::Result<Self> {
        let server = Arc::new(Server::http(address).map_err(io::Error::other)?);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(AuraCollector::of(engine)));
        let (listening, reader) = (Arc::clone(&server), engine.metrics_reader());
        let thread = std::thread::spawn(move || {
            for request in listening.incoming_requests() {
                if let Err(error) = answer(request, &registry, &reader) {
                    eprintln!("a scraper went away: {error}");
                }
            }
        });
        Ok(Self { server, thread: Some(thread) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.server_addr().to_ip().expect("it listens on TCP")
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.server.unblock();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server's thread does not panic");
        }
    }
}

fn answer(request: Request, registry: &Registry, reader: &aura::MetricsReader) -> io::Result<()> {
    if request.url() != "/metrics" {
        return request.respond(Response::from_string("try /metrics\n").with_status_code(404));
    }
    let accepts = request.headers().iter().find(|header| header.field.equiv("Accept"));
    let (page, kind) = if accepts.is_some_and(|a| a.value.as_str().contains("openmetrics-text")) {
        let mut page = String::new();
        text::encode(&mut page, registry).map_err(io::Error::other)?;
        (page, OPENMETRICS)
    } else {
        (
            reader.read().map_or_else(String::new, |metrics| metrics.to_prometheus()),
            TEXT_CONTENT_TYPE,
        )
    };
    let kind = Header::from_bytes("Content-Type", kind).expect("a plain header");
    request.respond(Response::from_string(page).with_header(kind))
}
