//! Writes three buffers as one record (gather), and reads the record into two others (scatter).
//!
//! ```sh
//! cargo run --release -p aura --example vectored_io                  # a file of its own
//! cargo run --release -p aura --example vectored_io -- NEW-FILE
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use aura::{Engine, OpenOptions};
use support::{Outcome, check};

mod support;

const USAGE: &str = "\
usage: vectored_io [FILE] [--driver DRIVER]

Writes a record to FILE, which must not exist yet, by one operation, and reads it by another.
Without FILE it uses a temporary one.";

const HEADER: &[u8] = b"a record of 100000 bytes follows\n";
const BODY_BYTES: usize = 100_000;
const TRAILER: &[u8] = b"\nend of record\n";

fn main() -> ExitCode {
    support::main_with_driver(USAGE, |driver, arguments| {
        let folder = tempfile::tempdir()?;
        let path = match arguments {
            [] => folder.path().join("record"),
            [path] => PathBuf::from(path),
            _ => return Err("it takes one file; try --help".into()),
        };
        let engine = Arc::new(Engine::new()?);
        driver.run(&engine, vectored_io(Arc::clone(&engine), path))
    })
}

async fn vectored_io(engine: Arc<Engine>, path: PathBuf) -> Outcome {
    let options = OpenOptions::new().read(true).write(true).create_new(true);
    let opened = engine.open(&path, options).await;
    let file = opened.map_err(|error| format!("{}: {error}", path.display()))?;

    let mut body = vec![0; BODY_BYTES];
    support::fill(&mut body, 0);
    let record = [HEADER, &body, TRAILER].concat();

    println!("Three buffers");
    // An array of buffers of one type, or a vector of them; they come back as they went in.
    let parts = [HEADER.to_vec(), body, TRAILER.to_vec()];
    let (written, parts) = file.writev_at(parts, 0).await?;
    check("were written as one record", written == record.len())?;
    check("came back", parts.concat() == record)?;
    check("are the file", std::fs::read(&path)? == record)?;

    println!("The record");
    // Cut elsewhere: that is up to the reader. Empty vectors are filled up to their capacity.
    let middle = record.len() / 2;
    let halves = [Vec::with_capacity(middle), Vec::with_capacity(record.len() - middle)];
    let (read, halves) = file.readv_at(halves, 0).await?;
    check("was read by one operation", read == record.len())?;
    check("was scattered over two buffers", halves.concat() == record)?;

    let bytes = engine.stats()?.bytes_transferred();
    check("took no more bytes than it has, both ways", bytes == 2 * record.len() as i64)
}
