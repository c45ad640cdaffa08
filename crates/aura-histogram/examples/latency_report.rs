//! Measures something real: 4 KiB reads at random places of a file, reported while they run by another
//! thread and checked at the end against a sorted list of all latencies.
//!
//! Run with `cargo run --release -p aura-histogram --example latency_report [FILE]`; without a file, a
//! temporary one of 16 MiB is made (its reads come from the page cache).

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use aura_histogram::{LatencyHistogram, Snapshot};

const READS: usize = 200_000;
const READS_PER_WINDOW: usize = 10_000;
const BLOCK_BYTES: usize = 4_096;
const TEMPORARY_BYTES: usize = 16 << 20;

static LATENCIES: LatencyHistogram = LatencyHistogram::new();

fn main() -> io::Result<()> {
    let (path, temporary) = match std::env::args_os().nth(1) {
        Some(path) => (PathBuf::from(path), false),
        None => (make_file()?, true),
    };
    let done = AtomicBool::new(false);
    let measured = thread::scope(|scope| {
        scope.spawn(|| watch(&done));
        let measured = File::open(&path).and_then(|file| read_randomly(&file));
        done.store(true, Relaxed);
        measured
    });
    if temporary {
        fs::remove_file(&path)?;
    }
    report(&LATENCIES.cumulative());
    check(measured?);
    Ok(())
}

/// The writer: reads, records each latency, and opens a window every few thousand reads.
fn read_randomly(file: &File) -> io::Result<Vec<u64>> {
    let blocks = file.metadata()?.len() / BLOCK_BYTES as u64;
    if blocks == 0 {
        return Err(io::Error::other("the file is shorter than one block of 4 KiB"));
    }
    let mut block = [0_u8; BLOCK_BYTES];
    let mut latencies_ns = Vec::with_capacity(READS);
    let mut random = 1_u64;
    for read in 0..READS {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let offset = (random >> 33) % blocks * BLOCK_BYTES as u64;
        let start = Instant::now();
        file.read_exact_at(&mut block, offset)?;
        let latency_ns = start.elapsed().as_nanos() as u64;
        LATENCIES.record(latency_ns);
        latencies_ns.push(latency_ns);
        if (read + 1) % READS_PER_WINDOW == 0 {
            LATENCIES.swap_window();
        }
    }
    Ok(latencies_ns)
}

/// A reader: looks at the recent past while the writer works on.
fn watch(done: &AtomicBool) {
    while !done.load(Relaxed) {
        thread::sleep(Duration::from_millis(50));
        let recent = LATENCIES.recent();
        if let Some(p99) = recent.percentile(99.0) {
            println!("recently: {:>6} reads, p99 {:.1} µs", recent.count(), p99.value_us);
        }
    }
}

fn report(all: &Snapshot) {
    println!("\n{} reads, mean {:.2} µs", all.count(), all.mean_us().unwrap_or(0.0));
    for p in [50.0, 90.0, 99.0, 99.9, 99.99, 100.0] {
        if let Some(found) = all.percentile(p) {
            println!("  p{p:<6} {:>9.1} µs  ± {:.1} µs", found.value_us, found.error_us());
        }
    }
    println!("  {} reads took 1 ms or longer", all.count_over(1_000));
}

/// The report must agree with what a sorted list says.
fn check(mut latencies_ns: Vec<u64>) {
    let all = LATENCIES.cumulative();
    assert_eq!(all.count(), READS as u64, "every read was recorded");
    assert_eq!(LATENCIES.closed_window().count(), READS_PER_WINDOW as u64);
    latencies_ns.sort_unstable();
    for p in 1..=100 {
        let true_us = latencies_ns[READS * p / 100 - 1] as f64 / 1_000.0;
        let found = all.percentile(p as f64).expect("there are samples");
        let upper_us = found.upper_us.expect("the longest latency is known");
        assert!(found.lower_us <= true_us && true_us <= upper_us, "p{p}: {true_us}, {found:?}");
    }
    println!("checked: percentiles 1 to 100 contain those of the sorted list");
}

fn make_file() -> io::Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("aura-latency-report-{}", std::process::id()));
    fs::write(&path, vec![0x5a; TEMPORARY_BYTES])?;
    Ok(path)
}
