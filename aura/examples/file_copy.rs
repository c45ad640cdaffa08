//! Copies a file by one call, and makes the copy durable.
//!
//! ```sh
//! cargo run --release -p aura --example file_copy                     # files of its own
//! cargo run --release -p aura --example file_copy -- SOURCE TARGET
//! ```
//!
//! `async_copy` does the same by hand, `recipe_copy` also looks at the data as they pass.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use aura::{Engine, OpenOptions};
use support::{CopyJob, Outcome};

mod support;

const USAGE: &str = "\
usage: file_copy [SOURCE TARGET] [--driver DRIVER]

Copies SOURCE to TARGET, replacing what is there, and compares the two.
Without arguments it copies 32 MiB of its own.";

fn main() -> ExitCode {
    support::main_with_driver(USAGE, |driver, arguments| {
        let job = CopyJob::from_arguments(arguments)?;
        let engine = Arc::new(Engine::new()?);
        let started = Instant::now();
        let copying = copy(Arc::clone(&engine), job.source.clone(), job.target.clone());
        let bytes = driver.run(&engine, copying)?;
        support::print_rate("copied", bytes, started.elapsed());
        job.verify()
    })
}

/// Copies, and returns when the copy is durable.
async fn copy(engine: Arc<Engine>, source: PathBuf, target: PathBuf) -> Outcome<u64> {
    // Several reads and writes are in flight in here.
    let bytes = aura::fs::copy(&engine, source, &target).await?;
    // The data are with the kernel now. That the device has them takes another call.
    engine.open(target, OpenOptions::new().write(true)).await?.sync_all().await?;
    Ok(bytes)
}
