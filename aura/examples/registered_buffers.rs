//! Buffers and files that the kernel knows beforehand: how they are registered, used, and given up.
//!
//! ```sh
//! cargo run --release -p aura --example registered_buffers            # reads a file of its own
//! cargo run --release -p aura --example registered_buffers -- FILE
//! ```
//!
//! For each operation the kernel looks up and pins the pages of its buffer. Registered buffers are
//! pinned once. That saves the most with direct I/O in small blocks.
//!
//! `unsafe`, because the compiler cannot see that the memory outlives its registration and is left
//! alone while an operation uses it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver};

use aura::{BufferRef, Engine, RequestHandle};
use support::{Outcome, check};

mod support;

const USAGE: &str = "\
usage: registered_buffers [FILE]

Reads FILE into a registered buffer, and unregisters the buffer while it is in use.
Without FILE it uses one of its own.";

/// What the buffers are for; the numbers are their places in the registration.
const FOR_FILE: i32 = 0;
const FOR_PIPE: i32 = 1;
const BUFFER_BYTES: usize = 64 << 10;
/// Nothing below takes this long, unless something is broken.
const PATIENCE_MS: i32 = 5000;

fn main() -> ExitCode {
    support::main(USAGE, registered_buffers)
}

fn registered_buffers(arguments: &[OsString]) -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = match arguments {
        [] => folder.path().join("sample"),
        [path] => PathBuf::from(path),
        _ => return Err("it takes one file; try --help".into()),
    };
    if arguments.is_empty() {
        support::make_sample(&path, 10 * BUFFER_BYTES + 123)?;
    }
    let file = support::open(&path)?;
    let (pipe, mut other_end) = std::io::pipe()?;

    // Files and memory are declared before the engine, so they are there until it is gone, however
    // this function ends.
    let mut memory = [vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]];
    let engine = Engine::new()?;

    println!("A registered buffer");
    let [for_file, for_pipe] = &mut memory;
    // SAFETY: the memory outlives the engine. The vectors are not resized, so it stays in place.
    unsafe { engine.register_buffers(&[for_file, for_pipe])? };
    let mut control = support::open(&path)?; // To be read without Aura.
    let mut position = 0;
    loop {
        // By number and place instead of by address.
        let buffer = BufferRef::fixed(FOR_FILE, 0);
        // SAFETY: the buffer outlives the engine, and is looked at below, after the callback.
        let read = start(|callback| unsafe {
            engine.read(file.as_raw_fd(), buffer, BUFFER_BYTES, position as i64, callback)
        })?;
        engine.drain(PATIENCE_MS)?;
        let bytes = read.try_recv()?.map_err(|error| format!("{}: {error}", path.display()))?;
        if bytes == 0 {
            break;
        }
        let mut expected_bytes = vec![0; bytes];
        let expected = control.read_exact(&mut expected_bytes);
        if expected.is_err() || memory[FOR_FILE as usize][..bytes] != expected_bytes {
            return Err(format!("wrong data at {position}, unless the file was changed").into());
        }
        position += bytes;
    }
    check(&format!("got the {position} bytes of the file right"), true)?;

    println!("While it is being given up");
    // SAFETY: the buffer outlives the engine, and is looked at below, after the callback.
    let read_of_pipe = start(|callback| unsafe {
        engine.read(pipe.as_raw_fd(), BufferRef::fixed_index(FOR_PIPE), 5, 0, callback)
    })?;
    engine.flush()?;
    // The read waits for data, so this cannot be done at once. It returns nevertheless, where
    // `unregister_buffers` would wait.
    engine.request_unregister_buffers()?;
    check("new operations are refused with EBUSY", refusal(&engine, &file) == Some(libc::EBUSY))?;
    other_end.write_all(b"hello")?;
    engine.wait(PATIENCE_MS)?;
    let bytes = read_of_pipe.try_recv()??;
    check("the one in flight completes", &memory[FOR_PIPE as usize][..bytes] == b"hello")?;
    engine.poll()?; // Its buffer was the last in use: now they are unregistered.
    check("then it is gone (ENOENT)", refusal(&engine, &file) == Some(libc::ENOENT))?;

    // So far only their life cycle: operations go by descriptor, and none names a registered file.
    println!("Registered files");
    engine.register_files(&[file.as_raw_fd(), -1])?;
    engine.update_file(1, pipe.as_raw_fd())?; // -1 was a place kept free.
    let twice = engine.register_files(&[file.as_raw_fd()]);
    check("are one table at a time", twice.is_err_and(|error| error.errno() == libc::EBUSY))?;
    // Operations in flight keep their files, so this does not wait.
    engine.unregister_files()?;
    let again = engine.unregister_files();
    check("can be given up once", again.is_err_and(|error| error.errno() == libc::ENOENT))
}

type Callback = Box<dyn FnOnce(aura::Result<usize>) + Send>;

/// Starts an operation; its result comes by the receiver. (At most one is in flight besides, so
/// the in-flight limit does not matter.)
fn start(
    submit: impl FnOnce(Callback) -> aura::Result<RequestHandle>,
) -> aura::Result<Receiver<aura::Result<usize>>> {
    let (sender, result) = mpsc::channel();
    submit(Box::new(move |outcome| {
        let _ = sender.send(outcome);
    }))?;
    Ok(result)
}

/// Why a read into a registered buffer is refused.
fn refusal(engine: &Engine, file: &File) -> Option<i32> {
    let buffer = BufferRef::fixed(FOR_FILE, 0);
    // SAFETY: a read of nothing.
    let submitted = unsafe { engine.read(file.as_raw_fd(), buffer, 0, 0, |_| ()) };
    submitted.err().map(|refusal| refusal.errno())
}
