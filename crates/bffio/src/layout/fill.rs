//! Random data: fast, incompressible, and not the same twice in a file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes per call.
const CHUNK_BYTES: u64 = 1 << 20;

/// A stream of random bytes; SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub(crate) struct RandomBytes {
    state: u64,
}

impl RandomBytes {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next eight bytes.
    #[inline]
    pub(crate) fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Fills a buffer.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) {
        let mut words = buffer.chunks_exact_mut(8);
        for word in &mut words {
            word.copy_from_slice(&self.next_u64().to_le_bytes());
        }
        let rest = words.into_remainder();
        rest.copy_from_slice(&self.next_u64().to_le_bytes()[..rest.len()]);
    }
}

/// Writes random data from one offset to another.
///
/// # Errors
///
/// What the system says, and [`io::ErrorKind::Interrupted`] when the user wants out.
pub(super) fn fill(
    file: &File,
    from_bytes: u64,
    to_bytes: u64,
    interrupted: &AtomicBool,
) -> io::Result<()> {
    let mut random = RandomBytes::new(seed());
    let mut chunk = vec![0; CHUNK_BYTES as usize];
    let mut offset = from_bytes;
    while offset < to_bytes {
        if interrupted.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"));
        }
        random.fill(&mut chunk);
        let length = CHUNK_BYTES.min(to_bytes - offset);
        file.write_all_at(&chunk[..length as usize], offset)?;
        offset += length;
    }
    Ok(())
}

/// Another one each time.
pub(crate) fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
