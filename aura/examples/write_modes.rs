//! Compares direct writes (`O_DIRECT`) with buffered ones, each made durable by fsync.
//!
//! ```sh
//! cargo run --release -p aura --example write_modes                       # a file of its own
//! cargo run --release -p aura --example write_modes -- /mnt/disk/new-file 1024
//! ```
//!
//! Buffered writes copy into the page cache, which fsync has to write out. Direct writes go to the
//! device; addresses, offsets and lengths have to be aligned for that, as the engine's buffers are.
//!
//! `unsafe`, because the compiler cannot see that a buffer outlives its write.

use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use aura::Engine;
use support::Outcome;

mod support;

const USAGE: &str = "\
usage: write_modes [FILE [MIB]]

Writes FILE, which must not exist yet, with MIB (default: 48) MiB in each mode, checks it, and removes
it again. Without FILE it uses the directory for temporary files.";

const BLOCK_BYTES: u64 = 1 << 20;
/// Bounds the memory. How many writes the disk gets at once is the engine's decision.
const BLOCKS_AT_ONCE: usize = 16;
/// What direct writes are aligned to here; few devices want more.
const ALIGNMENT: u64 = 4096;

fn main() -> ExitCode {
    support::main(USAGE, write_modes)
}

fn write_modes(arguments: &[OsString]) -> Outcome {
    let folder = tempfile::tempdir()?;
    let (path, mib) = match arguments {
        [] => (folder.path().join("sample"), 48),
        [path] => (PathBuf::from(path), 48),
        [path, mib] => (PathBuf::from(path), support::number::<u32>(mib)?),
        _ => return Err("it takes a file and a size; try --help".into()),
    };
    let len = u64::from(mib) << 20;
    let name_file = |error| format!("{}: {error}", path.display());

    println!("mode       writing      fsync      MiB/s    p99 of a write");
    measure("buffered", &path, 0, len).map_err(name_file)?;
    match measure("direct", &path, libc::O_DIRECT, len) {
        Err(error) if is_unsupported(error.as_ref()) => {
            println!("direct     not supported by the file system or device of {}", path.display());
            Ok(())
        }
        measured => Ok(measured.map_err(name_file)?),
    }
}

/// The kernel says `EINVAL`, when opening the file or when writing to it.
fn is_unsupported(error: &(dyn Error + 'static)) -> bool {
    let by_open = error.downcast_ref().and_then(io::Error::raw_os_error);
    let by_write = error.downcast_ref().map(aura::Error::errno);
    by_open.or(by_write) == Some(libc::EINVAL)
}

fn measure(mode: &str, path: &Path, flags: i32, len: u64) -> Outcome {
    // Declared before the engine, so closed after it: the descriptor stays good for every write.
    let file = NewFile::create(path, flags)?;
    let engine = Engine::new()?;
    let started = Instant::now();
    write_all(&engine, &file.file, len)?;
    let writing = started.elapsed();
    sync(&engine, &file.file)?;
    let total = started.elapsed();

    let rate = len as f64 / f64::from(1 << 20) / total.as_secs_f64();
    let p99_ms = engine.stats()?.p99_latency_ms();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let fsync = ms(total - writing);
    println!("{mode:9} {:6.1} ms  {fsync:6.1} ms  {rate:9.0}    {p99_ms:.2} ms", ms(writing));
    verify(path, len)
}

/// A file that is removed when it is done with.
struct NewFile<'a> {
    file: File,
    path: &'a Path,
}

impl<'a> NewFile<'a> {
    fn create(path: &'a Path, flags: i32) -> io::Result<Self> {
        let mut new = Self { file: File::create_new(path)?, path };
        // In a second step, because a file system without direct writes refuses to open the file
        // only after it has made it; then it must be removed.
        new.file = OpenOptions::new().write(true).custom_flags(flags).open(path)?;
        Ok(new)
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(self.path) {
            eprintln!("{} stays: {error}", self.path.display());
        }
    }
}

/// What a callback says: what was to be written, at an offset and how long, and how it went.
type Completion = (u64, u64, aura::Result<usize>);

/// Writes a sample of `len` bytes.
fn write_all(engine: &Engine, file: &File, len: u64) -> Outcome {
    let (sender, completions) = mpsc::channel();
    let mut position = 0;
    let mut blocks = 0;
    loop {
        while blocks < BLOCKS_AT_ONCE && position < len {
            write_block(engine, file, position, BLOCK_BYTES, &sender)?;
            position += BLOCK_BYTES;
            blocks += 1;
        }
        if blocks == 0 {
            return Ok(());
        }
        let Ok((offset, len, result)) = completions.try_recv() else {
            engine.wait(-1)?;
            continue;
        };
        // The rest of a short write must begin at a multiple of the alignment again.
        let written = match result? as u64 {
            bytes if bytes == len => bytes,
            bytes => bytes - bytes % ALIGNMENT,
        };
        match written {
            0 => return Err("the file takes no more data".into()),
            all if all == len => blocks -= 1,
            part => write_block(engine, file, offset + part, len - part, &sender)?,
        }
    }
}

fn write_block(
    engine: &Engine,
    file: &File,
    offset: u64,
    len: u64,
    sender: &Sender<Completion>,
) -> aura::Result<()> {
    support::retry_at_limit(engine, || {
        let mut buffer = engine.allocate_buffer(len as usize)?;
        support::fill(buffer.as_mut_slice(), offset);
        let memory = buffer.to_ref();
        let sender = sender.clone();
        let callback = move |result| {
            drop(buffer); // Kept until here: the kernel is done with it.
            let _ = sender.send((offset, len, result));
        };
        // SAFETY: the callback owns the buffer, and nobody else knows of it.
        unsafe { engine.write(file.as_raw_fd(), memory, len as usize, offset as i64, callback) }
    })?;
    Ok(())
}

/// Makes durable what was written. All writes have completed: fsync does not cover others.
fn sync(engine: &Engine, file: &File) -> aura::Result<()> {
    let (sender, completions) = mpsc::channel();
    engine.fsync(file.as_raw_fd(), move |result| {
        let _ = sender.send(result);
    })?;
    engine.drain(-1)?;
    completions.recv().expect("every operation calls back").map(drop)
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
