//! Searches for the depth that keeps a target: how long they take, what they find, and whether it keeps.
//!
//! The truth is the fixed depth with the most I/Os per second among those whose p99 keeps the target,
//! found by trying. fio's search ends with a depth, which is then held; `latency_run=1` adjusts it for as
//! long as the job runs, and never says that it is done: it is given the time that the others need to
//! search, and judged after that.

use std::time::Duration;

use aura_bench::Error;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::program::{Bench, Figures, Who};
use crate::windows::{WINDOW, over_percent, p99s};

/// Depths of the truth.
const DEPTHS: [u32; 14] = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256];
/// fio's searches may go up to this.
const DEPTH_MAX: u32 = 256;
/// How long what was found is held and judged.
const HOLD: Duration = Duration::from_secs(5);
/// How long a search may take before it is judged.
const SEARCH: Duration = Duration::from_secs(5);

/// All searches.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    searches: Vec<Search>,
}

/// One way to find an answer to one target.
#[derive(Debug, Serialize)]
struct Search {
    target_ms: f64,
    how: &'static str,
    depth: u64,
    answered_after_s: Option<f64>,
    iops: f64,
    /// Of the truth's.
    iops_share: f64,
    p99_ms: f64,
    windows_over_percent: f64,
}

pub(crate) fn run(bench: &Bench, targets: &[Duration]) -> Result<Results, Error> {
    let mut searches = Vec::new();
    for &target in targets {
        searches.extend(of_target(bench, target)?);
    }
    let results = Results { searches };
    println!("{}", results.table());
    Ok(results)
}

fn of_target(bench: &Bench, target: Duration) -> Result<Vec<Search>, Error> {
    let limits = [
        format!("--latency_target={}us", target.as_micros()),
        "--latency_percentile=99".into(),
        format!("--latency_window={}ms", WINDOW.as_millis()),
    ];
    let limits = limits.each_ref().map(String::as_str);

    let mut sweep = Vec::new();
    for depth in DEPTHS {
        sweep.push((depth, bench.turn(Who::Fio, &direct(&[&format!("--iodepth={depth}")]))?));
    }
    let kept = |figures: &Figures| figures.p99_ms <= target.as_secs_f64() * 1e3;
    let best = sweep.iter().filter(|(_, figures)| kept(figures));
    let best = best.max_by(|a, b| a.1.ios_per_s.total_cmp(&b.1.ios_per_s));
    let best = best.map_or(DEPTHS[0], |(depth, _)| *depth);
    let sweep_s = bench.turn.as_secs_f64() * DEPTHS.len() as f64;

    let most = format!("--iodepth={DEPTH_MAX}");
    // The search's own end is what is timed; a runtime only guards against none.
    let guard = format!("--runtime={}", (SEARCH * 12).as_secs());
    let options = [&limits[..], &[&most, &guard, "--time_based"]].concat();
    let found = bench.run(Who::Fio, &direct(&options))?;

    let asked = format!("--target-p99={}us", target.as_micros());
    let runtime = format!("--runtime={}", (SEARCH + HOLD).as_secs());
    let ours = held(bench, Who::Bffio, &[&asked, &runtime], Duration::ZERO, target)?;
    let options = [&limits[..], &[&most, &runtime, "--latency_run=1"]].concat();
    let running = held(bench, Who::Fio, &options, SEARCH, target)?;
    let hold = format!("--runtime={}", HOLD.as_secs());
    let depth = format!("--iodepth={}", found.depth);
    let fio = held(bench, Who::Fio, &[&depth, &hold], Duration::ZERO, target)?;
    let depth = format!("--iodepth={best}");
    let truth = held(bench, Who::Fio, &[&depth, &hold], Duration::ZERO, target)?;

    let row = |how, (figures, over): (Figures, f64), answered_after_s| Search {
        target_ms: target.as_secs_f64() * 1e3,
        how,
        depth: figures.depth,
        answered_after_s,
        iops: figures.ios_per_s,
        iops_share: figures.ios_per_s / truth.0.ios_per_s,
        p99_ms: figures.p99_ms,
        windows_over_percent: over,
    };
    Ok(vec![
        row("bffio --target-p99", ours, ours.0.found_after_s),
        row("fio latency_target", fio, Some(found.runtime_s)),
        row("fio latency_run=1", running, None),
        row("trying depths", truth, Some(sweep_s)),
    ])
}

/// Runs a job that keeps its depth or adjusts it, and judges its windows after `from`.
fn held(
    bench: &Bench,
    who: Who,
    options: &[&str],
    from: Duration,
    target: Duration,
) -> Result<(Figures, f64), Error> {
    let window = format!("--log_hist_msec={}", WINDOW.as_millis());
    let logs = ["--time_based", "--write_hist_log=windows", &window];
    let figures = bench.run(who, &direct(&[options, &logs].concat()))?;
    let windows = p99s(&bench.folder().join("windows_clat_hist.1.log"))?;
    let judged: Vec<_> = windows.into_iter().filter(|(time, _)| *time >= from).collect();
    Ok((figures, over_percent(&judged, target)))
}

fn direct<'o>(options: &[&'o str]) -> Vec<&'o str> {
    [&["--rw=randread", "--bs=4k", "--direct=1"], options].concat()
}

impl Results {
    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        let header = ["target", "found by", "depth", "answer after", "IOPS"];
        table.set_header(header.into_iter().chain(["share", "p99", "windows over"]));
        for search in &self.searches {
            let after = search.answered_after_s;
            table.add_row([
                format!("{} ms", search.target_ms),
                search.how.into(),
                search.depth.to_string(),
                after.map_or_else(|| "never says".into(), |time| format!("{time:.1} s")),
                format!("{:.0}", search.iops),
                format!("{:.2}", search.iops_share),
                format!("{:.2} ms", search.p99_ms),
                format!("{:.0} %", search.windows_over_percent),
            ]);
        }
        table.column_iter_mut().skip(2).for_each(|column| {
            column.set_cell_alignment(CellAlignment::Right);
        });
        table
    }
}
