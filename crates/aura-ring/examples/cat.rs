//! Prints files through a ring, a few reads in flight at a time.
//!
//! `cargo run -p aura-ring --example cat -- [FILE...]` (default: this package's manifest)

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;

use aura_ring::{Cqe, Ring, RingConfig, Sqe, Target};

const CHUNK_BYTES: usize = 64 << 10;
const READS_IN_FLIGHT: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let mut paths: Vec<String> = std::env::args().skip(1).collect();
    if paths.is_empty() {
        paths.push(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into());
    }
    let ring = Ring::new(&RingConfig { entries: 8, ..RingConfig::default() })?;
    for path in paths {
        let expected = std::fs::metadata(&path)?.len();
        let copied = cat(&ring, &File::open(&path)?)?;
        if copied != expected {
            return Err(format!("{path}: {copied} of {expected} bytes").into());
        }
    }
    Ok(())
}

/// Copies a file to stdout and returns its length.
fn cat(ring: &Ring, file: &File) -> Result<u64, Box<dyn Error>> {
    // Never freed: when this function ends early, with an error, the kernel may still write to it.
    let chunks = vec![vec![0u8; CHUNK_BYTES]; READS_IN_FLIGHT].leak();
    let mut offset = 0;
    loop {
        for (index, chunk) in chunks.iter_mut().enumerate() {
            let start = offset + (index * CHUNK_BYTES) as u64;
            let read = Sqe::read(
                Target::Fd(file.as_raw_fd()),
                chunk.as_mut_ptr(),
                CHUNK_BYTES as u32,
                start,
            );
            // SAFETY: this thread alone pushes, and every read is reaped below before the chunks
            // are looked at or read into again.
            unsafe { ring.push(&read.user_data(index as u64))? };
        }
        let mut lengths = [0i32; READS_IN_FLIGHT];
        let mut open = READS_IN_FLIGHT;
        while open > 0 {
            ring.wait(None)?;
            let mut done = [Cqe::default(); READS_IN_FLIGHT];
            // SAFETY: this thread alone reaps.
            let count = unsafe { ring.reap(&mut done) };
            for cqe in &done[..count] {
                lengths[cqe.user_data as usize] = cqe.result;
            }
            open -= count;
        }
        for (chunk, length) in chunks.iter().zip(lengths) {
            let length =
                usize::try_from(length).map_err(|_| std::io::Error::from_raw_os_error(-length))?;
            std::io::stdout().write_all(&chunk[..length])?;
            offset += length as u64;
            if length < CHUNK_BYTES {
                return Ok(offset);
            }
        }
    }
}
