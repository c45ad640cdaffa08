//! The smallest complete program: open a file, read from it, look at the bytes.
//!
//! ```sh
//! cargo run --release -p aura --example quickstart            # reads the program itself
//! cargo run --release -p aura --example quickstart -- FILE
//! ```
//!
//! `unsafe`, because the compiler cannot see that the buffer outlives the read.

use std::error::Error;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::mpsc;

use aura::Engine;

fn main() -> Result<(), Box<dyn Error>> {
    let path = match std::env::args_os().nth(1) {
        Some(argument) if argument == "--help" || argument == "-h" => {
            println!("usage: quickstart [FILE]\n\nReads the first 4 KiB of FILE.");
            return Ok(());
        }
        Some(argument) => PathBuf::from(argument),
        None => std::env::current_exe()?,
    };

    // Declared before the engine, so closed after it: the descriptor stays good for every read.
    let file = File::open(&path)?;

    let engine = Engine::new()?; // There is nothing to set up: it tunes itself.
    let buffer = engine.allocate_buffer(4096)?; // Aligned, from the engine's pool.
    let (memory, len) = (buffer.to_ref(), buffer.len());

    let (sender, completions) = mpsc::channel();
    // SAFETY: the callback owns the buffer. So it lives until the callback runs, and nobody else
    // can touch it before the callback sends it back.
    unsafe {
        engine.read(file.as_raw_fd(), memory, len, 0, move |result| {
            let _ = sender.send((result, buffer));
        })?;
    }
    engine.wait(-1)?; // Callbacks run in here, on this thread.

    let (result, buffer) = completions.recv()?;
    let bytes = &buffer.as_slice()[..result?]; // Fewer than 4096 if the file is smaller.
    println!("read {} bytes of {}", bytes.len(), path.display());
    println!("{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(32)]));
    Ok(())
}
