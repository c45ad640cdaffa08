//! Reads every file below a directory, as fast as the engine finds useful.
//!
//! ```sh
//! cargo run --release -p aura --example bulk_reader            # reads files of its own
//! cargo run --release -p aura --example bulk_reader -- DIRECTORY
//! ```
//!
//! Nothing here says how many reads should be in flight. What the program bounds is memory and
//! descriptors: so many files are open at once. Of their reads the device gets as many as the
//! engine thinks useful; the others wait for their turn.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use aura::{Engine, OpenOptions, Tasks};
use support::Outcome;

mod support;

const USAGE: &str = "\
usage: bulk_reader [DIRECTORY] [--driver DRIVER]

Reads all regular files below DIRECTORY (symbolic links are not followed) and reports the throughput.
Without DIRECTORY it reads 300 files of its own. Fails if a file cannot be read.";

const PIECE_BYTES: usize = 128 << 10;
/// Well below the usual limit of 1024 descriptors.
const FILES_AT_ONCE: usize = 256;

fn main() -> ExitCode {
    support::main_with_driver(USAGE, |driver, arguments| {
        let folder = tempfile::tempdir()?;
        let (root, sample_bytes) = match arguments {
            [] => (folder.path(), Some(support::make_sample_tree(folder.path(), 300)?)),
            [root] => (Path::new(root), None),
            _ => return Err("it takes one directory; try --help".into()),
        };
        let engine = Arc::new(Engine::new()?);
        let started = Instant::now();
        let reading = read_tree(Arc::clone(&engine), root.to_owned(), sample_bytes.is_some());
        let Report { files, bytes, failures } = driver.run(&engine, reading)?;

        support::print_rate(&format!("{files} files,"), bytes, started.elapsed());
        print_tuning(&engine)?;
        if let Some(first) = failures.first() {
            return Err(format!("{} not read, the first: {first}", failures.len()).into());
        }
        match sample_bytes {
            Some(expected) if bytes != expected => Err(format!("expected {expected} bytes").into()),
            _ => Ok(()),
        }
    })
}

#[derive(Default)]
struct Report {
    files: u64,
    bytes: u64,
    failures: Vec<String>,
}

impl Report {
    fn add(&mut self, read: Result<u64, String>) {
        match read {
            Ok(bytes) => (self.files, self.bytes) = (self.files + 1, self.bytes + bytes),
            Err(failure) => self.failures.push(failure),
        }
    }
}

async fn read_tree(engine: Arc<Engine>, root: PathBuf, is_sample: bool) -> Outcome<Report> {
    let mut report = Report::default();
    let mut reads = Tasks::new();
    let mut directories = vec![root];
    while let Some(directory) = directories.pop() {
        // The kernel has no asynchronous way to list a directory.
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) => {
                report.add(Err(format!("{}: {error}", directory.display())));
                continue;
            }
        };
        for entry in entries {
            match entry.and_then(|entry| Ok((entry.file_type()?, entry.path()))) {
                Ok((kind, path)) if kind.is_dir() => directories.push(path),
                Ok((kind, path)) if kind.is_file() => {
                    if reads.len() == FILES_AT_ONCE
                        && let Some(read) = reads.next().await
                    {
                        report.add(read);
                    }
                    reads.push(read_file(&engine, path, is_sample));
                }
                Ok(_) => {}
                Err(error) => report.add(Err(format!("{}: {error}", directory.display()))),
            }
        }
    }
    while let Some(read) = reads.next().await {
        report.add(read);
    }
    Ok(report)
}

/// Reads a file, and returns how many bytes it has; the error names it.
async fn read_file(engine: &Engine, path: PathBuf, is_sample: bool) -> Result<u64, String> {
    let read = read_pieces(engine, &path, is_sample).await;
    match read.map_err(|error| format!("{}: {error}", path.display()))? {
        (bytes, true) => Ok(bytes),
        (bytes, false) => Err(format!("{}: wrong data before {bytes}", path.display())),
    }
}

/// Returns how many bytes there were, and whether they were as expected.
async fn read_pieces(engine: &Engine, path: &Path, is_sample: bool) -> aura::Result<(u64, bool)> {
    let file = engine.open(path, OpenOptions::new().read(true)).await?;
    let mut buffer = engine.allocate_buffer(PIECE_BYTES)?;
    let (mut position, mut is_intact) = (0, true);
    loop {
        let bytes;
        (bytes, buffer) = file.read_at(buffer, position).await?;
        if bytes == 0 {
            return Ok((position, is_intact));
        }
        let data = &buffer.as_slice()[..bytes];
        is_intact &= !is_sample || support::is_intact(data, position);
        position += bytes as u64;
    }
}

fn print_tuning(engine: &Engine) -> aura::Result<()> {
    let stats = engine.stats()?;
    let (peak, limit) = (stats.peak_in_flight(), stats.optimal_in_flight());
    let p99_ms = stats.p99_latency_ms();
    println!("in flight: at most {peak}, limit {limit}; p99 {p99_ms:.3} ms");
    for index in 0..engine.ring_count() {
        let ring = engine.ring_stats(index)?;
        let (operations, phase) = (ring.ops_completed(), ring.aimd_phase_name());
        println!(
            "ring {index}: {operations} operations, limit {}, {phase}",
            ring.in_flight_limit()
        );
    }
    Ok(())
}
