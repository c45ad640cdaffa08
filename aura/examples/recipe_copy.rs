//! Recipe: copy a file so that there is either all of it or nothing, and look at the data as they
//! pass: here, to compute a checksum.
//!
//! ```sh
//! cargo run --release -p aura --example recipe_copy                   # files of its own
//! cargo run --release -p aura --example recipe_copy -- SOURCE TARGET
//! ```

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use aura::{Engine, OpenOptions, Writer};
use support::{CopyJob, Outcome};

mod support;

const USAGE: &str = "\
usage: recipe_copy [SOURCE TARGET] [--driver DRIVER]

Copies SOURCE to TARGET by way of TARGET.partial, replacing TARGET at the end, and compares the two.
Without arguments it copies 32 MiB of its own.";

const CHUNK_BYTES: usize = 256 << 10;
/// So many reads and so many writes are in flight: 4 MiB at most.
const DEPTH: usize = 8;

fn main() -> ExitCode {
    support::main_with_driver(USAGE, |driver, arguments| {
        let job = CopyJob::from_arguments(arguments)?;
        let engine = Arc::new(Engine::new()?);
        let started = Instant::now();
        let copying = copy(Arc::clone(&engine), job.source.clone(), job.target.clone());
        let (bytes, checksum) = driver.run(&engine, copying)?;
        support::print_rate(&format!("checksum {checksum:016x},"), bytes, started.elapsed());

        let control = Checksum::default().with(&std::fs::read(&job.target)?);
        support::check("the checksum is that of the copy", control.0 == checksum)?;
        job.verify()
    })
}

/// Copies, and returns how many bytes and their checksum when the copy is durable.
async fn copy(engine: Arc<Engine>, source: PathBuf, target: PathBuf) -> Outcome<(u64, u64)> {
    let partial = with_suffix(&target, ".partial");
    let copied = copy_to(&engine, &source, &partial).await;
    if copied.is_err() {
        let _ = std::fs::remove_file(&partial); // It may not even be there.
    }
    let copied = copied?;
    // The data are on the device. Only now may the new name lead to them.
    std::fs::rename(&partial, &target)?;
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    engine.open(folder, OpenOptions::new().read(true)).await?.sync_all().await?;
    Ok(copied)
}

async fn copy_to(engine: &Engine, source: &Path, target: &Path) -> aura::Result<(u64, u64)> {
    let source = engine.open(source, OpenOptions::new().read(true)).await?;
    let mode = source.metadata().await?.mode();
    let options = OpenOptions::new().write(true).create(true).truncate(true).mode(mode);
    let target = engine.open(target, options).await?;

    let mut checksum = Checksum::default();
    let mut chunks = source.chunks(.., CHUNK_BYTES, DEPTH);
    let mut writer = Writer::new(&target, 0, DEPTH);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        checksum = checksum.with(&chunk);
        // Returns when it is started, unless enough are in flight already.
        writer.write(chunk).await?;
    }
    let bytes = writer.finish().await?;
    target.sync_all().await?;
    target.close().await?;
    Ok((bytes, checksum.0))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// FNV-1a, which needs ten lines. A real program would take something faster.
struct Checksum(u64);

impl Default for Checksum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Checksum {
    fn with(self, bytes: &[u8]) -> Self {
        let add = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Self(bytes.iter().fold(self.0, add))
    }
}
