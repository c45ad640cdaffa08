//! Writes three buffers as one record (gather), and reads the record into two others (scatter).
//!
//! ```sh
//! cargo run --release -p aura --example vectored_io                  # a file of its own
//! cargo run --release -p aura --example vectored_io -- NEW-FILE
//! ```
//!
//! `unsafe`, because the compiler cannot see that the buffers, and the array that describes them,
//! outlive the operation.

use std::error::Error;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use aura::{Buffer, Engine, RequestHandle, iovec};
use support::{Outcome, check};

mod support;

const USAGE: &str = "\
usage: vectored_io [FILE]

Writes a record to FILE, which must not exist yet, by one operation, and reads it by another.
Without FILE it uses a temporary one.";

const HEADER: &[u8] = b"a record of 100000 bytes follows\n";
const BODY_BYTES: usize = 100_000;
const TRAILER: &[u8] = b"\nend of record\n";

fn main() -> ExitCode {
    support::main(USAGE, vectored_io)
}

fn vectored_io(arguments: &[OsString]) -> Outcome {
    // Declared before the engine, so closed after it: the descriptor stays good while in use.
    let file = match arguments {
        [] => tempfile::tempfile()?,
        [path] => OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(|error| format!("{}: {error}", path.display()))?,
        _ => return Err("it takes one file; try --help".into()),
    };
    let fd = file.as_raw_fd();
    let engine = Engine::new()?;

    let mut body = vec![0; BODY_BYTES];
    support::fill(&mut body, 0);
    let record = [HEADER, &body, TRAILER].concat();

    println!("Three buffers");
    let mut sources = Vec::new();
    for part in [HEADER, &body, TRAILER] {
        let mut buffer = engine.allocate_buffer(part.len())?;
        buffer.as_mut_slice().copy_from_slice(part);
        sources.push(buffer);
    }
    transfer(&engine, sources, |array, offset, callback| {
        // SAFETY: `transfer` keeps the array and the buffers until the callback runs.
        unsafe { engine.writev(fd, array, offset, callback) }
    })?;
    check("became one record", content(&file)? == record)?;

    println!("The record");
    // Cut elsewhere: that is up to the reader.
    let first = engine.allocate_buffer(record.len() / 2)?;
    let second = engine.allocate_buffer(record.len() - first.len())?;
    let parts = transfer(&engine, vec![first, second], |array, offset, callback| {
        // SAFETY: `transfer` keeps the array and the buffers until the callback runs.
        unsafe { engine.readv(fd, array, offset, callback) }
    })?;
    let parts: Vec<&[u8]> = parts.iter().map(Buffer::as_slice).collect();
    check("was scattered over two buffers", parts.concat() == record)?;

    let stats = engine.stats()?;
    let bytes = 2 * record.len() as i64;
    check("took no more bytes than it has, both ways", stats.bytes_transferred() == bytes)
}

/// Buffers, and the array that describes them to the kernel.
struct Vectors {
    buffers: Vec<Buffer>,
    array: Vec<iovec>,
}

// SAFETY: the pointers in the array are to the buffers beside it, which may be sent as well.
unsafe impl Send for Vectors {}

impl Vectors {
    /// Describes the buffers, except for their first `done` bytes.
    fn describe(&mut self, mut done: usize) {
        self.array.clear();
        for buffer in &mut self.buffers {
            let skip = done.min(buffer.len());
            done -= skip;
            let rest = &mut buffer.as_mut_slice()[skip..];
            if !rest.is_empty() {
                let (iov_base, iov_len) = (rest.as_mut_ptr().cast(), rest.len());
                self.array.push(iovec { iov_base, iov_len });
            }
        }
    }
}

type Callback = Box<dyn FnOnce(aura::Result<usize>) + Send>;

/// Transfers all bytes of the buffers from or to the beginning of a file, by as many operations as
/// it takes (mostly one), and gives the buffers back.
///
/// The array that `submit` is given, and the buffers, stay valid and unused until the callback runs.
fn transfer(
    engine: &Engine,
    buffers: Vec<Buffer>,
    submit: impl Fn(&[iovec], i64, Callback) -> aura::Result<RequestHandle>,
) -> Result<Vec<Buffer>, Box<dyn Error>> {
    let total: usize = buffers.iter().map(Buffer::len).sum();
    let vectors = Arc::new(Mutex::new(Vectors { buffers, array: Vec::new() }));
    let (sender, completions) = mpsc::channel();
    let mut done = 0;
    while done < total {
        {
            // Locked to submit, not while the operation is in flight.
            let mut vectors_now = vectors.lock().unwrap_or_else(PoisonError::into_inner);
            vectors_now.describe(done);
            support::retry_at_limit(engine, || {
                let (share, sender) = (Arc::clone(&vectors), sender.clone());
                let callback = Box::new(move |result| {
                    drop(share); // Kept until here: the kernel is done with array and buffers.
                    let _ = sender.send(result);
                });
                submit(&vectors_now.array, done as i64, callback)
            })?;
        }
        engine.drain(-1)?;
        match completions.recv()?? {
            0 => return Err("the file ends, or takes no more data".into()),
            bytes => done += bytes,
        }
    }
    let mut vectors = vectors.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut vectors.buffers))
}

/// The bytes of a file, read without Aura.
fn content(file: &File) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; file.metadata()?.len() as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}
