//! The smallest complete program: open a file, read from it, look at the bytes.
//!
//! ```sh
//! cargo run --release -p aura --example quickstart            # reads the program itself
//! cargo run --release -p aura --example quickstart -- FILE
//! ```
//!
//! With one driver instead of a choice, `main` is `aura::block_on(&engine, quickstart(..))`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use aura::{Engine, OpenOptions};
use support::Outcome;

mod support;

const USAGE: &str = "\
usage: quickstart [FILE] [--driver DRIVER]

Reads the first 4 KiB of FILE.";

fn main() -> ExitCode {
    support::main_with_driver(USAGE, |driver, arguments| {
        let path = match arguments {
            [] => std::env::current_exe()?,
            [path] => PathBuf::from(path),
            _ => return Err("it takes one file; try --help".into()),
        };
        let engine = Arc::new(Engine::new()?); // There is nothing to set up: it tunes itself.
        let reading = quickstart(Arc::clone(&engine), path.clone());
        driver.run(&engine, reading).map_err(|failure| failure.about(&path))
    })
}

async fn quickstart(engine: Arc<Engine>, path: PathBuf) -> Outcome {
    let file = engine.open(&path, OpenOptions::new().read(true)).await?;
    let buffer = engine.allocate_buffer(4096)?; // Aligned, from the engine's pool.

    // The buffer goes in and comes back. It is the operation's in between, so nobody can touch it,
    // and nothing goes wrong if this future is dropped here.
    let (bytes, buffer) = file.read_at(buffer, 0).await?;

    let data = &buffer.as_slice()[..bytes]; // Fewer than 4096 if the file is smaller.
    println!("read {bytes} bytes of {}", path.display());
    println!("{:?}", String::from_utf8_lossy(&data[..bytes.min(32)]));
    Ok(())
}
