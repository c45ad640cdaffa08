//! Where the work is done: a file of known content, descriptors that fail in known ways, and memory to be
//! registered.

use std::fs::{File, OpenOptions};
use std::io::{PipeReader, PipeWriter};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use aura_stress::random::Random;

use crate::blocks::{BLOCK_BYTES, Block, Blocks};

/// Blocks that are read and written.
const BLOCKS: usize = 4096;
/// Bytes of the file beyond them: the tail, which is never written and ends in the middle of a block.
pub(crate) const TAIL_BYTES: usize = 100;
/// Blocks of the file that is read past the page cache, whose unit of transfer is larger.
const DIRECT_BLOCKS: usize = 4096;
pub(crate) const DIRECT_BYTES: usize = 4096;
/// Places in the registered memory, one bit of a word each.
const PLACES: usize = 64;
/// A descriptor that is never open.
const CLOSED: RawFd = 1_000_000;

#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) blocks: Blocks,
    pub(crate) file: File,
    /// `None` where the file system has no direct I/O.
    pub(crate) direct: Option<File>,
    full: File,
    folder: File,
    nothing_mapped: File,
    read_only: File,
    pub(crate) stuck: PipeReader,
    /// Keeps the pipe's reader waiting.
    _stuck: PipeWriter,
    pub(crate) places: Places,
}

/// An operation that fails: on which descriptor, whether it writes, and with what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failing {
    pub(crate) fd: RawFd,
    pub(crate) writes: bool,
    pub(crate) errno: i32,
}

impl Site {
    pub(crate) fn set_up(folder: &Path) -> std::io::Result<Self> {
        let file = tempfile::tempfile_in(folder)?;
        let mut content = vec![0; (BLOCKS + 1) * BLOCK_BYTES];
        for (index, memory) in content.chunks_mut(BLOCK_BYTES).enumerate() {
            Block { index, generation: 0 }.fill(memory);
        }
        file.write_all_at(&content[..BLOCKS * BLOCK_BYTES + TAIL_BYTES], 0)?;
        let (stuck, _stuck) = std::io::pipe()?;
        Ok(Self {
            blocks: Blocks::new(BLOCKS),
            file,
            direct: direct_file(folder)?,
            full: OpenOptions::new().write(true).open("/dev/full")?,
            folder: File::open(folder)?,
            nothing_mapped: File::open("/proc/self/mem")?,
            read_only: File::open("/dev/null")?,
            stuck,
            _stuck,
            places: Places::new(),
        })
    }

    /// The tail of the file, as a block.
    pub(crate) fn tail(&self) -> Block {
        Block { index: BLOCKS, generation: 0 }
    }

    /// A block of the file that is read directly.
    pub(crate) fn direct_block(&self, random: &mut Random) -> Block {
        let index = random.index(DIRECT_BLOCKS) * (DIRECT_BYTES / BLOCK_BYTES);
        Block { index, generation: 0 }
    }

    pub(crate) fn failing(&self, random: &mut Random) -> Failing {
        let reads = |fd, errno| Failing { fd, writes: false, errno };
        let writes = |fd, errno| Failing { fd, writes: true, errno };
        random.of(&[
            reads(CLOSED, libc::EBADF),
            writes(CLOSED, libc::EBADF),
            writes(self.full.as_raw_fd(), libc::ENOSPC),
            reads(self.folder.as_raw_fd(), libc::EISDIR),
            // At offset 0 of a process's memory there is nothing.
            reads(self.nothing_mapped.as_raw_fd(), libc::EIO),
            writes(self.read_only.as_raw_fd(), libc::EBADF),
        ])
    }
}

fn direct_file(folder: &Path) -> std::io::Result<Option<File>> {
    let named = tempfile::NamedTempFile::new_in(folder)?;
    let mut memory = vec![0; DIRECT_BYTES];
    for index in 0..DIRECT_BLOCKS {
        let block = Block { index: index * (DIRECT_BYTES / BLOCK_BYTES), generation: 0 };
        block.fill(&mut memory);
        named.as_file().write_all_at(&memory, (index * DIRECT_BYTES) as u64)?;
    }
    named.as_file().sync_all()?;
    let direct = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(named.path());
    if let Err(error) = &direct {
        eprintln!("note: no direct I/O in {} ({error}): without direct reads", folder.display());
    }
    Ok(direct.ok())
}

/// Memory that engines register, in places that operations claim.
#[derive(Debug)]
pub(crate) struct Places {
    /// Never given back: an engine may leave an operation on it behind.
    memory: *mut u8,
    /// A bit for each place in use. Acquire and release: who claims sees what was there before.
    taken: AtomicU64,
}

// SAFETY: the memory lasts for ever, and each place is used by whoever has claimed it.
unsafe impl Send for Places {}
// SAFETY: as above.
unsafe impl Sync for Places {}

impl Places {
    fn new() -> Self {
        let memory = Box::leak(vec![0_u8; PLACES * BLOCK_BYTES].into_boxed_slice()).as_mut_ptr();
        Self { memory, taken: AtomicU64::new(0) }
    }

    /// All of it, to be registered.
    ///
    /// # Safety
    ///
    /// The slice is a name for the memory only: nobody reads or writes through it.
    pub(crate) unsafe fn whole(&self) -> &'static mut [u8] {
        // SAFETY: the memory lasts for ever, and the caller does not touch it.
        unsafe { std::slice::from_raw_parts_mut(self.memory, PLACES * BLOCK_BYTES) }
    }

    /// A place that nobody uses.
    pub(crate) fn claim(&self) -> Option<usize> {
        let taken = self.taken.load(Ordering::Relaxed);
        let place = (!taken).trailing_zeros() as usize;
        let is_free = place < PLACES
            && self.taken.fetch_or(1 << place, Ordering::Acquire) & (1 << place) == 0;
        is_free.then_some(place)
    }

    pub(crate) fn release(&self, place: usize) {
        self.taken.fetch_and(!(1 << place), Ordering::Release);
    }

    /// Where a place begins in the registered memory.
    pub(crate) fn offset(place: usize) -> usize {
        place * BLOCK_BYTES
    }

    /// The memory of a claimed place.
    ///
    /// # Safety
    ///
    /// The caller has claimed the place, and no operation on it is in flight.
    #[allow(clippy::mut_from_ref, reason = "a claim is the right to change the place")]
    pub(crate) unsafe fn memory(&self, place: usize) -> &mut [u8] {
        // SAFETY: inside the memory; the claim makes it the caller's alone.
        unsafe { std::slice::from_raw_parts_mut(self.memory.add(Self::offset(place)), BLOCK_BYTES) }
    }
}
