//! Reads one file from its beginning to its end, and prints what the engine says about it.
//!
//! ```sh
//! cargo run --release -p aura --example simple_read            # reads a file of its own
//! cargo run --release -p aura --example simple_read -- FILE
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use aura::{Engine, OpenOptions};
use support::Outcome;

mod support;

const USAGE: &str = "\
usage: simple_read [FILE] [--driver DRIVER]

Reads FILE, one piece after the other, and prints the engine's statistics.
Without FILE it reads 8 MiB of its own and checks them.";

const PIECE_BYTES: usize = 128 << 10;

fn main() -> ExitCode {
    support::main_with_driver(USAGE, |driver, arguments| {
        let folder = tempfile::tempdir()?;
        let (path, is_sample) = match arguments {
            [] => (folder.path().join("sample"), true),
            [path] => (PathBuf::from(path), false),
            _ => return Err("it takes one file; try --help".into()),
        };
        if is_sample {
            support::make_sample(&path, 8 << 20)?;
        }
        let engine = Arc::new(Engine::new()?);
        let reading = simple_read(Arc::clone(&engine), path.clone(), is_sample);
        driver.run(&engine, reading).map_err(|failure| failure.about(&path))?;
        print_statistics(&engine)?;
        Ok(())
    })
}

async fn simple_read(engine: Arc<Engine>, path: PathBuf, is_sample: bool) -> Outcome {
    let file = engine.open(&path, OpenOptions::new().read(true)).await?;
    let mut buffer = engine.allocate_buffer(PIECE_BYTES)?;
    let mut position = 0;
    loop {
        let bytes;
        (bytes, buffer) = file.read_at(buffer, position).await?;
        if bytes == 0 {
            break; // The end. A piece that was merely short is none.
        }
        if is_sample && !support::is_intact(&buffer.as_slice()[..bytes], position) {
            return Err(format!("wrong data in the {bytes} bytes at {position}").into());
        }
        position += bytes as u64;
    }
    println!("read {position} bytes of {}", path.display());
    // A file that others write to may be longer by now, but ours must have been read as a whole.
    let complete = !is_sample || position == file.metadata().await?.len();
    if complete { Ok(()) } else { Err("the end came too early".into()) }
}

fn print_statistics(engine: &Engine) -> aura::Result<()> {
    let stats = engine.stats()?;
    println!("operations     {} ({} failed)", stats.ops_completed(), stats.ops_failed());
    println!("bytes          {}", stats.bytes_transferred());
    println!("in flight      {} at most", stats.peak_in_flight());
    println!("in-flight limit {}", stats.optimal_in_flight());

    // Each CPU has a ring. A thread uses that of the CPU it runs on, so most are idle here.
    for index in 0..engine.ring_count() {
        let (ring, latencies) = (engine.ring_stats(index)?, engine.histogram(index)?);
        if ring.ops_completed() == 0 {
            continue;
        }
        print!("ring {index:<3} {} operations, {}", ring.ops_completed(), ring.aimd_phase_name());
        for percentile in [50.0, 99.0, 99.9] {
            if let Some(latency_ms) = latencies.percentile(percentile) {
                print!(", p{percentile} {latency_ms:.3} ms");
            }
        }
        println!();
    }

    let pool = engine.buffer_stats()?;
    println!("buffers        {} of {} bytes", pool.total_buffers(), pool.total_allocated_bytes());
    Ok(())
}
