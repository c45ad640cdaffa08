//! Running either program, and what its report says.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use aura_bench::Error;
use aura_bench::interrupt::{self, Interrupted};
use serde_json::Value;
use tempfile::TempDir;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Who {
    Fio,
    Bffio,
}

/// The file that both work on, and how long a turn is.
#[derive(Debug)]
pub(crate) struct Bench {
    folder: TempDir,
    bffio: PathBuf,
    size: u64,
    pub(crate) turn: Duration,
    /// What does not count, before each turn.
    pub(crate) ramp: Duration,
}

/// What a report says of its only job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) ios_per_s: f64,
    /// Of both directions the worse.
    pub(crate) p99_ms: f64,
    /// Of all workers.
    pub(crate) cpu_percent: f64,
    /// What was in flight, or what a search found.
    pub(crate) depth: u64,
    pub(crate) runtime_s: f64,
    /// How long bffio's search took.
    pub(crate) found_after_s: Option<f64>,
}

/// fio's version, or what to do if there is none.
pub(crate) fn fio_version() -> Result<String, Error> {
    let output = Command::new("fio").arg("--version").output();
    let output = output.map_err(|error| format!("no fio here ({error}): apt-get install fio"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Bench {
    /// Lays the file out.
    pub(crate) fn prepare(
        folder: &Path,
        size: u64,
        turn: Duration,
        ramp: Duration,
    ) -> Result<Self, Error> {
        let folder = tempfile::Builder::new().prefix("bench-fio-").tempdir_in(folder)?;
        let bffio = std::env::current_exe()?.with_file_name("bffio");
        if !bffio.exists() {
            let path = bffio.display();
            return Err(format!("no {path}: cargo build --release --package bffio").into());
        }
        let bench = Self { folder, bffio, size, turn, ramp };
        // Laid out around the page cache; this reads it into the cache as well, where some jobs expect it.
        bench.run(Who::Bffio, &["--rw=read", "--bs=1m", "--invalidate=0"])?;
        Ok(bench)
    }

    /// The folder that logs go to.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// One job, for one turn unless the options say otherwise.
    pub(crate) fn turn(&self, who: Who, options: &[&str]) -> Result<Figures, Error> {
        let runtime = format!("--runtime={}ms", self.turn.as_millis());
        let ramp = format!("--ramp_time={}ms", self.ramp.as_millis());
        self.run(who, &[&["--time_based", &runtime, &ramp], options].concat())
    }

    /// One job.
    pub(crate) fn run(&self, who: Who, options: &[&str]) -> Result<Figures, Error> {
        if interrupt::requested() {
            return Err(Interrupted.into());
        }
        let mut command = match who {
            Who::Fio => Command::new("fio"),
            Who::Bffio => Command::new(&self.bffio),
        };
        command.args(["--name=bench", "--filename=file", "--ioengine=io_uring"]);
        command.args(["--thread", "--group_reporting", "--randrepeat=0", "--norandommap"]);
        command.args(["--lat_percentiles=1", "--output-format=json"]);
        command.arg(format!("--size={}", self.size)).args(options);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{command:?}: {}: {said}", output.status).into());
        }
        figures(&output.stdout).ok_or_else(|| format!("{command:?}: no figures in it").into())
    }
}

fn figures(report: &[u8]) -> Option<Figures> {
    // fio writes notes before it.
    let begin = report.iter().position(|byte| *byte == b'{')?;
    let report: Value = serde_json::from_slice(&report[begin..]).ok()?;
    let job = report["jobs"].as_array()?.first()?;
    let directions = ["read", "write"].map(|name| &job[name]);
    let p99 = |direction: &&Value| direction["lat_ns"]["percentile"]["99.000000"].as_f64();
    let cpu = |name: &str| job[name].as_f64();
    let runtimes = directions.iter().filter_map(|direction| direction["runtime"].as_f64());
    let search = &job["AuraIO"]["search"]["time_to_converge_ms"];
    Some(Figures {
        ios_per_s: directions.iter().filter_map(|direction| direction["iops"].as_f64()).sum(),
        p99_ms: directions.iter().filter_map(p99).fold(0.0, f64::max) / 1e6,
        cpu_percent: cpu("usr_cpu")? + cpu("sys_cpu")?,
        depth: job["latency_depth"].as_u64()?,
        runtime_s: runtimes.fold(0.0, f64::max) / 1e3,
        found_after_s: search.as_f64().map(|ms| ms / 1e3),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_behind_notes() {
        let report = br#"note
            {"jobs": [{"read": {"iops": 10.5, "runtime": 2000, "lat_ns": {"percentile": {"99.000000": 2000000}}},
              "write": {"iops": 1.5, "runtime": 2000, "lat_ns": {"percentile": {"99.000000": 3000000}}},
              "usr_cpu": 1.0, "sys_cpu": 2.0, "latency_depth": 7}]}"#;
        let figures = figures(report).expect("all there");
        assert_eq!((figures.ios_per_s, figures.p99_ms, figures.depth), (12.0, 3.0, 7));
        assert_eq!((figures.cpu_percent, figures.runtime_s), (3.0, 2.0));
        assert_eq!(figures.found_after_s, None);
        assert!(super::figures(b"{}").is_none());
    }
}
