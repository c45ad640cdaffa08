//! Cancels a read that would wait for ever, and shows what a handle is good for afterwards.
//!
//! ```sh
//! cargo run --release -p aura --example cancel_request            # cancels after 100 ms
//! cargo run --release -p aura --example cancel_request -- 1000
//! ```
//!
//! `unsafe`, because the compiler cannot see that a buffer outlives its read.

use std::ffi::OsString;
use std::io::{PipeReader, Write};
use std::num::NonZero;
use std::os::fd::AsRawFd;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver};

use aura::{Buffer, Engine, Error, RequestHandle};
use support::{Outcome, check};

mod support;

const USAGE: &str = "\
usage: cancel_request [MILLISECONDS]

Reads from an empty pipe and cancels the read after so long (1 to 65535, default: 100).";

/// Nothing below takes this long, unless something is broken.
const PATIENCE_MS: i32 = 5000;

fn main() -> ExitCode {
    support::main(USAGE, cancel_request)
}

fn cancel_request(arguments: &[OsString]) -> Outcome {
    let delay_ms = match arguments {
        [] => 100,
        [delay] => support::number::<NonZero<u16>>(delay)?.get().into(),
        _ => return Err("it takes one number; try --help".into()),
    };
    // Declared before the engine, so closed after it: the descriptor stays good for every read.
    let (pipe, mut other_end) = std::io::pipe()?;
    let engine = Engine::new()?;

    println!("A read of an empty pipe");
    let (read, completion) = start_read(&engine, &pipe, engine.allocate_buffer(64)?)?;
    let nothing_came =
        matches!(engine.wait(delay_ms), Err(late) if late.errno() == libc::ETIMEDOUT);
    check("waits, and a wait with a timeout says so", nothing_came && read.pending())?;
    let fd = read.info().map(|info| info.fd);
    check("is known by its handle", fd == Some(pipe.as_raw_fd()))?;

    // Cancelling is a request: the operation ends by its callback, as every operation does. It
    // may even succeed, if data comes at that moment.
    engine.cancel_request(&read)?;
    engine.wait(PATIENCE_MS)?;
    let (result, buffer) = completion.try_recv()?;
    check("can be cancelled", matches!(result, Err(Error::Cancelled)))?;

    println!("Its handle, when it is over");
    check("says so", !read.pending() && read.info().is_none())?;
    let refusal = engine.cancel_request(&read).expect_err("there is nothing to cancel");
    check("cannot be cancelled again", refusal.errno() == libc::EALREADY)?;

    // The engine has used the place of the first read again, but the handle knows the difference.
    let (second_read, completion) = start_read(&engine, &pipe, buffer)?;
    let refused = engine.cancel_request(&read).is_err();
    check("does not name the next operation", refused && second_read.pending())?;

    println!("The next read of the pipe");
    other_end.write_all(b"hello")?;
    engine.wait(PATIENCE_MS)?;
    let (result, buffer) = completion.try_recv()?;
    check("gets what is written to it", &buffer.as_slice()[..result?] == b"hello")
}

type Completion = Receiver<(aura::Result<usize>, Buffer)>;

/// Starts to read; the result and the buffer come by the receiver.
fn start_read(
    engine: &Engine,
    pipe: &PipeReader,
    buffer: Buffer,
) -> aura::Result<(RequestHandle, Completion)> {
    let (memory, len) = (buffer.to_ref(), buffer.len());
    let (sender, completion) = mpsc::channel();
    let callback = move |result| {
        let _ = sender.send((result, buffer));
    };
    // SAFETY: the callback owns the buffer. So it lives until the callback runs, and nobody else
    // can touch it before the callback sends it back.
    let handle = unsafe { engine.read(pipe.as_raw_fd(), memory, len, 0, callback)? };
    Ok((handle, completion))
}
