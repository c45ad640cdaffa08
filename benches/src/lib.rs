//! What the benchmarks and the demo share: a file whose every byte can be checked, a description of
//! the machine, a way out on Ctrl-C, and statistics of repeated measurements.
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`content`] | the bytes of a test file as a function of their offset, and checking them |
//! | [`subject`] | the file that is read: made for the run, or the user's own |
//! | [`machine`] | what the figures were measured on |
//! | [`interrupt`] | leaving early and cleanly |
//! | [`row`] | a row of a benchmark, the raw io_uring loop, and Aura's callbacks |
//! | [`latency`] | latencies of a few operations out of many |
//! | [`table`] | tables of figures |
//! | [`units`] | sizes and times on the command line and in tables |
//! | [`summary`] | medians and spreads |
//! | [`report`] | writing JSON |

pub mod content;
mod disk;
pub mod interrupt;
pub mod latency;
pub mod machine;
pub mod report;
pub mod row;
pub mod subject;
pub mod summary;
pub mod table;
pub mod units;

use std::process::ExitCode;

/// The error of a program: something to print.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Bytes of every read. The unit in which disks, page cache and databases count.
pub const BLOCK_BYTES: usize = 4096;

/// A program ran and failed.
pub const EXIT_FAILURE: u8 = 1;
/// A program was interrupted: 128 + `SIGINT`, as shells report it.
pub const EXIT_INTERRUPTED: u8 = 130;

/// How a program ends: says what went wrong, and answers with the exit code for it.
pub fn conclude(result: Result<(), Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<interrupt::Interrupted>() => EXIT_INTERRUPTED.into(),
        Err(error) => {
            eprintln!("error: {error}");
            EXIT_FAILURE.into()
        }
    }
}

/// The code in the repository's front page and guide, which has to compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[doc = include_str!("../../CONTRIBUTING.md")]
#[derive(Debug)]
pub struct FrontPage;
