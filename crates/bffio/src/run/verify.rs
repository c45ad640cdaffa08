//! Blocks that can be checked: a header with what the block should be, and a checksum of the rest.
//!
//! A block is divided into intervals (`verify_interval=`), each with a header of its own:
//!
//! | bytes | what |
//! | --- | --- |
//! | 0–7 | magic |
//! | 8–11 | bytes of the interval |
//! | 12–15 | method |
//! | 16–23 | offset in the file |
//! | 24–31 | number of the write |
//! | 32–47 | checksum of the payload, zeros after it if it is shorter |

use std::collections::BTreeMap;

use md5::{Digest, Md5};

use super::workload::Step;
use crate::job::{Direction, Verify, VerifyMethod};
use crate::layout::RandomBytes;

const MAGIC: u64 = 0x6266_6669_6f76_6631;
/// Bytes of a header.
const HEADER_BYTES: usize = 48;
const CHECKSUM: std::ops::Range<usize> = 32..48;

/// Makes and checks the blocks of a worker.
#[derive(Debug)]
pub(super) struct Verifier {
    method: VerifyMethod,
    interval_bytes: Option<usize>,
    pattern: Vec<u8>,
    random: RandomBytes,
    /// A job that only reads checks what it reads: it was written by another.
    checks_plain_reads: bool,
    writes: u64,
    /// What was written and not checked yet: length by file and offset.
    written: BTreeMap<(u32, u64), u32>,
    to_check: Vec<Step>,
}

impl Verifier {
    /// `None` if nothing is to be verified.
    pub(super) fn new(verify: &Verify, writes: bool, seed: u64) -> Option<Self> {
        Some(Self {
            method: verify.method?,
            interval_bytes: verify.interval_bytes.map(|bytes| bytes as usize),
            pattern: verify.pattern.clone(),
            random: RandomBytes::new(seed),
            checks_plain_reads: !writes,
            writes: 0,
            written: BTreeMap::new(),
            to_check: Vec::new(),
        })
    }

    /// Fills a block that is about to be written at `offset`.
    pub(super) fn stamp(&mut self, block: &mut [u8], offset: u64) {
        self.writes += 1;
        if self.method == VerifyMethod::Pattern {
            return repeat(&self.pattern, block);
        }
        let interval_bytes = self.interval_bytes.unwrap_or(block.len()).max(HEADER_BYTES);
        for (index, interval) in block.chunks_mut(interval_bytes).enumerate() {
            if interval.len() < HEADER_BYTES {
                self.random.fill(interval);
                continue;
            }
            let (header, payload) = interval.split_at_mut(HEADER_BYTES);
            match &self.pattern[..] {
                [] => self.random.fill(payload),
                pattern => repeat(pattern, payload),
            }
            let offset = offset + (index * interval_bytes) as u64;
            let length = (HEADER_BYTES + payload.len()) as u32;
            header[..8].copy_from_slice(&MAGIC.to_le_bytes());
            header[8..12].copy_from_slice(&length.to_le_bytes());
            header[12..16].copy_from_slice(&(self.method as u32).to_le_bytes());
            header[16..24].copy_from_slice(&offset.to_le_bytes());
            header[24..32].copy_from_slice(&self.writes.to_le_bytes());
            header[CHECKSUM].copy_from_slice(&checksum(self.method, payload));
        }
    }

    /// Checks a block that was read at `offset`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn check(&self, block: &[u8], offset: u64) -> Result<(), String> {
        if self.method == VerifyMethod::Pattern {
            return self.check_pattern(block, offset);
        }
        let interval_bytes = self.interval_bytes.unwrap_or(block.len()).max(HEADER_BYTES);
        for (index, interval) in block.chunks(interval_bytes).enumerate() {
            if interval.len() >= HEADER_BYTES {
                self.check_interval(interval, offset + (index * interval_bytes) as u64)?;
            }
        }
        Ok(())
    }

    fn check_pattern(&self, block: &[u8], offset: u64) -> Result<(), String> {
        let wanted = self.pattern.iter().cycle();
        match block.iter().zip(wanted).position(|(byte, wanted)| byte != wanted) {
            None => Ok(()),
            Some(at) => Err(format!("not the pattern at offset {}", offset + at as u64)),
        }
    }

    fn check_interval(&self, interval: &[u8], offset: u64) -> Result<(), String> {
        let (header, payload) = interval.split_at(HEADER_BYTES);
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| header[at + byte]));
        let half = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| header[at + byte]));
        if word(0) != MAGIC {
            let found = word(0);
            return Err(format!("bad magic {found:#x}, wanted {MAGIC:#x}, at offset {offset}"));
        }
        if half(8) as usize != interval.len() {
            return Err(format!(
                "bad length {}, wanted {}, at offset {offset}",
                half(8),
                interval.len()
            ));
        }
        if word(16) != offset {
            return Err(format!("the block at offset {offset} is the one of offset {}", word(16)));
        }
        if half(12) != self.method as u32 {
            return Err(format!("the block at offset {offset} was written with another verify="));
        }
        if header[CHECKSUM] != checksum(self.method, payload) {
            return Err(format!("wrong {} at offset {offset}", name(self.method)));
        }
        Ok(())
    }

    /// A block was written and is to be checked later.
    pub(super) fn written(&mut self, step: &Step) {
        self.written.insert((step.file, step.offset), step.length);
    }

    /// Whether reads of the workload are checked.
    pub(super) fn checks_plain_reads(&self) -> bool {
        self.checks_plain_reads
    }

    /// How many blocks wait to be checked.
    pub(super) fn waiting(&self) -> usize {
        self.written.len()
    }

    /// From now on [`Verifier::next_check`] goes through what was written so far.
    pub(super) fn begin_check(&mut self) {
        let written = std::mem::take(&mut self.written).into_iter();
        let direction = Direction::Read;
        let steps =
            written.map(|((file, offset), length)| Step { direction, file, offset, length });
        self.to_check = steps.rev().collect();
    }

    /// The next block to read and check.
    pub(super) fn next_check(&mut self) -> Option<Step> {
        self.to_check.pop()
    }
}

/// Fills a buffer with a pattern, again and again.
pub(super) fn repeat(pattern: &[u8], buffer: &mut [u8]) {
    if !pattern.is_empty() {
        for part in buffer.chunks_mut(pattern.len()) {
            part.copy_from_slice(&pattern[..part.len()]);
        }
    }
}

fn checksum(method: VerifyMethod, payload: &[u8]) -> [u8; 16] {
    let mut sum = [0; 16];
    match method {
        VerifyMethod::Crc32c => sum[..4].copy_from_slice(&crc32c::crc32c(payload).to_le_bytes()),
        VerifyMethod::Md5 => sum.copy_from_slice(&Md5::digest(payload)),
        VerifyMethod::Meta | VerifyMethod::Pattern => {}
    }
    sum
}

fn name(method: VerifyMethod) -> &'static str {
    match method {
        VerifyMethod::Crc32c => "crc32c",
        VerifyMethod::Md5 => "md5",
        VerifyMethod::Meta => "header",
        VerifyMethod::Pattern => "pattern",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verifier(method: VerifyMethod, interval_bytes: Option<u64>) -> Verifier {
        let verify = Verify {
            method: Some(method),
            after_write: true,
            only: false,
            interval_bytes,
            pattern: Vec::new(),
            fatal: false,
            backlog: None,
            backlog_batch: None,
        };
        Verifier::new(&verify, true, 1).expect("there is a method")
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        for method in [VerifyMethod::Crc32c, VerifyMethod::Md5] {
            let mut verifier = verifier(method, Some(512));
            let mut block = vec![0; 2048];
            verifier.stamp(&mut block, 4096);
            assert_eq!(verifier.check(&block, 4096), Ok(()));
            for byte in (0..2048).filter(|byte| !(24..32).contains(&(byte % 512))) {
                block[byte] ^= 1;
                assert!(verifier.check(&block, 4096).is_err(), "{method:?}: byte {byte}");
                block[byte] ^= 1;
            }
        }
    }

    #[test]
    fn a_pattern_is_all_there_is() {
        let mut verifier = verifier(VerifyMethod::Pattern, None);
        verifier.pattern = b"abc".to_vec();
        let mut block = vec![0; 4096];
        verifier.stamp(&mut block, 8192);
        assert_eq!((&block[..4], verifier.check(&block, 0)), (&b"abca"[..], Ok(())));
        block[4000] ^= 1;
        let error = verifier.check(&block, 8192).expect_err("changed");
        assert!(error.contains("12192"), "{error}");
    }

    #[test]
    fn a_block_of_another_place_is_noticed() {
        let mut verifier = verifier(VerifyMethod::Meta, None);
        let mut block = vec![0; 4096];
        verifier.stamp(&mut block, 0);
        let error = verifier.check(&block, 4096).expect_err("misplaced");
        assert!(error.contains("4096") && error.contains("offset 0"), "{error}");
    }

    #[test]
    fn what_was_written_twice_is_checked_once() {
        let mut verifier = verifier(VerifyMethod::Crc32c, None);
        let step = |offset| Step { direction: Direction::Write, file: 0, offset, length: 512 };
        [512, 0, 512].into_iter().for_each(|offset| verifier.written(&step(offset)));
        verifier.begin_check();
        let offsets = std::iter::from_fn(|| verifier.next_check()).map(|step| step.offset);
        assert_eq!(offsets.collect::<Vec<_>>(), [0, 512]);
    }
}
