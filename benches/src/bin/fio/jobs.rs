//! Jobs at fixed depths: both programs in turns, ratios within each round.

use aura_bench::Error;
use aura_bench::summary::{LEAST_FOR_INTERVAL, median, median_interval};
use comfy_table::Table;
use indicatif::ProgressBar;
use serde::Serialize;

use crate::program::{Bench, Figures, Who};

/// What the jobs do.
const WORKLOADS: [(&str, &str); 4] =
    [("randread", "4k"), ("randwrite", "4k"), ("randrw", "4k"), ("read", "128k")];
/// Through the page cache, and past it.
const WAYS: [(&str, &str); 2] = [("cached", "--invalidate=0"), ("direct", "--direct=1")];

/// The ratio of IOPS that every job is to reach.
const PAR: f64 = 0.98;

/// Which jobs, and how often.
#[derive(Debug)]
pub(crate) struct Extent<'a> {
    pub(crate) depths: &'a [u32],
    pub(crate) rounds: u32,
    /// Only jobs whose name contains this.
    pub(crate) containing: &'a str,
}

/// All jobs.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    rows: Vec<Row>,
    /// Over all jobs.
    iops_ratio_median: f64,
    iops_ratio_min: f64,
    /// Jobs that are below [`PAR`] with 95 % confidence.
    below_par: Vec<String>,
}

/// One job.
#[derive(Debug, Serialize)]
struct Row {
    job: String,
    depth: u32,
    workers: u32,
    fio_iops: f64,
    bffio_iops: f64,
    /// bffio's over fio's: the median over the rounds.
    iops_ratio: f64,
    /// Where it lies with 95 % confidence; the range of the rounds if they are too few for that.
    iops_ratio_interval: (f64, f64),
    rounds: usize,
    p99_ratio: f64,
    /// CPU time per I/O.
    cpu_ratio: f64,
}

pub(crate) fn run(bench: &Bench, extent: &Extent<'_>) -> Result<Results, Error> {
    let mut jobs = Vec::new();
    for (way, option) in WAYS {
        for (rw, bs) in WORKLOADS {
            for &depth in extent.depths {
                for workers in [1, 2] {
                    jobs.push((format!("{way} {rw} {bs}"), option, rw, bs, depth, workers));
                }
            }
        }
    }
    jobs.retain(|(name, ..)| name.contains(extent.containing));
    if jobs.is_empty() {
        return Err(format!("no job's name contains {:?}", extent.containing).into());
    }
    let progress = ProgressBar::new(jobs.len() as u64); // Hidden without a terminal.
    let mut rows = Vec::with_capacity(jobs.len());
    for (job, option, rw, bs, depth, workers) in jobs {
        let options = [
            option.to_owned(),
            format!("--rw={rw}"),
            format!("--bs={bs}"),
            format!("--iodepth={depth}"),
            format!("--numjobs={workers}"),
        ];
        let options = options.each_ref().map(String::as_str);
        let mut pairs = Vec::new();
        for round in 0..extent.rounds {
            // Who begins changes, so that neither always follows the other.
            let mut turns = [Who::Fio, Who::Bffio];
            turns.rotate_left(round as usize % 2);
            let mut figures = turns.map(|who| (who, bench.turn(who, &options)));
            figures.rotate_left(round as usize % 2);
            let [(_, fio), (_, bffio)] = figures;
            pairs.push((fio?, bffio?));
        }
        rows.push(Row::new(job, depth, workers, &pairs));
        progress.inc(1);
    }
    progress.finish_and_clear();
    let ratios: Vec<f64> = rows.iter().map(|row| row.iops_ratio).collect();
    let results = Results {
        iops_ratio_median: median(&ratios),
        iops_ratio_min: ratios.iter().copied().fold(f64::INFINITY, f64::min),
        below_par: rows.iter().filter(|row| row.is_below_par()).map(Row::name).collect(),
        rows,
    };
    println!("{}", results.table());
    println!(
        "IOPS of bffio over fio: median {:.3}, smallest {:.3}",
        results.iops_ratio_median, results.iops_ratio_min
    );
    for job in &results.below_par {
        println!("below {PAR} with 95 % confidence: {job}");
    }
    Ok(results)
}

impl Row {
    fn new(job: String, depth: u32, workers: u32, pairs: &[(Figures, Figures)]) -> Self {
        let ratios = |value: fn(&Figures) -> f64| -> Vec<f64> {
            pairs.iter().map(|(fio, bffio)| value(bffio) / value(fio)).collect()
        };
        let iops = ratios(|figures| figures.ios_per_s);
        let median_of = |value: fn(&(Figures, Figures)) -> f64| {
            median(&pairs.iter().map(value).collect::<Vec<_>>())
        };
        Self {
            job,
            depth,
            workers,
            fio_iops: median_of(|(fio, _)| fio.ios_per_s),
            bffio_iops: median_of(|(_, bffio)| bffio.ios_per_s),
            iops_ratio: median(&iops),
            iops_ratio_interval: median_interval(&iops),
            rounds: iops.len(),
            p99_ratio: median(&ratios(|figures| figures.p99_ms)),
            cpu_ratio: median(&ratios(|figures| figures.cpu_percent / figures.ios_per_s)),
        }
    }

    fn name(&self) -> String {
        format!("{}, depth {}, workers {}", self.job, self.depth, self.workers)
    }

    fn is_below_par(&self) -> bool {
        self.rounds >= LEAST_FOR_INTERVAL && self.iops_ratio_interval.1 < PAR
    }
}

impl Results {
    fn table(&self) -> Table {
        let header = ["job", "depth", "workers", "fio IOPS", "bffio IOPS"];
        let mut table = aura_bench::table::new(
            header.into_iter().chain(["ratio", "interval", "p99 ratio", "CPU/IO ratio"]),
            &[0],
        );
        for row in &self.rows {
            table.add_row([
                row.job.clone(),
                row.depth.to_string(),
                row.workers.to_string(),
                format!("{:.0}", row.fio_iops),
                format!("{:.0}", row.bffio_iops),
                format!("{:.3}", row.iops_ratio),
                format!("{:.3}–{:.3}", row.iops_ratio_interval.0, row.iops_ratio_interval.1),
                format!("{:.2}", row.p99_ratio),
                format!("{:.2}", row.cpu_ratio),
            ]);
        }
        table
    }
}
