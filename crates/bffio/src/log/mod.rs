//! fio's log files: one line per I/O, or per `log_avg_msec`.
//!
//! Lines are kept in memory while the job runs and written when it is over, as fio does: writing them
//! earlier would be I/O of its own.

mod series;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::job::{Direction, Logs, PerDirection};
use crate::stats::WorkerStats;
use crate::stats::bins::{BIN_COUNT, Bins};
use series::{Entry, Series};

/// Latencies in the order in which they are passed around.
const LATENCIES: [&str; 3] = ["slat", "clat", "lat"];
/// Rates and histograms are noted so often if `log_avg_msec` and `log_hist_msec` do not say.
const WINDOW_NS: u64 = 500_000_000;

/// The logs of a worker while it runs.
#[derive(Debug)]
pub(crate) struct Recorder {
    logs: Logs,
    begun_ns: u64,
    /// Since 1970, at the beginning.
    begun_unix_ms: u64,
    latencies: Option<[Series; 3]>,
    bandwidth: Option<Series>,
    iops: Option<Series>,
    /// The end of the window that rates are averaged over.
    rates_due_ns: u64,
    rates_since_ns: u64,
    rates_before: PerDirection<(u64, u64)>,
    histograms: Vec<(u64, Direction, Bins)>,
    histogram: PerDirection<Bins>,
    histogram_due_ns: u64,
}

impl Recorder {
    /// `None` if the job writes no logs.
    pub(crate) fn new(logs: &Logs, now_ns: u64) -> Option<Self> {
        let any = [&logs.bandwidth, &logs.iops, &logs.latency, &logs.histogram];
        if any.iter().all(|log| log.is_none()) {
            return None;
        }
        let average_ns = logs.average.map(|time| time.as_nanos() as u64).filter(|time| *time > 0);
        let series = || Series::new(average_ns, logs.maximum);
        let mut recorder = Self {
            logs: logs.clone(),
            begun_ns: now_ns,
            begun_unix_ms: crate::run::clock::unix_ms(),
            latencies: logs.latency.is_some().then(|| [series(), series(), series()]),
            bandwidth: logs.bandwidth.is_some().then(series),
            iops: logs.iops.is_some().then(series),
            rates_due_ns: 0,
            rates_since_ns: now_ns,
            rates_before: PerDirection::default(),
            histograms: Vec::new(),
            histogram: PerDirection::default(),
            histogram_due_ns: 0,
        };
        recorder.begin(now_ns);
        Some(recorder)
    }

    /// What came before does not count.
    pub(crate) fn begin(&mut self, now_ns: u64) {
        self.begun_ns = now_ns;
        self.begun_unix_ms = crate::run::clock::unix_ms();
        let latencies = self.latencies.iter_mut().flatten();
        latencies.chain(&mut self.bandwidth).chain(&mut self.iops).for_each(Series::clear);
        self.rates_since_ns = now_ns;
        self.rates_before = PerDirection::default();
        self.rates_due_ns = now_ns + self.rates_window_ns();
        self.histograms.clear();
        self.histogram = PerDirection::default();
        self.histogram_due_ns = now_ns + self.histogram_window_ns();
    }

    /// Notes an I/O with its latencies (submission, completion, total).
    pub(crate) fn io(
        &mut self,
        direction: Direction,
        now_ns: u64,
        latencies_ns: [u64; 3],
        length: u32,
        offset: u64,
    ) {
        let time_ms = (now_ns.saturating_sub(self.begun_ns)) / 1_000_000;
        let entry = |value| Entry { time_ms, value, direction, length, offset };
        if let Some(series) = &mut self.latencies {
            for (series, latency_ns) in series.iter_mut().zip(latencies_ns) {
                series.add(entry(latency_ns));
            }
        }
        if self.logs.average.is_none() {
            if let Some(bandwidth) = &mut self.bandwidth {
                // Bytes per nanosecond, times a million: what fio notes as the rate of one I/O.
                bandwidth.add(entry(u64::from(length) * 1_000_000 / latencies_ns[2].max(1)));
            }
            if let Some(iops) = &mut self.iops {
                iops.add(entry(1));
            }
        }
        if self.logs.histogram.is_some() {
            self.histogram[direction].add(latencies_ns[1]);
        }
    }

    /// Ends the windows that are over.
    pub(crate) fn look(&mut self, now_ns: u64, stats: &WorkerStats) {
        if now_ns >= self.rates_due_ns && self.logs.average.is_some() {
            self.note_rates(now_ns, stats);
        }
        if now_ns >= self.histogram_due_ns && self.logs.histogram.is_some() {
            self.note_histograms(now_ns);
        }
    }

    fn note_rates(&mut self, now_ns: u64, stats: &WorkerStats) {
        let elapsed_ms = ((now_ns - self.rates_since_ns) / 1_000_000).max(1);
        let time_ms = (now_ns.saturating_sub(self.begun_ns)) / 1_000_000;
        for direction in Direction::ALL {
            let counted = &stats.directions[direction];
            let totals = (counted.bytes, counted.ios);
            let (bytes, ios) = std::mem::replace(&mut self.rates_before[direction], totals);
            if counted.ios == 0 {
                continue;
            }
            let entry = |value| Entry { time_ms, value, direction, length: 0, offset: 0 };
            if let Some(bandwidth) = &mut self.bandwidth {
                bandwidth.push(entry((totals.0 - bytes) * 1000 / elapsed_ms / 1024));
            }
            if let Some(iops) = &mut self.iops {
                iops.push(entry((totals.1 - ios) * 1000 / elapsed_ms));
            }
        }
        self.rates_since_ns = now_ns;
        self.rates_due_ns += self.rates_window_ns();
    }

    fn note_histograms(&mut self, now_ns: u64) {
        let time_ms = (now_ns.saturating_sub(self.begun_ns)) / 1_000_000;
        for direction in Direction::ALL {
            let bins = std::mem::take(&mut self.histogram[direction]);
            if bins.total() > 0 {
                self.histograms.push((time_ms, direction, bins));
            }
        }
        self.histogram_due_ns += self.histogram_window_ns();
    }

    fn rates_window_ns(&self) -> u64 {
        self.logs.average.map_or(WINDOW_NS, |time| time.as_nanos() as u64).max(1)
    }

    fn histogram_window_ns(&self) -> u64 {
        self.logs.histogram_window.map_or(WINDOW_NS, |time| time.as_nanos() as u64).max(1)
    }

    /// Writes the files of worker `number` (from 1) into `folder`.
    ///
    /// # Errors
    ///
    /// What the system says, with the file's name.
    pub(crate) fn write(
        mut self,
        now_ns: u64,
        number: u32,
        folder: Option<&Path>,
    ) -> io::Result<()> {
        if self.logs.histogram.is_some() {
            self.note_histograms(now_ns);
        }
        let epoch_ms = if self.logs.unix_epoch { self.begun_unix_ms } else { 0 };
        let logs = &self.logs;
        let place = |prefix: &Option<PathBuf>, what: &str| {
            let prefix = prefix.as_deref()?.display();
            let suffix = if logs.per_job { format!(".{number}") } else { String::new() };
            let name = PathBuf::from(format!("{prefix}_{what}{suffix}.log"));
            Some(folder.map_or(name.clone(), |folder| folder.join(&name)))
        };
        let series = [("bw", &logs.bandwidth, self.bandwidth), ("iops", &logs.iops, self.iops)];
        let latencies = self.latencies.into_iter().flatten().zip(LATENCIES);
        let latencies = latencies.map(|(series, name)| (name, &logs.latency, Some(series)));
        for (name, prefix, series) in series.into_iter().chain(latencies) {
            if let (Some(path), Some(series)) = (place(prefix, name), series) {
                create(&path, |out| series.write(out, epoch_ms, logs.offset))?;
            }
        }
        if let Some(path) = place(&logs.histogram, "clat_hist") {
            let joined = 1 << logs.histogram_coarseness.min(6);
            create(&path, |out| write_histograms(out, &self.histograms, epoch_ms, joined))?;
        }
        Ok(())
    }
}

fn create(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let written = File::create(path).and_then(|file| {
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        out.flush()
    });
    written.map_err(|error| {
        io::Error::new(error.kind(), format!("the log {}: {error}", path.display()))
    })
}

/// One line per window: time, direction, 0 for a mix of sizes, then every bin.
fn write_histograms(
    out: &mut dyn Write,
    histograms: &[(u64, Direction, Bins)],
    epoch_ms: u64,
    joined: usize,
) -> io::Result<()> {
    for (time_ms, direction, bins) in histograms {
        write!(out, "{}, {}, 0", epoch_ms + time_ms, series::number(*direction))?;
        for neighbours in bins.counts()[..BIN_COUNT].chunks(joined) {
            write!(out, ", {}", neighbours.iter().sum::<u64>())?;
        }
        writeln!(out)?;
    }
    Ok(())
}
