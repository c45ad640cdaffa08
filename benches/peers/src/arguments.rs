//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use aura_bench::subject::{self, Direct, Subject};
use aura_bench::{Error, units};
use clap::Parser;

use crate::peer::{BASELINE, PEERS, Peer};

/// 4 KiB random reads through Aura, a raw io_uring loop, and other libraries, side by side.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench peers")]
pub(crate) struct Arguments {
    /// Read this file, which is never written to, instead of making one
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Size of the file to make; it has to fit the page cache
    #[arg(long, value_name = "BYTES", default_value = "256MiB", value_parser = units::parse_size)]
    size: u64,
    /// Folder of the file to make [default: the target folder]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Seconds per row and depth, over all rounds
    #[arg(long, value_name = "S", default_value = "3", value_parser = units::parse_seconds)]
    pub(crate) seconds: Duration,
    /// Rounds; each row has one turn per depth in each
    #[arg(long, value_name = "R", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// Reads in flight
    #[arg(long = "depth", value_name = "D,..", value_delimiter = ',', default_values_t = [1, 32, 128], value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) depths: Vec<u32>,
    /// Reads that the raw loop and fio submit per system call
    #[arg(long, value_name = "B", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) batch: u32,
    /// Read past the page cache (O_DIRECT); by default reads are served by it
    #[arg(long)]
    direct: bool,
    /// Only these rows, besides the raw loop they are compared with
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', value_parser = PEERS.map(|peer| peer.name))]
    only: Vec<String>,
    /// Write settings and figures to a file as well
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

impl Arguments {
    /// The file to read.
    pub(crate) fn subject(&self) -> Result<Subject, Error> {
        let direct = if self.direct { Direct::Yes } else { Direct::No };
        match &self.file {
            Some(file) => Subject::take(file, direct),
            None => {
                let folder = self.dir.clone().unwrap_or_else(subject::default_folder);
                Subject::make(&folder, self.size, direct)
            }
        }
    }

    /// The rows to run.
    pub(crate) fn peers(&self) -> Vec<Peer> {
        let is_wanted = |name| self.only.is_empty() || self.only.iter().any(|only| only == name);
        PEERS.into_iter().filter(|peer| peer.name == BASELINE || is_wanted(peer.name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn names(arguments: &[&str]) -> Result<Vec<&'static str>, clap::Error> {
        let arguments = Arguments::try_parse_from([&["peers"], arguments].concat())?;
        Ok(arguments.peers().iter().map(|peer| peer.name).collect())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
        assert_eq!(names(&[]).expect("valid").len(), PEERS.len());
    }

    #[test]
    fn the_raw_loop_is_always_there_to_compare_with() {
        let names = names(&["--only", "monoio,aura-callback-single"]).expect("valid");
        assert_eq!(names, ["raw-plain", "aura-callback-single", "monoio"]);
    }

    #[test]
    fn an_unknown_row_is_refused_with_the_known_ones() {
        let error = names(&["--only", "tokio"]).expect_err("no such row").to_string();
        assert!(error.contains("tokio-blocking") && error.contains("monoio"), "{error}");
    }
}
