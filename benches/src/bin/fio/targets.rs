//! Searches for the depth that keeps a target: how long they take, what they find, and whether it keeps.
//!
//! The truth is the fixed depth with the most I/Os per second among those whose p99 keeps the target, found
//! by trying all of them twice. fio's `latency_target` and bffio end with a depth; `latency_run=1` adjusts it
//! for as long as the job runs, and never says that it is done: it is given the time that the others need to
//! search, and judged after that.
//!
//! What was found is then held, in turns with the truth: shared storage changes from one second to the next,
//! and shares are taken within a round.

use std::time::Duration;

use aura_bench::Error;
use aura_bench::summary::median;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::program::{Bench, Figures, Who};
use crate::windows::{WINDOW, over_percent, p99s};

/// Depths of the truth.
const DEPTHS: [u32; 14] = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256];
/// fio's searches may go up to this.
const DEPTH_MAX: u32 = 256;
/// How long a search may take before it is judged.
const SEARCH: Duration = Duration::from_secs(5);
/// How long what was found is held in each round.
const HOLD: Duration = Duration::from_secs(1);

/// A window of a log: when, and its p99.
type Window = (Duration, Duration);

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

/// What is held in turns.
#[derive(Default)]
struct Held {
    turns: Vec<Figures>,
    windows: Vec<Window>,
}

pub(crate) fn run(bench: &Bench, targets: &[Duration], rounds: u32) -> Result<Results, Error> {
    let mut searches = Vec::new();
    for &target in targets {
        searches.extend(of_target(bench, target, rounds)?);
    }
    let results = Results { searches };
    println!("{}", results.table());
    Ok(results)
}

fn of_target(bench: &Bench, target: Duration, rounds: u32) -> Result<Vec<Search>, Error> {
    let best = best_depth(bench, target)?;
    let truth_s = (bench.turn + bench.ramp).as_secs_f64() * 2.0 * DEPTHS.len() as f64;

    let limits = [
        format!("--latency_target={}us", target.as_micros()),
        "--latency_percentile=99".into(),
        format!("--latency_window={}ms", WINDOW.as_millis()),
        format!("--iodepth={DEPTH_MAX}"),
        "--time_based".into(),
    ];
    let limits = limits.each_ref().map(String::as_str);
    // The search's own end is what is timed; a runtime only guards against none.
    let guard = format!("--runtime={}", (SEARCH * 6).as_secs());
    let fio = bench.run(Who::Fio, &direct(&[&limits[..], &[&guard]].concat()))?;
    let asked = format!("--target-p99={}us", target.as_micros());
    let ours = bench.run(Who::Bffio, &direct(&[&asked]))?;

    let held = [(Who::Bffio, ours.depth), (Who::Fio, fio.depth), (Who::Fio, u64::from(best))];
    let mut outcomes = held.map(|_| Held::default());
    for round in 0..rounds as usize {
        for turn in 0..held.len() {
            let index = (round + turn) % held.len();
            outcomes[index].hold(bench, held[index])?;
        }
    }
    let runtime = format!("--runtime={}", (SEARCH + HOLD * rounds).as_secs());
    let running = [&limits[..], &[&runtime, "--latency_run=1"]].concat();
    let mut adjusted = Held::default();
    adjusted.run(bench, Who::Fio, &running, SEARCH)?;

    let [ours_held, fio_held, truth] = &outcomes;
    let row = |how, answered_after_s, held: &Held| Search {
        target_ms: target.as_secs_f64() * 1e3,
        how,
        depth: held.turns.first().map_or(0, |turn| turn.depth),
        answered_after_s,
        iops: held.median(|turn| turn.ios_per_s),
        iops_share: held.share_of(truth),
        p99_ms: held.median(|turn| turn.p99_ms),
        windows_over_percent: over_percent(&held.windows, target),
    };
    Ok(vec![
        row("bffio --target-p99", ours.found_after_s, ours_held),
        row("fio latency_target", Some(fio.runtime_s), fio_held),
        row("fio latency_run=1", None, &adjusted),
        row("trying depths", Some(truth_s), truth),
    ])
}

/// The depth with the most I/Os per second of those that keep the target, tried upwards and downwards.
fn best_depth(bench: &Bench, target: Duration) -> Result<u32, Error> {
    let mut tried = Vec::with_capacity(2 * DEPTHS.len());
    for depth in DEPTHS.into_iter().chain(DEPTHS.into_iter().rev()) {
        let depth_option = format!("--iodepth={depth}");
        tried.push((depth, bench.turn(Who::Fio, &direct(&[&depth_option]))?));
    }
    let both = DEPTHS.into_iter().filter_map(|depth| {
        let turns = tried.iter().filter(|(one, _)| *one == depth).map(|(_, figures)| figures);
        let p99_ms = turns.clone().map(|figures| figures.p99_ms).fold(0.0, f64::max);
        let ios_per_s = turns.map(|figures| figures.ios_per_s).sum::<f64>();
        (p99_ms <= target.as_secs_f64() * 1e3).then_some((depth, ios_per_s))
    });
    Ok(both.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(DEPTHS[0], |(depth, _)| depth))
}

impl Held {
    /// Holds a depth for a turn.
    fn hold(&mut self, bench: &Bench, (who, depth): (Who, u64)) -> Result<(), Error> {
        let runtime = format!("--runtime={}ms", HOLD.as_millis());
        let ramp = format!("--ramp_time={}ms", bench.ramp.as_millis());
        let depth = format!("--iodepth={depth}");
        self.run(bench, who, &["--time_based", &runtime, &ramp, &depth], Duration::ZERO)
    }

    /// Runs a job and keeps its windows after `from`.
    fn run(
        &mut self,
        bench: &Bench,
        who: Who,
        options: &[&str],
        from: Duration,
    ) -> Result<(), Error> {
        let window = format!("--log_hist_msec={}", WINDOW.as_millis());
        let logs = ["--write_hist_log=windows", &window];
        self.turns.push(bench.run(who, &direct(&[options, &logs].concat()))?);
        let windows = p99s(&bench.folder().join("windows_clat_hist.1.log"))?;
        self.windows.extend(windows.into_iter().filter(|(time, _)| *time >= from));
        Ok(())
    }

    fn median(&self, value: fn(&Figures) -> f64) -> f64 {
        median(&self.turns.iter().map(value).collect::<Vec<_>>())
    }

    /// Its I/Os per second over another's in the same rounds, or over all of them if it had none.
    fn share_of(&self, truth: &Self) -> f64 {
        if self.turns.len() != truth.turns.len() {
            return self.median(|turn| turn.ios_per_s) / truth.median(|turn| turn.ios_per_s);
        }
        let pairs = self.turns.iter().zip(&truth.turns);
        median(&pairs.map(|(own, truth)| own.ios_per_s / truth.ios_per_s).collect::<Vec<_>>())
    }
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
