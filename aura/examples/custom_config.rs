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
//! An engine with `single_thread` is driven by `block_on` only, whatever `--driver` says: its
//! futures cannot be on other threads.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use aura::{Engine, File, Options, RingSelect, Tasks};
use support::{Driver, Outcome};

mod support;

const USAGE: &str = "\
usage: custom_config [READS] [--driver DRIVER]

Makes so many (default: 8000) random reads of 4 KiB by engines of five configurations.";

const BLOCK_BYTES: usize = 4096;
const BLOCKS: u64 = 4096;
/// How many tasks want a block each, all the time.
const USERS: usize = 256;

fn main() -> ExitCode {
    support::main_with_driver(USAGE, |driver, arguments| {
        let reads = match arguments {
            [] => 8000,
            [reads] => support::number(reads)?,
            _ => return Err("it takes one number; try --help".into()),
        };
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("sample");
        support::make_sample(&path, BLOCKS as usize * BLOCK_BYTES)?;

        println!("configuration    rings  limit   peak   waited     p99 ms    MiB/s");
        for Configuration { name, options, driver_needed } in configurations() {
            let engine = Arc::new(Engine::with_options(&options)?);
            let file = File::from_std(&engine, support::open(&path)?);
            let reading = read_at_random(Arc::clone(&engine), file, reads);
            let elapsed = driver_needed.unwrap_or(driver).run(&engine, reading)?;
            print_row(name, &engine, elapsed)?;
        }
        Ok(())
    })
}

struct Configuration {
    name: &'static str,
    options: Options,
    driver_needed: Option<Driver>,
}

fn configurations() -> [Configuration; 5] {
    let any = |name, options| Configuration { name, options, driver_needed: None };
    [
        // A server: a request that waits for 0.5 ms is late. An engine begins without a limit and
        // looks for one under load; until then only the queue's depth bounds what is in flight.
        any("low latency", Options::new().max_p99_latency_ms(0.5).queue_depth(64)),
        // A scan or a backup: nobody waits for a single read. Room for the fastest arrays, and no
        // less than what any disk likes.
        any(
            "high throughput",
            Options::new().queue_depth(4096).initial_in_flight(512).min_in_flight(64),
        ),
        // A thread per core, each with an engine of its own: no locks.
        Configuration {
            name: "single thread",
            options: Options::new().ring_count(1).single_thread(true),
            driver_needed: Some(Driver::BlockOn),
        },
        // One thread that submits for all CPUs: spread the kernel's work over two rings.
        any("round robin", Options::new().ring_count(2).ring_select(RingSelect::RoundRobin)),
        // A benchmark at a known depth: the engine keeps its hands off.
        any(
            "fixed depth",
            Options::new().disable_adaptive(true).ring_count(1).initial_in_flight(16),
        ),
    ]
}

/// Reads blocks all over the file for many users, and checks what they get.
async fn read_at_random(engine: Arc<Engine>, file: File, reads: u32) -> Outcome<Duration> {
    let started = Instant::now();
    let left = AtomicU32::new(reads);
    let mut users: Tasks<_> =
        (0..USERS).map(|user| read_some(&engine, &file, user as u64, &left)).collect();
    while let Some(done) = users.next().await {
        done?;
    }
    Ok(started.elapsed())
}

async fn read_some(engine: &Engine, file: &File, user: u64, left: &AtomicU32) -> Outcome {
    let mut buffer = engine.allocate_buffer(BLOCK_BYTES)?;
    let mut random = user;
    while left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
        .is_ok()
    {
        // Knuth's generator (MMIX); the upper bits are the good ones.
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let offset = (random >> 33) % BLOCKS * BLOCK_BYTES as u64;
        buffer = file.read_exact_at(buffer, offset).await?;
        if !support::is_intact(buffer.as_slice(), offset) {
            return Err(format!("wrong data at {offset}").into());
        }
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
