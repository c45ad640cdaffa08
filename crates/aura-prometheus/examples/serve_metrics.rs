//! An engine at work, and its metrics for Prometheus.
//!
//! ```text
//! serve_metrics                          serves once, to itself, and checks what it serves
//! serve_metrics --listen 127.0.0.1:9464  serves until it is stopped: curl http://127.0.0.1:9464/metrics
//! ```

mod support;

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use aura::{Engine, OpenOptions};
use support::MetricsServer;

const BLOCK_BYTES: usize = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let engine = Engine::new()?;
    match arguments[..] {
        [] => check(&engine),
        ["--listen", address] => {
            let server = MetricsServer::start(&engine, address)?;
            println!("http://{}/metrics", server.address());
            loop {
                work(&engine, 100)?;
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        _ => Err("usage: serve_metrics [--listen ADDRESS]".into()),
    }
}

/// Reads that many blocks of a file.
fn work(engine: &Engine, blocks: u64) -> aura::Result<()> {
    aura::block_on(engine, async {
        let file = engine.open("/proc/self/exe", OpenOptions::new().read(true)).await?;
        for block in 0..blocks {
            let buffer = engine.allocate_buffer(BLOCK_BYTES)?;
            file.read_at(buffer, block * BLOCK_BYTES as u64).await?;
        }
        file.close().await
    })
}

fn check(engine: &Engine) -> Result<(), Box<dyn Error>> {
    let server = MetricsServer::start(engine, "127.0.0.1:0")?;
    work(engine, 10)?;
    let page = get(server.address())?;
    for line in ["aura_io_operations_total{op=\"read\"} 10", "aura_io_errors_total{op=\"read\"} 0"]
    {
        assert!(page.lines().any(|found| found == line), "{line} is missing in\n{page}");
    }
    println!("{} lines of metrics", page.lines().count());
    Ok(())
}

fn get(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
