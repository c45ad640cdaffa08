//! A file and a vector of bytes go through the same random steps, and stay the same.
//!
//! Callbacks, vectors, registered memory, futures and mapped memory take turns on the same file, so
//! that what one wrote the others read. After fsx (Apple, 1991). `AURA_SEED` repeats a run that failed,
//! `AURA_STEPS` makes it longer.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::mpsc::channel;

use aura::{BufferRef, Engine, File, Options, RequestHandle, Result, RingSelect, block_on, iovec};

use crate::support::{Random, direct_file, scratch, skip};

const STEPS: usize = 20_000;
const MAX: usize = 1 << 20;
const ALIGN: usize = 4096;

struct Twins {
    engine: Engine,
    fd: RawFd,
    /// The same file, for futures.
    file: File,
    /// Offsets and lengths are multiples of it.
    unit: usize,
    model: Vec<u8>,
    random: Random,
    /// A registered buffer.
    fixed: &'static mut [u8],
}

impl Twins {
    fn new(engine: Engine, file: &std::fs::File, unit: usize, seed: u64) -> Self {
        let bytes = Box::leak(vec![0u8; 65_536 + ALIGN].into_boxed_slice());
        let skip = bytes.as_ptr().align_offset(ALIGN);
        let fixed = &mut bytes[skip..][..65_536];
        // SAFETY: the memory lasts; Rust's side touches it only between operations.
        let whole = unsafe { std::slice::from_raw_parts_mut(fixed.as_mut_ptr(), fixed.len()) };
        // SAFETY: as above.
        unsafe { engine.register_buffers(&[whole]) }.unwrap();
        let (fd, file) = (file.as_raw_fd(), File::from_borrowed(&engine, file).unwrap());
        Self { engine, fd, file, unit, model: Vec::new(), random: Random::new(seed), fixed }
    }

    /// Submits, waits, and returns the result.
    fn carry_out(
        &self,
        submit: impl FnOnce(Box<dyn FnOnce(Result<usize>) + Send>) -> Result<RequestHandle>,
    ) -> usize {
        let (sender, results) = channel();
        submit(Box::new(move |result| sender.send(result).unwrap())).unwrap();
        self.engine.drain(60_000).unwrap();
        results.try_recv().expect("one result").unwrap()
    }

    fn range(&mut self, longest: usize) -> (usize, usize) {
        let at = self.random.below(MAX / self.unit) * self.unit;
        let longest = longest.min(MAX - at) / self.unit;
        (at, (1 + self.random.below(longest)) * self.unit)
    }

    fn write(&mut self, how: usize) {
        let (at, len) = self.range(65_536);
        let mut buffer = self.engine.allocate_buffer(len).unwrap();
        self.random.fill(buffer.as_mut_slice());
        if how == 2 {
            self.fixed[..len].copy_from_slice(buffer.as_slice());
        }
        let iov = split(buffer.as_mut_ptr(), len, self.unit);
        let written = if how == 3 {
            buffer = block_on(&self.engine, self.file.write_all_at(buffer, at as u64)).unwrap();
            len
        } else {
            // SAFETY: all memory outlives the operation.
            self.carry_out(|done| unsafe {
                match how {
                    0 => self.engine.write(self.fd, (&buffer).into(), len, at as i64, done),
                    1 => self.engine.writev(self.fd, &iov, at as i64, done),
                    _ => self.engine.write(self.fd, BufferRef::fixed(0, 0), len, at as i64, done),
                }
            })
        };
        assert_eq!(written, len);
        self.model.resize(self.model.len().max(at + len), 0);
        self.model[at..at + len].copy_from_slice(buffer.as_slice());
    }

    fn read(&mut self, how: usize) {
        let (at, len) = self.range(65_536);
        let mut buffer = self.engine.allocate_buffer(len).unwrap();
        let iov = split(buffer.as_mut_ptr(), len, self.unit);
        let read = if how == 3 {
            let awaited = block_on(&self.engine, self.file.read_at(buffer, at as u64));
            let (read, filled) = awaited.unwrap();
            buffer = filled;
            read
        } else {
            // SAFETY: all memory outlives the operation.
            self.carry_out(|done| unsafe {
                match how {
                    0 => self.engine.read(self.fd, (&buffer).into(), len, at as i64, done),
                    1 => self.engine.readv(self.fd, &iov, at as i64, done),
                    _ => self.engine.read(self.fd, BufferRef::fixed(0, 0), len, at as i64, done),
                }
            })
        };
        let expected = &self.model[at.min(self.model.len())..(at + len).min(self.model.len())];
        assert_eq!(read, expected.len(), "{len} at {at} of {}", self.model.len());
        let seen = if how == 2 { &self.fixed[..read] } else { &buffer.as_slice()[..read] };
        assert!(seen == expected, "{len} at {at} differ");
    }

    fn change_size(&mut self) {
        let size = self.random.below(MAX / self.unit) * self.unit;
        self.carry_out(|done| self.engine.ftruncate(self.fd, size as i64, done));
        self.model.resize(size, 0);
    }

    fn change_space(&mut self) {
        let (at, len) = self.range(131_072);
        let keep = libc::FALLOC_FL_KEEP_SIZE;
        let (mode, zeroes, grows) = match self.random.below(4) {
            0 => (libc::FALLOC_FL_PUNCH_HOLE | keep, true, false),
            1 => (libc::FALLOC_FL_ZERO_RANGE, true, true),
            2 => (keep, false, false),
            _ => (0, false, true),
        };
        let (fd, engine) = (self.fd, &self.engine);
        self.carry_out(|done| engine.fallocate(fd, mode, at as i64, len as i64, done));
        if grows {
            self.model.resize(self.model.len().max(at + len), 0);
        }
        if zeroes {
            let end = (at + len).min(self.model.len());
            self.model[at.min(end)..end].fill(0);
        }
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..40 => {
                let how = self.random.below(4);
                self.write(how);
            }
            40..85 => {
                let how = self.random.below(4);
                self.read(how);
            }
            85..90 => self.change_size(),
            90..95 => self.change_space(),
            95..97 if self.unit == 1 => self.use_mapping(),
            95..98 => drop(self.carry_out(|done| {
                self.engine.sync_file_range(self.fd, 0, 0, libc::SYNC_FILE_RANGE_WRITE, done)
            })),
            98 => drop(self.carry_out(|done| self.engine.fdatasync(self.fd, done))),
            _ => self.check_size(),
        }
    }

    /// Compares a part of the file by mapping it, and changes a byte of it there.
    fn use_mapping(&mut self) {
        let pages = self.model.len() / ALIGN;
        if pages == 0 {
            return;
        }
        let first = self.random.below(pages);
        let len = (1 + self.random.below((pages - first).min(16))) * ALIGN;
        let (at, access) = (first * ALIGN, libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: a new mapping of whole pages of the file, unmapped below.
        let start = unsafe {
            libc::mmap(std::ptr::null_mut(), len, access, libc::MAP_SHARED, self.fd, at as i64)
        };
        assert_ne!(start, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
        // SAFETY: the mapping is this function's, and nothing is in flight.
        let mapped = unsafe { std::slice::from_raw_parts_mut(start.cast::<u8>(), len) };
        let alike = *mapped == self.model[at..at + len];
        let place = self.random.below(len);
        mapped[place] ^= 0xff;
        self.model[at + place] = mapped[place];
        // SAFETY: mapped above, and not used any more.
        unsafe { libc::munmap(start, len) };
        assert!(alike, "{len} mapped at {at} differ");
    }

    fn check_size(&self) {
        // SAFETY: zeros are valid.
        let mut status: aura::statx = unsafe { std::mem::zeroed() };
        let into = &raw mut status;
        // SAFETY: `status` outlives the operation.
        self.carry_out(|done| unsafe {
            let (flags, mask) = (libc::AT_EMPTY_PATH, libc::STATX_SIZE);
            self.engine.statx(self.fd, c"", flags, mask, into, done)
        });
        assert_eq!(status.stx_size, self.model.len() as u64);
    }
}

/// Three parts of the memory, the middle one possibly empty.
fn split(start: *mut u8, len: usize, unit: usize) -> [iovec; 3] {
    let third = len / 3 / unit * unit;
    // SAFETY: offsets up to the length.
    let part = |at: usize, len| iovec { iov_base: unsafe { start.add(at) }.cast(), iov_len: len };
    [part(0, third), part(third, third), part(2 * third, len - 2 * third)]
}

fn run(name: &str, options: &Options, file: &std::fs::File, unit: usize) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let (seed, steps) = (number("AURA_SEED").unwrap_or(0x5eed), number("AURA_STEPS"));
    let engine = Engine::with_options(options).unwrap();
    let mut twins = Twins::new(engine, file, unit, seed);
    for step in 0..steps.map_or(STEPS, |steps| steps as usize) {
        let stepped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| twins.step()));
        if let Err(panic) = stepped {
            eprintln!("{name}: step {step} with AURA_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
    twins.check_size();
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    assert!(std::fs::read(path).unwrap() == twins.model, "{name}: the file in the end");
}

#[test]
fn a_file_goes_through_random_steps_like_a_vector() {
    let file = tempfile::tempfile_in(scratch()).unwrap();
    run("cached", &Options::new(), &file, 1);
}

#[test]
fn a_file_goes_through_random_steps_on_several_rings() {
    let file = tempfile::tempfile_in(scratch()).unwrap();
    let options = Options::new().ring_count(3).queue_depth(4).ring_select(RingSelect::RoundRobin);
    run("three rings", &options, &file, 1);
}

#[test]
fn a_file_goes_through_random_steps_without_the_page_cache() {
    let directory = tempfile::tempdir_in(scratch()).unwrap();
    match direct_file(directory.path()) {
        Some(file) => run("direct", &Options::new().ring_count(1), &file, ALIGN),
        None => skip("no O_DIRECT where the target folder is: no random steps without the cache"),
    }
}
