//! Reads one file from its beginning to its end, and prints what the engine says about it.
//!
//! ```sh
//! cargo run --release -p aura --example simple_read            # reads a file of its own
//! cargo run --release -p aura --example simple_read -- FILE
//! ```
//!
//! `unsafe`, because the compiler cannot see that a buffer outlives its read.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;

use aura::{Buffer, Engine};
use support::Outcome;

mod support;

const USAGE: &str = "\
usage: simple_read [FILE]

Reads FILE, one piece after the other, and prints the engine's statistics.
Without FILE it reads 8 MiB of its own and checks them.";

const PIECE_BYTES: usize = 128 << 10;

fn main() -> ExitCode {
    support::main(USAGE, simple_read)
}

fn simple_read(arguments: &[OsString]) -> Outcome {
    let folder = tempfile::tempdir()?;
    let (path, is_sample) = match arguments {
        [] => (folder.path().join("sample"), true),
        [path] => (PathBuf::from(path), false),
        _ => return Err("it takes one file; try --help".into()),
    };
    if is_sample {
        support::make_sample(&path, 8 << 20)?;
    }

    // Declared before the engine, so closed after it: the descriptor stays good for every read.
    let file = support::open(&path)?;
    let engine = Engine::new()?;
    let mut buffer = engine.allocate_buffer(PIECE_BYTES)?;
    let mut position = 0;
    loop {
        let result;
        (result, buffer) = read_at(&engine, &file, buffer, position)?;
        // The call above failed to submit; this one says how the read went.
        let bytes = result.map_err(|error| format!("{}: {error}", path.display()))?;
        if bytes == 0 {
            break; // The end. A piece that was merely short is none.
        }
        if is_sample && !support::is_intact(&buffer.as_slice()[..bytes], position) {
            return Err(format!("wrong data in the {bytes} bytes at {position}").into());
        }
        position += bytes as u64;
    }

    println!("read {position} bytes of {}", path.display());
    print_statistics(&engine)?;
    // A file that others write to may be longer by now, but ours must have been read as a whole.
    let complete = !is_sample || position == file.metadata()?.len();
    if complete { Ok(()) } else { Err("the end came too early".into()) }
}

/// Reads at `offset` and waits for it. The buffer goes in and comes back.
fn read_at(
    engine: &Engine,
    file: &File,
    buffer: Buffer,
    offset: u64,
) -> aura::Result<(aura::Result<usize>, Buffer)> {
    let (memory, len) = (buffer.to_ref(), buffer.len());
    let (sender, completions) = mpsc::channel();
    // SAFETY: the callback owns the buffer. So it lives until the callback runs, and nobody else
    // can touch it before the callback sends it back.
    unsafe {
        engine.read(file.as_raw_fd(), memory, len, offset as i64, move |result| {
            let _ = sender.send((result, buffer));
        })?;
    }
    engine.drain(-1)?; // Until nothing is in flight, so the callback has run.
    Ok(completions.recv().expect("every operation calls back"))
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
