//! Compares direct writes (`O_DIRECT`) with buffered ones, each made durable by fsync.
//!
//! ```sh
//! cargo run --release -p aura --example write_modes                       # a file of its own
//! cargo run --release -p aura --example write_modes -- /mnt/disk/new-file 1024
//! ```
//!
//! Buffered writes copy into the page cache, which fsync has to write out. Direct writes go to the
//! device; addresses, offsets and lengths have to be aligned for that, as the engine's buffers are.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aura::{Engine, File, OpenOptions, Tasks};
use support::{Driver, Outcome};

mod support;

const USAGE: &str = "\
usage: write_modes [FILE [MIB]] [--driver DRIVER]

Writes FILE, which must not exist yet, with MIB (default: 48) MiB in each mode, checks it, and removes
it again. Without FILE it uses the directory for temporary files.";

const BLOCK_BYTES: u64 = 1 << 20;
/// Bounds the memory. How many writes the disk gets at once is the engine's decision.
const TASKS: usize = 16;

fn main() -> ExitCode {
    support::main_with_driver(USAGE, |driver, arguments| {
        let folder = tempfile::tempdir()?;
        let (path, mib) = match arguments {
            [] => (folder.path().join("sample"), 48),
            [path] => (PathBuf::from(path), 48),
            [path, mib] => (PathBuf::from(path), support::number::<u32>(mib)?),
            _ => return Err("it takes a file and a size; try --help".into()),
        };
        let file = NewFile::create(&path)?;
        let len = u64::from(mib) << 20;
        println!("mode       writing      fsync      MiB/s    p99 of a write");
        for (mode, direct) in [("buffered", false), ("direct", true)] {
            measure(driver, mode, direct, file.path, len)
                .map_err(|failure| failure.about(&path))?;
        }
        Ok(())
    })
}

/// A file that is removed when it is done with.
struct NewFile<'a> {
    path: &'a Path,
}

impl<'a> NewFile<'a> {
    fn create(path: &'a Path) -> Result<Self, String> {
        fs::File::create_new(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { path })
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(self.path) {
            eprintln!("{} stays: {error}", self.path.display());
        }
    }
}

fn measure(driver: Driver, mode: &str, direct: bool, path: &Path, len: u64) -> Outcome {
    let engine = Arc::new(Engine::new()?);
    let writing = write(Arc::clone(&engine), path.to_owned(), direct, len);
    let Some((writing, fsync)) = driver.run(&engine, writing)? else {
        println!("{mode:9}  not supported by the file system or device");
        return Ok(());
    };
    let rate = len as f64 / f64::from(1 << 20) / (writing + fsync).as_secs_f64();
    let p99_ms = engine.stats()?.p99_latency_ms();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let (writing, fsync) = (ms(writing), ms(fsync));
    println!("{mode:9} {writing:6.1} ms  {fsync:6.1} ms  {rate:9.0}    {p99_ms:.2} ms");
    verify(path, len)
}

/// Writes a sample of `len` bytes, and returns how long that took, and how long to make it durable.
/// `None` if the file cannot be opened for direct I/O.
async fn write(
    engine: Arc<Engine>,
    path: PathBuf,
    direct: bool,
    len: u64,
) -> Outcome<Option<(Duration, Duration)>> {
    let options = OpenOptions::new().write(true).truncate(true).direct(direct);
    let file = match engine.open(path, options).await {
        Err(error) if direct && error.errno() == libc::EINVAL => return Ok(None),
        opened => opened?,
    };
    let started = Instant::now();
    let next_offset = AtomicU64::new(0);
    let mut tasks: Tasks<_> =
        (0..TASKS).map(|_| write_blocks(&engine, &file, len, &next_offset)).collect();
    while let Some(done) = tasks.next().await {
        done?;
    }
    let writing = started.elapsed();
    // All writes have completed: fsync does not cover others.
    file.sync_all().await?;
    Ok(Some((writing, started.elapsed() - writing)))
}

/// Takes the next block, until none is left.
async fn write_blocks(
    engine: &Engine,
    file: &File,
    len: u64,
    next_offset: &AtomicU64,
) -> aura::Result<()> {
    let mut buffer = engine.allocate_buffer(BLOCK_BYTES as usize)?;
    loop {
        let offset = next_offset.fetch_add(BLOCK_BYTES, Ordering::Relaxed);
        if offset >= len {
            return Ok(());
        }
        support::fill(buffer.as_mut_slice(), offset);
        buffer = file.write_all_at(buffer, offset).await?;
    }
}

/// Reads the file, without Aura, and checks each byte.
fn verify(path: &Path, len: u64) -> Outcome {
    let mut file = support::open(path)?;
    let mut block = vec![0; BLOCK_BYTES as usize];
    for offset in (0..len).step_by(BLOCK_BYTES as usize) {
        file.read_exact(&mut block)?;
        if !support::is_intact(&block, offset) {
            return Err(format!("wrong data at {offset}").into());
        }
    }
    Ok(())
}
