//! Five configurations for five kinds of programs, compared on the same job: random reads of 4 KiB.
//!
//! ```sh
//! cargo run --release -p aura --example custom_config            # 8000 reads each
//! cargo run --release -p aura --example custom_config -- 100000
//! ```
//!
//! The file is small and new, so the page cache answers, and the table shows what the settings
//! change and not how good they are. For that, run the job of your program on your disk; and
//! compare with `Engine::new()`, which sets nothing.
//!
//! `unsafe`, because the compiler cannot see that a buffer outlives its read.

use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use aura::{Buffer, Engine, Options, RingSelect};
use support::Outcome;

mod support;

const USAGE: &str = "\
usage: custom_config [READS]

Makes so many (default: 8000) random reads of 4 KiB by engines of five configurations.";

const BLOCK_BYTES: usize = 4096;
const BLOCKS: u64 = 4096;
/// How many reads the program would have in flight if it could.
const USERS: usize = 256;

fn main() -> ExitCode {
    support::main(USAGE, custom_config)
}

fn configurations() -> [(&'static str, Options); 5] {
    [
        // A server: a request that waits for 0.5 ms is late. An engine begins without a limit and
        // looks for one under load; until then only the queue's depth bounds what is in flight.
        ("low latency", Options::new().max_p99_latency_ms(0.5).queue_depth(64)),
        // A scan or a backup: nobody waits for a single read. Room for the fastest arrays, and no
        // less than what any disk likes.
        (
            "high throughput",
            Options::new().queue_depth(4096).initial_in_flight(512).min_in_flight(64),
        ),
        // A thread per core, each with an engine of its own: no locks.
        ("single thread", Options::new().ring_count(1).single_thread(true)),
        // One thread that submits for all CPUs: spread the kernel's work over two rings.
        ("round robin", Options::new().ring_count(2).ring_select(RingSelect::RoundRobin)),
        // A benchmark at a known depth: the engine keeps its hands off.
        ("fixed depth", Options::new().disable_adaptive(true).ring_count(1).initial_in_flight(16)),
    ]
}

fn custom_config(arguments: &[OsString]) -> Outcome {
    let reads = match arguments {
        [] => 8000,
        [reads] => support::number(reads)?,
        _ => return Err("it takes one number; try --help".into()),
    };
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("sample");
    support::make_sample(&path, BLOCKS as usize * BLOCK_BYTES)?;
    // Declared before the engines, so closed after them: the descriptor stays good for every read.
    let file = support::open(&path)?;

    println!("configuration    rings  limit   peak  refused     p99 ms    MiB/s");
    for (name, options) in configurations() {
        let engine = Engine::with_options(&options)?;
        let elapsed = read_at_random(&engine, &file, reads)?;
        print_row(name, &engine, elapsed)?;
    }
    Ok(())
}

/// Reads blocks all over the file for many users, as far as the engine takes them, and checks what
/// it gets.
fn read_at_random(engine: &Engine, file: &File, reads: u32) -> Result<Duration, Box<dyn Error>> {
    let started = Instant::now();
    let (sender, completions) = mpsc::channel();
    let mut random = 1u64;
    for _ in 0..reads {
        // Knuth's generator (MMIX); the upper bits are the good ones.
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let offset = (random >> 33) % BLOCKS * BLOCK_BYTES as u64;
        support::retry_at_limit(engine, || {
            let buffer = engine.allocate_buffer(BLOCK_BYTES)?;
            let memory = buffer.to_ref();
            let sender = sender.clone();
            let callback = move |result| {
                let _ = sender.send((offset, result, buffer));
            };
            // SAFETY: the callback owns the buffer, and nobody else knows of it until it has run.
            unsafe { engine.read(file.as_raw_fd(), memory, BLOCK_BYTES, offset as i64, callback) }
        })?;
        if engine.pending_count() >= USERS {
            engine.wait(-1)?;
        }
        completions.try_iter().try_for_each(check)?;
    }
    engine.drain(-1)?;
    completions.try_iter().try_for_each(check)?;
    Ok(started.elapsed())
}

fn check((offset, result, buffer): (u64, aura::Result<usize>, Buffer)) -> Outcome {
    // The block is within the file, so there is no reason for less.
    if result? < BLOCK_BYTES {
        return Err(format!("a short read at {offset}").into());
    }
    if !support::is_intact(buffer.as_slice(), offset) {
        return Err(format!("wrong data at {offset}").into());
    }
    Ok(())
}

fn print_row(name: &str, engine: &Engine, elapsed: Duration) -> aura::Result<()> {
    let stats = engine.stats()?;
    let rate = stats.bytes_transferred() as f64 / f64::from(1 << 20) / elapsed.as_secs_f64();
    println!(
        "{name:16} {:5} {:6} {:6} {:8} {:10.3} {rate:8.0}",
        engine.ring_count(),
        stats.optimal_in_flight(),
        stats.peak_in_flight(),
        stats.refused_at_limit(),
        stats.p99_latency_ms(),
    );
    Ok(())
}
