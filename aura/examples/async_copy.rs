//! Copies a file with tasks that each read a piece and write it, many at once, without a runtime.
//!
//! ```sh
//! cargo run --release -p aura --example async_copy                    # files of its own
//! cargo run --release -p aura --example async_copy -- SOURCE TARGET
//! ```
//!
//! `file_copy` does the same by one call. This is for jobs that have no such call.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use aura::{Engine, File, IoBuf, OpenOptions, Tasks};
use support::{CopyJob, Outcome};

mod support;

const USAGE: &str = "\
usage: async_copy [SOURCE TARGET] [--driver DRIVER]

Copies SOURCE to TARGET, replacing what is there, and compares the two.
Without arguments it copies 32 MiB of its own.";

const PIECE_BYTES: usize = 256 << 10;
/// Bounds the memory: 4 MiB. How many operations the disk gets at once is the engine's decision.
const TASKS: usize = 16;

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
    let source = engine.open(source, OpenOptions::new().read(true)).await?;
    let options = OpenOptions::new().write(true).create(true).truncate(true);
    let target = engine.open(target, options).await?;
    let len = source.metadata().await?.len();

    let next_offset = AtomicU64::new(0);
    let mut tasks = Tasks::new();
    for _ in 0..TASKS {
        tasks.push(copy_pieces(&engine, &source, &target, len, &next_offset));
    }
    while let Some(done) = tasks.next().await {
        done?; // After an error the other tasks are dropped, and what they have in flight ends.
    }
    // The writes have completed, so this covers them all.
    target.sync_all().await?;
    Ok(len)
}

/// Takes the next piece, until none is left.
async fn copy_pieces(
    engine: &Engine,
    source: &File,
    target: &File,
    len: u64,
    next_offset: &AtomicU64,
) -> aura::Result<()> {
    let mut buffer = engine.allocate_buffer(PIECE_BYTES)?;
    loop {
        let offset = next_offset.fetch_add(PIECE_BYTES as u64, Ordering::Relaxed);
        if offset >= len {
            return Ok(());
        }
        let piece = PIECE_BYTES.min(usize::try_from(len - offset).unwrap_or(PIECE_BYTES));
        // The last piece is a part of the buffer. Both calls go on where the kernel stops early.
        let part = source.read_exact_at(buffer.slice(..piece), offset).await?;
        buffer = target.write_all_at(part, offset).await?.into_inner();
    }
}
