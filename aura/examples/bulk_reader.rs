//! Reads every file below a directory, as fast as the engine finds useful.
//!
//! ```sh
//! cargo run --release -p aura --example bulk_reader            # reads files of its own
//! cargo run --release -p aura --example bulk_reader -- DIRECTORY
//! ```
//!
//! Nothing here says how many reads should be in flight: the engine refuses more than it thinks
//! useful (`EAGAIN`), and then the reader waits for completions and goes on. Reads of files that
//! are in the page cache come back at once, so few of them are ever in flight.
//!
//! `unsafe`, because the compiler cannot see that a buffer outlives its read.

use std::ffi::OsString;
use std::fs::{self, File};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Instant;
use std::{fmt::Display, io};

use aura::{Buffer, Engine, Error};
use support::Outcome;

mod support;

const USAGE: &str = "\
usage: bulk_reader [DIRECTORY]

Reads all regular files below DIRECTORY (symbolic links are not followed) and reports the throughput.
Without DIRECTORY it reads 300 files of its own. Fails if a file cannot be read.";

/// Small enough that a full queue of pieces (1024 on each ring) is no trouble for the memory.
const PIECE_BYTES: u64 = 128 << 10;

fn main() -> ExitCode {
    support::main(USAGE, bulk_reader)
}

fn bulk_reader(arguments: &[OsString]) -> Outcome {
    let folder = tempfile::tempdir()?;
    let (root, sample_bytes) = match arguments {
        [] => (folder.path(), Some(support::make_sample_tree(folder.path(), 300)?)),
        [root] => (Path::new(root), None),
        _ => return Err("it takes one directory; try --help".into()),
    };
    let engine = Engine::new()?;
    let mut reader = Reader::new(&engine, sample_bytes.is_some());
    let started = Instant::now();
    reader.read_directory(root)?;
    reader.finish()?;

    let Reader { files, bytes, failures, .. } = reader;
    support::print_rate(&format!("{files} files,"), bytes, started.elapsed());
    print_tuning(&engine)?;
    if let Some(first) = failures.first() {
        return Err(format!("{} not read, the first: {first}", failures.len()).into());
    }
    match sample_bytes {
        Some(expected) if bytes != expected => Err(format!("expected {expected} bytes").into()),
        _ => Ok(()),
    }
}

/// A part of a file to read. The last one closes the file.
#[derive(Clone)]
struct Piece {
    file: Arc<File>,
    path: Arc<Path>,
    range: Range<u64>,
}

/// What a callback says: the piece, how it went, and the memory that the bytes are in.
type Completion = (Piece, aura::Result<usize>, Buffer);

struct Reader<'a> {
    engine: &'a Engine,
    /// Whether the files are samples, whose content is known.
    is_sample: bool,
    files: u64,
    bytes: u64,
    failures: Vec<String>,
    /// What the kernel did not read to the end.
    unfinished: Vec<Piece>,
    sender: Sender<Completion>,
    completions: Receiver<Completion>,
}

impl<'a> Reader<'a> {
    fn new(engine: &'a Engine, is_sample: bool) -> Self {
        let (sender, completions) = mpsc::channel();
        let (files, bytes, failures, unfinished) = (0, 0, Vec::new(), Vec::new());
        Self { engine, is_sample, files, bytes, failures, unfinished, sender, completions }
    }

    fn read_directory(&mut self, directory: &Path) -> aura::Result<()> {
        let entries = match self.open(|| fs::read_dir(directory))? {
            Ok(entries) => entries,
            Err(error) => {
                self.note_failure(directory, &error);
                return Ok(());
            }
        };
        for entry in entries {
            match entry.and_then(|entry| Ok((entry.file_type()?, entry.path()))) {
                Ok((kind, path)) if kind.is_dir() => self.read_directory(&path)?,
                Ok((kind, path)) if kind.is_file() => self.read_file(path)?,
                Ok(_) => {}
                Err(error) => self.note_failure(directory, &error),
            }
        }
        Ok(())
    }

    fn read_file(&mut self, path: PathBuf) -> aura::Result<()> {
        let opened = self.open(|| File::open(&path))?;
        let (file, len) = match opened.and_then(|file| Ok((file.metadata()?.len(), file))) {
            Ok((len, file)) => (Arc::new(file), len),
            Err(error) => {
                self.note_failure(&path, &error);
                return Ok(());
            }
        };
        self.files += 1;
        let path: Arc<Path> = path.into();
        for start in (0..len).step_by(PIECE_BYTES as usize) {
            let range = start..len.min(start + PIECE_BYTES);
            self.read(Piece { file: Arc::clone(&file), path: Arc::clone(&path), range })?;
        }
        // What is done already gives its buffer back, and has its latency measured, now.
        self.engine.poll()?;
        self.collect();
        Ok(())
    }

    /// Opens something, as soon as there is a descriptor for it: files stay open until they are
    /// read, so reading some helps.
    fn open<T>(&mut self, open: impl Fn() -> io::Result<T>) -> aura::Result<io::Result<T>> {
        loop {
            match open() {
                Err(error) if is_full(&error) && self.engine.pending_count() > 0 => self.wait()?,
                opened => return Ok(opened),
            }
        }
    }

    /// Submits, as soon as the engine lets it.
    fn read(&mut self, piece: Piece) -> aura::Result<()> {
        while let Err(error) = self.submit(piece.clone()) {
            match error {
                Error::Submission(io) if io.raw_os_error() == Some(libc::EAGAIN) => self.wait()?,
                error => return Err(error),
            }
        }
        Ok(())
    }

    fn submit(&self, piece: Piece) -> aura::Result<()> {
        let (fd, offset) = (piece.file.as_raw_fd(), piece.range.start as i64);
        let len = (piece.range.end - piece.range.start) as usize;
        let buffer = self.engine.allocate_buffer(len)?;
        let memory = buffer.to_ref();
        let sender = self.sender.clone();
        let callback = move |result| {
            // Callbacks are short. Whoever waits does the rest.
            let _ = sender.send((piece, result, buffer));
        };
        // SAFETY: the callback owns the buffer, and nobody else knows of it. (It also owns a share
        // of the file, so the descriptor stays that of the file until the kernel has seen it.)
        unsafe { self.engine.read(fd, memory, len, offset, callback) }?;
        Ok(())
    }

    /// Waits for what is in flight, and for what comes of it.
    fn finish(&mut self) -> aura::Result<()> {
        loop {
            while let Some(piece) = self.unfinished.pop() {
                self.read(piece)?;
            }
            if self.engine.pending_count() == 0 {
                return Ok(());
            }
            self.wait()?;
        }
    }

    fn wait(&mut self) -> aura::Result<()> {
        self.engine.wait(-1)?;
        self.collect();
        Ok(())
    }

    /// Checks and counts what was read.
    fn collect(&mut self) {
        while let Ok((mut piece, result, buffer)) = self.completions.try_recv() {
            match result {
                Ok(0) => {} // The file became shorter meanwhile.
                Ok(bytes) => {
                    let data = &buffer.as_slice()[..bytes];
                    if self.is_sample && !support::is_intact(data, piece.range.start) {
                        self.note_failure(&piece.path, &"wrong data");
                    }
                    self.bytes += bytes as u64;
                    piece.range.start += bytes as u64;
                    if !piece.range.is_empty() {
                        self.unfinished.push(piece);
                    }
                }
                Err(error) => self.note_failure(&piece.path, &error),
            }
        }
    }

    fn note_failure(&mut self, path: &Path, error: &dyn Display) {
        self.failures.push(format!("{}: {error}", path.display()));
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

fn print_tuning(engine: &Engine) -> aura::Result<()> {
    let stats = engine.stats()?;
    let (peak, limit) = (stats.peak_in_flight(), stats.optimal_in_flight());
    let (refused, p99_ms) = (stats.refused_at_limit(), stats.p99_latency_ms());
    println!("in flight: at most {peak}, limit {limit}, {refused} refused; p99 {p99_ms:.3} ms");
    for index in 0..engine.ring_count() {
        let ring = engine.ring_stats(index)?;
        let (reads, phase) = (ring.ops_completed(), ring.aimd_phase_name());
        println!("ring {index}: {reads} reads, limit {}, {phase}", ring.in_flight_limit());
    }
    Ok(())
}
