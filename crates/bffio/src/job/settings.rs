//! What concerns the run as a whole: reports, progress, permissions.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of a run, from the command line.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `--output=`: reports go there instead of standard output.
    pub output: Option<PathBuf>,
    /// `--output-format=`: in this order.
    pub formats: Vec<Format>,
    /// `--append-terse`: a terse line after the text report.
    pub append_terse: bool,
    /// `--readonly`: a job that writes is an error.
    pub readonly: bool,
    /// `--eta=`.
    pub eta: Eta,
    /// `--eta-newline=`: a new line so often.
    pub eta_newline: Option<Duration>,
    /// `--eta-interval=`: progress is renewed so often.
    pub eta_interval: Duration,
    /// `--status-interval=`: a full report so often.
    pub status_interval: Option<Duration>,
    /// `--aux-path=`: logs go there.
    pub aux_path: Option<PathBuf>,
    /// `--bandwidth-log`: `agg-read_bw.log` and `agg-write_bw.log` of all jobs together.
    pub bandwidth_log: bool,
    /// `--sweep`: the jobs at these depths one after the other, instead of their own.
    pub sweep: Option<Vec<u32>>,
    /// `--plot=`: where the picture goes.
    pub plot: Option<PathBuf>,
    /// `--live`: full-screen view while running.
    pub live: bool,
}

/// A form of report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// fio's text.
    Normal,
    /// fio's semicolon-separated line, version 3.
    Terse,
    /// fio's JSON.
    Json,
    /// fio's JSON with the bins of the latencies.
    JsonPlus,
}

/// When a progress line is shown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Eta {
    /// If standard error is a terminal and standard output gets nothing but text.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
