//! Copies a file: a function that returns when the copy is done, with many reads and writes in
//! flight inside.
//!
//! ```sh
//! cargo run --release -p aura --example file_copy                     # files of its own
//! cargo run --release -p aura --example file_copy -- SOURCE TARGET
//! ```
//!
//! `unsafe`, because the compiler cannot see that a buffer outlives its operation.

use std::ops::Range;
use std::os::fd::AsRawFd;
use std::process::ExitCode;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use aura::{Buffer, BufferRef, Engine};
use support::{CopyJob, Outcome};

mod support;

const USAGE: &str = "\
usage: file_copy [SOURCE TARGET]

Copies SOURCE to TARGET, replacing what is there, and compares the two.
Without arguments it copies 32 MiB of its own.";

const PIECE_BYTES: u64 = 256 << 10;
/// Bounds the memory: 8 MiB. How many operations the disk gets at once is the engine's decision.
const PIECES_AT_ONCE: usize = 32;

fn main() -> ExitCode {
    support::main(USAGE, |arguments| {
        // Declared before the engine, so closed after it: whatever happens, the descriptors are
        // good for all that is in flight.
        let job = CopyJob::from_arguments(arguments)?;
        let engine = Engine::new()?;
        let started = Instant::now();
        copy(&engine, &job)?;
        support::print_rate("copied", job.len, started.elapsed());
        job.verify()
    })
}

/// Copies, and returns when the copy is durable.
///
/// The callbacks only report. All decisions are made here, on the thread that waits, where errors
/// can be returned.
fn copy(engine: &Engine, job: &CopyJob) -> Outcome {
    let (sender, completions) = mpsc::channel();
    let copier = Copier { engine, job, sender };
    let mut unread = 0..job.len;
    let mut pieces = 0;
    loop {
        while pieces < PIECES_AT_ONCE && !unread.is_empty() {
            let end = job.len.min(unread.start + PIECE_BYTES);
            copier.read(unread.start..end)?;
            unread.start = end;
            pieces += 1;
        }
        if pieces == 0 {
            break;
        }
        let Ok(completion) = completions.try_recv() else {
            engine.wait(-1)?;
            continue;
        };
        match completion {
            Completion::Read { file_range, buffer, result } => {
                let bytes = result.map_err(|error| format!("reading the source: {error}"))?;
                if bytes == 0 {
                    return Err("the source became shorter while it was copied".into());
                }
                let middle = file_range.start + bytes as u64;
                if middle < file_range.end {
                    copier.read(middle..file_range.end)?; // The kernel had only a part at hand.
                    pieces += 1;
                }
                copier.write(Filled { buffer, bytes: 0..bytes, offset: file_range.start })?;
            }
            Completion::Write { mut filled, result } => {
                let bytes = result.map_err(|error| format!("writing the target: {error}"))?;
                if bytes == 0 {
                    return Err("the target takes no more data".into());
                }
                filled.bytes.start += bytes;
                filled.offset += bytes as u64;
                if filled.bytes.is_empty() {
                    pieces -= 1;
                } else {
                    copier.write(filled)?; // If the space ends there, this one says so.
                }
            }
        }
    }
    make_durable(engine, job)
}

enum Completion {
    Read { file_range: Range<u64>, buffer: SharedBuffer, result: aura::Result<usize> },
    Write { filled: Filled, result: aura::Result<usize> },
}

/// Data on its way: `bytes` of the buffer belong at `offset` of the target.
#[derive(Clone)]
struct Filled {
    buffer: SharedBuffer,
    bytes: Range<usize>,
    offset: u64,
}

/// A buffer that survives a refused write, which drops its callback and what that owns. Nobody
/// locks it while the kernel works on it.
type SharedBuffer = Arc<Mutex<Buffer>>;

struct Copier<'a> {
    engine: &'a Engine,
    job: &'a CopyJob,
    sender: Sender<Completion>,
}

impl Copier<'_> {
    fn read(&self, file_range: Range<u64>) -> aura::Result<()> {
        let len = (file_range.end - file_range.start) as usize;
        support::retry_at_limit(self.engine, || {
            let buffer = self.engine.allocate_buffer(len)?;
            let memory = buffer.to_ref();
            let (fd, offset) = (self.job.source.as_raw_fd(), file_range.start as i64);
            let (file_range, sender) = (file_range.clone(), self.sender.clone());
            let callback = move |result| {
                let buffer = Arc::new(Mutex::new(buffer));
                let _ = sender.send(Completion::Read { file_range, buffer, result });
            };
            // SAFETY: the callback owns the buffer, and nobody else knows of it until it has run.
            unsafe { self.engine.read(fd, memory, len, offset, callback) }
        })?;
        Ok(())
    }

    fn write(&self, filled: Filled) -> aura::Result<()> {
        let memory = {
            let buffer = filled.buffer.lock().unwrap_or_else(PoisonError::into_inner);
            // SAFETY: used for the write below, whose callback keeps the buffer alive.
            unsafe { BufferRef::from_slice(&buffer.as_slice()[filled.bytes.clone()]) }
        };
        support::retry_at_limit(self.engine, || {
            let (fd, offset) = (self.job.target.as_raw_fd(), filled.offset as i64);
            let (filled, sender) = (filled.clone(), self.sender.clone());
            let len = filled.bytes.len();
            let callback = move |result| {
                let _ = sender.send(Completion::Write { filled, result });
            };
            // SAFETY: the callback owns a share of the buffer. The others are only copied and
            // dropped, so nobody changes the memory.
            unsafe { self.engine.write(fd, memory, len, offset, callback) }
        })?;
        Ok(())
    }
}

fn make_durable(engine: &Engine, job: &CopyJob) -> Outcome {
    let (sender, completions) = mpsc::channel();
    // It covers writes that have completed. All have.
    engine.fsync(job.target.as_raw_fd(), move |result| {
        let _ = sender.send(result);
    })?;
    engine.drain(-1)?;
    completions.recv()?.map_err(|error| format!("making the target durable: {error}"))?;
    Ok(())
}
