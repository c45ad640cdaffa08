//! Metrics of an engine to an OpenTelemetry collector.
//!
//! ```text
//! otel_exporter [--dry-run]                        prints what would be sent
//! otel_exporter http://127.0.0.1:4318/v1/metrics   pushes once a second, three times
//! ```

use std::error::Error;
use std::time::Duration;

use aura::{Engine, OpenOptions};
use aura_otel::Exporter;

fn main() -> Result<(), Box<dyn Error>> {
    aura::set_log_handler(|level, message| eprintln!("{level}: {message}"));
    let engine = Engine::new()?;
    aura::block_on(&engine, async {
        let file = engine.open("/proc/self/exe", OpenOptions::new().read(true)).await?;
        file.read_at(engine.allocate_buffer(4096)?, 0).await?;
        file.close().await
    })?;
    let builder = Exporter::builder(&engine).resource_attribute("service.name", "aura-example");
    let endpoint = std::env::args().nth(1).filter(|argument| argument != "--dry-run");
    let Some(endpoint) = endpoint else {
        let request = builder.build()?.request().expect("the engine is there");
        println!("{request:#?}");
        return Ok(());
    };
    let exporter = builder.endpoint(endpoint).interval(Duration::from_secs(1)).build()?;
    let pushing = exporter.start()?;
    while pushing.pushes() < 3 {
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("{} pushes, {} failures", pushing.pushes(), pushing.failures());
    Ok(())
}
