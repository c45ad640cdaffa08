//! `--bandwidth-log`: the bandwidth of all jobs together over time.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Error;
use crate::job::{Direction, PerDirection, Settings};

/// A line so often; fio writes as many as it renews its progress line.
const STEP: Duration = Duration::from_millis(500);

/// The log while it grows.
#[derive(Debug)]
pub(super) struct BandwidthLog {
    begun: Instant,
    noted: Instant,
    before: PerDirection<u64>,
    lines: PerDirection<String>,
}

impl BandwidthLog {
    /// `None` unless it is asked for.
    pub(super) fn new(settings: &Settings) -> Option<Self> {
        let now = Instant::now();
        settings.bandwidth_log.then(|| Self {
            begun: now,
            noted: now,
            before: PerDirection::default(),
            lines: PerDirection::default(),
        })
    }

    /// Adds lines if it is time; `bytes` are totals.
    pub(super) fn look(&mut self, bytes: PerDirection<u64>) {
        let elapsed = self.noted.elapsed();
        if elapsed < STEP {
            return;
        }
        for direction in Direction::ALL {
            let growth = bytes[direction].saturating_sub(self.before[direction]);
            let kib_per_s = (growth as f64 / elapsed.as_secs_f64() / 1024.0) as u64;
            let time_ms = self.begun.elapsed().as_millis();
            let number = direction as u8;
            self.lines[direction] += &format!("{time_ms}, {kib_per_s}, {number}, 0, 0\n");
        }
        self.before = bytes;
        self.noted = Instant::now();
    }

    /// Writes one file per direction, under fio's names.
    pub(super) fn write(&self, folder: Option<&Path>) -> Result<(), Error> {
        for (name, direction) in ["read", "write"].into_iter().zip(Direction::ALL) {
            let name = format!("agg-{name}_bw.log");
            let path = folder.map_or_else(|| name.clone().into(), |folder| folder.join(&name));
            let written = fs::write(&path, &self.lines[direction]);
            written.map_err(|error| Error::of("write", &path, &error))?;
        }
        Ok(())
    }
}
