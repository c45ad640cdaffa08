//! Reads a file with aligned buffers that are used again and again, and checks what it read.
//!
//! `cargo run -p aura-bufpool --example aligned_read`
//!
//! Two readers share one pool. The file is opened with `O_DIRECT` where the file system allows it,
//! which is what the alignment is for. At the end the pool must have nothing in use, and no more
//! memory than the readers needed at once.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    thread,
};

use aura_bufpool::{Pool, PoolOptions};
use rustix::fs::OFlags;

const BLOCK_BYTES: usize = 64 << 10;
const BLOCKS: u64 = 256;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut file = tempfile::NamedTempFile::new_in(".")?;
    for block in 0..BLOCKS {
        file.write_all(&vec![block as u8; BLOCK_BYTES])?;
    }
    file.as_file().sync_all()?;
    let (input, direct) = open(file.path())?;

    let pool = Pool::new(PoolOptions::new())?;
    let sums = thread::scope(|scope| {
        let readers = [0, 1].map(|reader| {
            let (pool, input) = (&pool, &input);
            scope.spawn(move || read_every_second(pool, input, reader))
        });
        readers.map(|reader| reader.join().expect("no panic"))
    });
    let mut sum = 0;
    for part in sums {
        sum += part?;
    }
    let expected: u64 = (0..BLOCKS).map(|block| (block as u8 as u64) * BLOCK_BYTES as u64).sum();
    assert_eq!(sum, expected, "every byte was read");

    let stats = pool.stats();
    assert_eq!((stats.allocated_buffers, stats.allocated_bytes), (0, 0));
    assert!(stats.high_water_buffers <= 2 && stats.committed_bytes <= 4 << 20, "{stats:?}");
    let given_back = pool.trim();
    assert_eq!(pool.stats().committed_bytes, 0);
    println!(
        "read {} MiB ({}) through {} KiB of buffers at most; trimmed {} KiB",
        (BLOCKS as usize * BLOCK_BYTES) >> 20,
        if direct { "O_DIRECT" } else { "buffered: no O_DIRECT here" },
        stats.high_water_bytes >> 10,
        given_back >> 10,
    );
    Ok(())
}

fn open(path: &Path) -> io::Result<(File, bool)> {
    let direct = OFlags::DIRECT.bits().cast_signed();
    match OpenOptions::new().read(true).custom_flags(direct).open(path) {
        Ok(file) => Ok((file, true)),
        Err(_) => File::open(path).map(|file| (file, false)),
    }
}

fn read_every_second(pool: &Pool, input: &File, first: u64) -> io::Result<u64> {
    let mut sum = 0;
    for block in (first..BLOCKS).step_by(2) {
        let mut buffer = pool.buffer(BLOCK_BYTES)?;
        input.read_exact_at(&mut buffer, block * BLOCK_BYTES as u64)?;
        sum += buffer.iter().map(|&byte| u64::from(byte)).sum::<u64>();
    }
    Ok(sum)
}
