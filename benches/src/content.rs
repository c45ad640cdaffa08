//! The bytes of a test file as a function of their offset, and checking what a read brought.
//!
//! Every aligned 8-byte word of the file follows from its own offset, so any read from anywhere can be
//! checked, in full or at a few places, without keeping the file's content.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::{BLOCK_BYTES, Error};

const WORD_BYTES: usize = 8;
/// One read in so many is compared in full. A full comparison takes a few hundred nanoseconds, far
/// more than the fast check; at this rate it adds less than half a nanosecond to the average.
const FULL_EVERY: u64 = 1024;
/// Reads of a foreign file that are kept for comparison at the end.
const SAMPLES_MAX: usize = 4096;

/// Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014), the finaliser. A few
/// multiplications turn neighbouring numbers into unrelated ones.
#[inline]
#[must_use]
pub fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The word at a byte offset.
#[inline]
fn word_at(offset: u64) -> u64 {
    mix(offset / WORD_BYTES as u64)
}

/// Fills a buffer with the content at `offset`. Both are multiples of 8.
pub fn fill(offset: u64, buffer: &mut [u8]) {
    for (index, word) in buffer.chunks_exact_mut(WORD_BYTES).enumerate() {
        let at = offset + (index * WORD_BYTES) as u64;
        word.copy_from_slice(&word_at(at).to_le_bytes());
    }
}

/// Offsets of random blocks of a file, reproducible.
#[derive(Clone, Debug)]
pub struct RandomBlocks {
    blocks: u64,
    drawn: u64,
}

impl RandomBlocks {
    /// Blocks of a file of so many bytes, which is at least one block.
    #[must_use]
    pub fn new(file_bytes: u64, seed: u64) -> Self {
        Self { blocks: file_bytes / BLOCK_BYTES as u64, drawn: mix(seed) }
    }

    /// The next offset.
    #[inline]
    pub fn draw(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        // The high half of the product is uniform below `blocks`; cheaper than a division.
        let block = (u128::from(mix(self.drawn)) * u128::from(self.blocks)) >> 64;
        block as u64 * BLOCK_BYTES as u64
    }
}

/// Checks reads. Cheap enough for the inner loop of a benchmark: two words of each block, and one
/// block in 1024 as a whole.
#[derive(Clone, Debug)]
pub struct Verifier {
    is_ours: bool,
    checked: u64,
    /// Of a file that is not ours: offsets and digests of some blocks.
    samples: Vec<(u64, u64)>,
}

impl Verifier {
    /// For a file written by [`fill`] (`is_ours`), or for one of unknown content, where lengths are
    /// checked, and some blocks against an ordinary read at the end.
    #[must_use]
    pub fn new(is_ours: bool) -> Self {
        Self { is_ours, checked: 0, samples: Vec::new() }
    }

    /// Checks one block.
    ///
    /// # Errors
    ///
    /// Where the first difference is.
    #[inline]
    pub fn check(&mut self, offset: u64, block: &[u8; BLOCK_BYTES]) -> Result<(), Error> {
        self.checked += 1;
        let looks_whole = self.checked.is_multiple_of(FULL_EVERY);
        if self.is_ours {
            // The first word says which block it is; the other one wanders through the block.
            let wandering = (self.checked as usize * WORD_BYTES) % BLOCK_BYTES;
            if !word_is_right(offset, block, 0) || !word_is_right(offset, block, wandering) {
                return Err(wrong_content(offset, block));
            }
        }
        if looks_whole { self.look_closer(offset, block) } else { Ok(()) }
    }

    /// Checks one block as a whole, or keeps some of it for [`finish`](Self::finish).
    ///
    /// # Errors
    ///
    /// Where the first difference is.
    #[cold]
    pub fn look_closer(&mut self, offset: u64, block: &[u8; BLOCK_BYTES]) -> Result<(), Error> {
        if self.is_ours {
            if first_difference(offset, block).is_some() {
                return Err(wrong_content(offset, block));
            }
        } else if self.samples.len() < SAMPLES_MAX {
            self.samples.push((offset, digest(block)));
        }
        Ok(())
    }

    /// Whether the content follows from offsets.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.is_ours
    }

    /// How many blocks were checked.
    #[must_use]
    pub fn checked(&self) -> u64 {
        self.checked
    }

    /// What the checks consist of, for the report.
    #[must_use]
    pub fn description(&self) -> &'static str {
        if self.is_ours {
            "every read: its length and two words of content; one in 1024: every byte"
        } else {
            "every read: its length; one in 1024 (up to 4096): every byte against an ordinary read"
        }
    }

    /// Reads the kept samples of a foreign file again, the ordinary way, and compares.
    ///
    /// # Errors
    ///
    /// The offset of a block that differs, or the read's own error.
    pub fn finish(&mut self, file: &File) -> Result<(), Error> {
        let mut block = [0; BLOCK_BYTES];
        for (offset, expected) in self.samples.drain(..) {
            file.read_exact_at(&mut block, offset)?;
            if digest(&block) != expected {
                return Err(format!(
                    "the block at {offset} differs from an ordinary read; \
                     does somebody write to the file?"
                )
                .into());
            }
        }
        Ok(())
    }
}

#[inline]
fn word_is_right(offset: u64, block: &[u8; BLOCK_BYTES], at: usize) -> bool {
    let mut word = [0; WORD_BYTES];
    word.copy_from_slice(&block[at..at + WORD_BYTES]);
    u64::from_le_bytes(word) == word_at(offset + at as u64)
}

#[cold]
fn first_difference(offset: u64, block: &[u8; BLOCK_BYTES]) -> Option<usize> {
    (0..BLOCK_BYTES).step_by(WORD_BYTES).find(|at| !word_is_right(offset, block, *at))
}

#[cold]
fn wrong_content(offset: u64, block: &[u8; BLOCK_BYTES]) -> Error {
    let at = first_difference(offset, block).unwrap_or_default();
    format!("the read at {offset} brought wrong content from its byte {at} on").into()
}

fn digest(block: &[u8; BLOCK_BYTES]) -> u64 {
    block.chunks_exact(WORD_BYTES).fold(0, |digest, chunk| {
        let mut word = [0; WORD_BYTES];
        word.copy_from_slice(chunk);
        mix(digest ^ u64::from_le_bytes(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_at(offset: u64) -> [u8; BLOCK_BYTES] {
        let mut block = [0; BLOCK_BYTES];
        fill(offset, &mut block);
        block
    }

    #[test]
    fn content_does_not_depend_on_how_it_is_cut() {
        let mut twice = [0; 2 * BLOCK_BYTES];
        fill(8 * BLOCK_BYTES as u64, &mut twice);
        assert_eq!(twice[..BLOCK_BYTES], block_at(8 * BLOCK_BYTES as u64));
        assert_eq!(twice[BLOCK_BYTES..], block_at(9 * BLOCK_BYTES as u64));
    }

    #[test]
    fn a_block_from_elsewhere_is_noticed_at_once() {
        let mut verifier = Verifier::new(true);
        assert!(verifier.check(4096, &block_at(4096)).is_ok());
        assert!(verifier.check(8192, &block_at(4096)).is_err());
        assert!(verifier.check(8192, &[0; BLOCK_BYTES]).is_err());
    }

    #[test]
    fn a_single_wrong_byte_is_noticed_by_the_full_comparison() {
        let mut verifier = Verifier::new(true);
        let mut block = block_at(4096);
        block[2049] ^= 1;
        let noticed = (0..FULL_EVERY).filter(|_| verifier.check(4096, &block).is_err()).count();
        // 1024 checks are two rounds of the wandering word, and end with a full comparison.
        assert_eq!(noticed, 3);
        let error = verifier.check(4096, &block_at(0)).expect_err("wrong block");
        assert!(error.to_string().contains("4096"), "{error}");
    }

    #[test]
    fn a_foreign_file_is_compared_at_the_end() {
        let file = tempfile::tempfile().expect("a temporary file");
        let content = block_at(77 * 4096);
        file.write_all_at(&content, 0).expect("writable");
        let mut verifier = Verifier::new(false);
        (0..FULL_EVERY).for_each(|_| verifier.check(0, &content).expect("unknown content"));
        verifier.finish(&file).expect("the same content");
        (0..FULL_EVERY).for_each(|_| verifier.check(0, &block_at(0)).expect("unknown content"));
        verifier.finish(&file).expect_err("other content");
    }

    #[test]
    fn random_blocks_lie_in_the_file_and_reach_all_of_it() {
        let mut blocks = RandomBlocks::new(10 * BLOCK_BYTES as u64 + 5, 1);
        let mut seen = [false; 10];
        for _ in 0..1000 {
            let offset = blocks.draw() as usize;
            assert_eq!(offset % BLOCK_BYTES, 0);
            seen[offset / BLOCK_BYTES] = true;
        }
        assert_eq!(seen, [true; 10]);
    }
}
