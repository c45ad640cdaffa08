//! Who may read or write which block of the file, and what must be in it.
//!
//! A block's content follows from its index and its *generation*, which each write raises. Any number of
//! operations may read a block at a time, or one may write it; so what a read must bring is known.
//!
//! # Synchronization
//!
//! One word per block: readers (low half), [`WRITER`], [`UNKNOWN`], and the generation above. It is claimed
//! by compare-and-swap with acquire, and released with release: what was written under a claim is seen by
//! the next one.

use std::sync::atomic::{AtomicU64, Ordering};

use aura_stress::random::{Random, mix};

/// Bytes of a block. Small, so that comparing all of them costs less than the read.
pub(crate) const BLOCK_BYTES: usize = 512;

const READERS: u64 = 0xffff;
const WRITER: u64 = 1 << 16;
/// A write was cancelled or failed: it may have happened in part. Only a write makes the block known again.
const UNKNOWN: u64 = 1 << 17;
const GENERATION_SHIFT: u32 = 32;

#[derive(Debug)]
pub(crate) struct Blocks {
    words: Box<[AtomicU64]>,
}

/// A block that an operation has claimed, and the generation that it reads or writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub(crate) index: usize,
    pub(crate) generation: u32,
}

impl Blocks {
    /// All of generation 0.
    pub(crate) fn new(count: usize) -> Self {
        Self { words: (0..count).map(|_| AtomicU64::new(0)).collect() }
    }

    /// A random block to read; `None` if those that were tried are being written.
    pub(crate) fn claim_read(&self, random: &mut Random) -> Option<Block> {
        self.claim(random, |word| (word & (WRITER | UNKNOWN) == 0).then_some(word + 1), 0)
    }

    /// A random block to write; `None` if those that were tried are in use.
    pub(crate) fn claim_write(&self, random: &mut Random) -> Option<Block> {
        self.claim(random, |word| (word & (WRITER | READERS) == 0).then_some(word | WRITER), 1)
    }

    fn claim(
        &self,
        random: &mut Random,
        claimed: impl Fn(u64) -> Option<u64>,
        generations_on: u32,
    ) -> Option<Block> {
        const ATTEMPTS: usize = 4;
        (0..ATTEMPTS).find_map(|_| {
            let index = random.index(self.words.len());
            let update =
                self.words[index].fetch_update(Ordering::Acquire, Ordering::Relaxed, &claimed);
            let generation = (update.ok()? >> GENERATION_SHIFT) as u32;
            Some(Block { index, generation: generation.wrapping_add(generations_on) })
        })
    }

    pub(crate) fn release_read(&self, block: Block) {
        self.words[block.index].fetch_sub(1, Ordering::Release);
    }

    /// The write is over: `known` if all of it happened for certain.
    pub(crate) fn release_write(&self, block: Block, known: bool) {
        let generation = u64::from(block.generation) << GENERATION_SHIFT;
        let word = if known { generation } else { generation | UNKNOWN };
        self.words[block.index].store(word, Ordering::Release);
    }

    /// Blocks that are claimed. Meaningful when nothing is in flight.
    pub(crate) fn claimed(&self) -> usize {
        let is_claimed = |word: &&AtomicU64| word.load(Ordering::Acquire) & (WRITER | READERS) != 0;
        self.words.iter().filter(is_claimed).count()
    }
}

impl Block {
    /// Where it is in the file.
    pub(crate) fn offset(self) -> u64 {
        (self.index * BLOCK_BYTES) as u64
    }

    /// Its words: neighbours differ, and so do places, blocks and generations.
    fn words(self) -> impl Iterator<Item = u64> {
        let first = mix(self.index as u64 ^ u64::from(self.generation) << GENERATION_SHIFT);
        (0..).map(move |place: u64| first.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Makes memory its content, from its beginning.
    pub(crate) fn fill(self, memory: &mut [u8]) {
        for (bytes, word) in memory.chunks_exact_mut(8).zip(self.words()) {
            bytes.copy_from_slice(&word.to_ne_bytes());
        }
    }

    /// Makes sure that memory does not hold its content before the read.
    pub(crate) fn spoil(self, memory: &mut [u8]) {
        for (bytes, word) in memory.chunks_exact_mut(8).zip(self.words()).step_by(16) {
            bytes.copy_from_slice(&(!word).to_ne_bytes());
        }
    }

    /// Where memory differs from the content's beginning.
    pub(crate) fn difference(self, memory: &[u8]) -> Option<usize> {
        let wrong = memory
            .chunks(8)
            .zip(self.words())
            .position(|(bytes, word)| bytes != &word.to_ne_bytes()[..bytes.len()]);
        wrong.map(|place| place * 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: Block = Block { index: 7, generation: 3 };

    fn filled(block: Block) -> [u8; BLOCK_BYTES] {
        let mut memory = [0; BLOCK_BYTES];
        block.fill(&mut memory);
        memory
    }

    #[test]
    fn another_block_and_another_generation_differ_and_so_does_a_single_bit() {
        let mut memory = filled(BLOCK);
        assert_eq!(BLOCK.difference(&memory), None);
        assert_eq!(BLOCK.difference(&memory[..100]), None, "a part of it");
        for other in [Block { index: 8, ..BLOCK }, Block { generation: 2, ..BLOCK }] {
            assert_eq!(other.difference(&memory), Some(0));
        }
        memory[99] ^= 4;
        assert_eq!(BLOCK.difference(&memory), Some(96));
        BLOCK.spoil(&mut memory);
        assert_eq!(BLOCK.difference(&memory), Some(0));
    }

    #[test]
    fn readers_share_and_a_writer_is_alone() {
        let (blocks, mut random) = (Blocks::new(1), Random::new(1));
        let [one, other] = [(); 2].map(|()| blocks.claim_read(&mut random).expect("no writer"));
        assert!(blocks.claim_write(&mut random).is_none());
        assert_eq!(blocks.claimed(), 1);
        blocks.release_read(one);
        assert!(blocks.claim_write(&mut random).is_none());
        blocks.release_read(other);
        let write = blocks.claim_write(&mut random).expect("nobody there");
        assert_eq!(write.generation, 1);
        assert!(blocks.claim_read(&mut random).is_none());
        blocks.release_write(write, true);
        assert_eq!(blocks.claim_read(&mut random).expect("known").generation, 1);
    }

    #[test]
    fn only_a_write_makes_an_unknown_block_known() {
        let (blocks, mut random) = (Blocks::new(1), Random::new(1));
        let write = blocks.claim_write(&mut random).expect("nobody there");
        blocks.release_write(write, false);
        assert!(blocks.claim_read(&mut random).is_none());
        let write = blocks.claim_write(&mut random).expect("nobody there");
        assert_eq!(write.generation, 2, "what may be there is of generation 1");
        blocks.release_write(write, true);
        assert!(blocks.claim_read(&mut random).is_some());
    }
}
