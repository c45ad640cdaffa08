//! What the examples share: arguments and messages, files to work on, and waiting for room.

#![allow(dead_code, reason = "every example uses some of this, none uses all")]

mod driver;

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use aura::Engine;
#[allow(unused_imports, reason = "every example uses some of this, none uses all")]
pub(crate) use driver::{Driver, main_with_driver};
use tempfile::TempDir;

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// Why an example failed: the text of any error, or a sentence of its own.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    fn with_driver(self, name: &str) -> Self {
        Self(format!("{} (with the driver {name})", self.0))
    }

    /// With what it was about in front.
    pub(crate) fn about(self, path: &Path) -> Self {
        Self(format!("{}: {}", path.display(), self.0))
    }
}

/// So that `?` takes whatever has a text. (That is why a failure itself has none to display.)
impl<E: fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Runs an example with the arguments of the command line. `--help` prints the usage; an error
/// becomes one line on stderr and a failure of the process.
pub(crate) fn main(usage: &str, example: impl FnOnce(&[OsString]) -> Outcome) -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{usage}");
        return ExitCode::SUCCESS;
    }
    match example(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(why)) => {
            eprintln!("failed: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Submits by `attempt`, which is refused with `EAGAIN` while as much is in flight as the engine
/// thinks useful. Completions make room, so they are processed (callbacks run here), and it is
/// tried again.
///
/// The callback of a refused submission is dropped with everything that it owns. So every attempt
/// makes its own.
pub(crate) fn retry_at_limit<T>(
    engine: &Engine,
    mut attempt: impl FnMut() -> aura::Result<T>,
) -> aura::Result<T> {
    loop {
        match attempt() {
            Err(refused) if is_at_limit(&refused) => engine.wait(-1)?,
            submitted_or_failed => return submitted_or_failed,
        };
    }
}

/// Whether a submission was refused because of the in-flight limit.
pub(crate) fn is_at_limit(error: &aura::Error) -> bool {
    // An operation may fail with EAGAIN too; only a submission can be repeated because of it.
    matches!(error, aura::Error::Submission(_)) && error.errno() == libc::EAGAIN
}

/// Says what holds, or fails because it does not.
pub(crate) fn check(what: &str, holds: bool) -> Outcome {
    if !holds {
        return Err(format!("this should hold but does not: {what}").into());
    }
    println!("- {what}");
    Ok(())
}

/// The number that an argument stands for.
pub(crate) fn number<N: FromStr>(argument: &OsString) -> Result<N, String> {
    let number = argument.to_str().and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("{} is no number that fits; try --help", argument.display()))
}

/// Opens a file for reading; the error names it.
pub(crate) fn open(path: &Path) -> Result<File, String> {
    File::open(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Makes a file of `len` bytes as [`fill`] makes them.
pub(crate) fn make_sample(path: &Path, len: usize) -> Result<(), String> {
    let mut bytes = vec![0; len];
    fill(&mut bytes, 0);
    fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}

/// Makes samples of many lengths in several directories; returns how many bytes they have.
pub(crate) fn make_sample_tree(root: &Path, files: usize) -> Outcome<u64> {
    let mut bytes = 0;
    for index in 0..files {
        let directory = root.join(format!("directory{}", index % 7));
        fs::create_dir_all(&directory)?;
        let len = index * 3500;
        make_sample(&directory.join(format!("file{index}")), len)?;
        bytes += len as u64;
    }
    Ok(bytes)
}

/// The content of a sample at `offset`, where each 8 bytes are the offset that they belong to.
pub(crate) fn fill(bytes: &mut [u8], offset: u64) {
    for (position, byte) in (offset..).zip(bytes) {
        *byte = sample_byte(position);
    }
}

/// Whether `bytes` are the content of a sample at `offset`.
pub(crate) fn is_intact(bytes: &[u8], offset: u64) -> bool {
    (offset..).zip(bytes).all(|(position, byte)| *byte == sample_byte(position))
}

fn sample_byte(position: u64) -> u8 {
    let index = position % 8;
    (position - index).to_le_bytes()[index as usize]
}

/// The two ends of a copy.
pub(crate) struct CopyJob {
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
    /// Removes the files of a job without arguments.
    _folder: Option<TempDir>,
}

impl CopyJob {
    /// From `SOURCE TARGET`, or, without arguments, from a sample to another temporary file.
    pub(crate) fn from_arguments(arguments: &[OsString]) -> Outcome<Self> {
        let (source, target, folder) = match arguments {
            [source, target] => (PathBuf::from(source), PathBuf::from(target), None),
            [] => {
                let folder = tempfile::tempdir()?;
                let (source, target) = (folder.path().join("source"), folder.path().join("target"));
                make_sample(&source, (32 << 20) + 4321)?; // The last piece is shorter.
                (source, target, Some(folder))
            }
            _ => return Err("it takes SOURCE and TARGET, or nothing; try --help".into()),
        };
        if !open(&source)?.metadata()?.is_file() {
            return Err(format!("{}: not a regular file", source.display()).into());
        }
        // Creating the target would empty the source.
        if fs::canonicalize(&source)? == fs::canonicalize(&target).unwrap_or_default() {
            return Err("source and target are the same file".into());
        }
        Ok(Self { source, target, _folder: folder })
    }

    /// Compares the two files, without Aura.
    pub(crate) fn verify(&self) -> Outcome {
        let same = fs::read(&self.source)? == fs::read(&self.target)?;
        if same { Ok(()) } else { Err("the copy differs from its source".into()) }
    }
}

/// One line about bytes and the time that they took.
pub(crate) fn print_rate(what: &str, bytes: u64, elapsed: std::time::Duration) {
    let mib = bytes as f64 / f64::from(1 << 20);
    let rate = mib / elapsed.as_secs_f64();
    // Nobody may be reading; that is no failure of the example.
    let _ = writeln!(std::io::stdout(), "{what} {mib:.1} MiB in {elapsed:.1?}: {rate:.0} MiB/s");
}
