//! Why a worker ended before its time.

use std::io;
use std::path::Path;

use super::workload::Step;
use crate::job::Direction;

/// An error of a worker, as its report shows it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its number.
    pub errno: i32,
    /// What was being done.
    pub what: String,
}

impl Failure {
    pub(super) fn new(errno: i32, what: String) -> Self {
        Self { errno, what }
    }

    /// The number's own text.
    #[must_use]
    pub fn meaning(&self) -> String {
        meaning(self.errno)
    }

    #[cold]
    pub(super) fn of_engine(error: aura::Error) -> Self {
        Self::new(error.errno(), format!("engine: {error}"))
    }

    pub(super) fn of_file(doing: &str, path: &Path, error: &io::Error) -> Self {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        Self::new(errno, format!("{doing} {}: {error}", path.display()))
    }

    /// An I/O that failed; the sentence is fio's.
    pub(super) fn of_io(path: &Path, step: &Step, errno: i32) -> Self {
        let name = match step.direction {
            Direction::Read => "read",
            Direction::Write => "write",
        };
        let what = format!(
            "io_u error on file {}: {}: {name} offset={}, buflen={}",
            path.display(),
            meaning(errno),
            step.offset,
            step.length
        );
        Self::new(errno, what)
    }

    pub(super) fn too_late(step: &Step, latency_ns: u64) -> Self {
        let what = format!(
            "an I/O at offset {} took {:.3} ms, more than max_latency",
            step.offset,
            latency_ns as f64 / 1e6
        );
        Self::new(libc::ETIMEDOUT, what)
    }

    pub(super) fn too_slow(direction: Direction) -> Self {
        let option = match direction {
            Direction::Read => "reads",
            Direction::Write => "writes",
        };
        Self::new(libc::EIO, format!("{option} are slower than rate_min or rate_iops_min"))
    }

    pub(super) fn mismatch(path: &Path, mismatch: &str) -> Self {
        Self::new(libc::EILSEQ, format!("verify: {}: {mismatch}", path.display()))
    }
}

fn meaning(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    // The standard library appends the number.
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
