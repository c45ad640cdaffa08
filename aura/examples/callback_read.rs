//! The layer below the futures: a read with a callback, and a callback that submits the next one.
//!
//! ```sh
//! cargo run --release -p aura --example callback_read            # reads a file of its own
//! cargo run --release -p aura --example callback_read -- FILE
//! ```
//!
//! For event loops of one's own, and for bindings: no executor, no future, and the memory may be
//! anybody's. `unsafe` for that reason: the compiler cannot see that it outlives the operation.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

use aura::{Buffer, Engine};
use support::Outcome;

mod support;

const USAGE: &str = "\
usage: callback_read [FILE]

Reads FILE with one read in flight, each submitted by the callback of the one before.
Without FILE it reads 4 MiB of its own and checks them.";

const PIECE_BYTES: usize = 128 << 10;

fn main() -> ExitCode {
    support::main(USAGE, callback_read)
}

fn callback_read(arguments: &[OsString]) -> Outcome {
    let folder = tempfile::tempdir()?;
    let (path, is_sample) = match arguments {
        [] => (folder.path().join("sample"), true),
        [path] => (PathBuf::from(path), false),
        _ => return Err("it takes one file; try --help".into()),
    };
    if is_sample {
        support::make_sample(&path, 4 << 20)?;
    }
    // The descriptor must stay that of the file until every read has completed: the callbacks
    // have a share of it.
    let file = Arc::new(support::open(&path)?);
    let engine = Arc::new(Engine::new()?);
    let (sender, outcome) = mpsc::channel();
    let reader = Reader { engine: Arc::clone(&engine), file, is_sample, position: 0, sender };
    reader.read_on(engine.allocate_buffer(PIECE_BYTES)?);

    // Callbacks run in here, on this thread, until nothing is in flight.
    engine.drain(-1)?;
    let bytes = outcome.recv()?.map_err(|why| format!("{}: {why}", path.display()))?;
    println!("read {bytes} bytes of {}", path.display());
    match is_sample {
        true if bytes != 4 << 20 => Err("the end came too early".into()),
        _ => Ok(()),
    }
}

/// A read of the whole file, which hands itself from callback to callback.
struct Reader {
    engine: Arc<Engine>,
    file: Arc<File>,
    is_sample: bool,
    position: u64,
    sender: Sender<Result<u64, String>>,
}

impl Reader {
    fn read_on(self, buffer: Buffer) {
        let (engine, fd, offset) =
            (Arc::clone(&self.engine), self.file.as_raw_fd(), self.position as i64);
        let (memory, len, sender) = (buffer.to_ref(), buffer.len(), self.sender.clone());
        // SAFETY: the callback owns the buffer. So it lives until the callback runs, and nobody
        // else can touch it before.
        let submitted = unsafe {
            engine.read(fd, memory, len, offset, move |result| self.take_up(result, buffer))
        };
        // A refused submission does not call back, and drops the callback.
        if let Err(refused) = submitted {
            let _ = sender.send(Err(refused.to_string()));
        }
    }

    /// The callback.
    fn take_up(mut self, result: aura::Result<usize>, buffer: Buffer) {
        let over = match result {
            Err(error) => Err(error.to_string()),
            Ok(0) => Ok(self.position),
            Ok(bytes) if self.is_wrong(&buffer.as_slice()[..bytes]) => {
                Err(format!("wrong data at {}", self.position))
            }
            Ok(bytes) => {
                self.position += bytes as u64;
                return self.read_on(buffer);
            }
        };
        let _ = self.sender.send(over);
    }

    fn is_wrong(&self, data: &[u8]) -> bool {
        self.is_sample && !support::is_intact(data, self.position)
    }
}
