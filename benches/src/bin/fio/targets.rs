//! Searches for the depth that keeps a target: how long they take, what they find, and whether it keeps.
//!
//! The truth is found by trying fixed depths: all of them twice, and then those that may be the best in turns with
//! what the searches found. It is the one with the most I/Os per second among those that miss the target in the
//! fewest seconds. How often even the lowest depths miss it says what no search can avoid.
//!
//! fio's `latency_target` and bffio end with a depth; `latency_run=1` adjusts it for as long as the job runs, and never
//! says that it is done: it is given the time that the others need to search, and judged after that.
//!
//! What was found is held in those turns: shared storage changes from one second to the next, and shares are taken
//! within a round.

use std::time::Duration;

use aura_bench::Error;
use aura_bench::summary::median;
use comfy_table::Table;
use serde::Serialize;

use crate::program::{Bench, Figures, Who};
use crate::windows::{LINE, Windows};

/// Depths of the truth.
const DEPTHS: [u32; 14] = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256];
/// fio's searches may go up to this.
const DEPTH_MAX: u32 = 256;
/// Fixed depths that are held as well: the best that was tried, and the next smaller ones.
const CANDIDATES: usize = 3;
/// A depth that misses the target in so many of a hundred seconds keeps it.
const OVER_PERCENT: f64 = 1.0;
/// How long fio judges a depth while it searches.
const FIO_WINDOW: Duration = Duration::from_millis(100);
/// How long a search may take before it is judged.
const SEARCH: Duration = Duration::from_secs(5);
/// How long what was found is held in each round: windows of a second fit in, and a rest.
const HOLD: Duration = Duration::from_millis(2200);

/// All searches.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Results {
    searches: Vec<Search>,
    depths: Vec<Depth>,
}

/// A fixed depth that was tried for a target.
#[derive(Debug, Serialize)]
struct Depth {
    target_ms: f64,
    depth: u32,
    /// Of all turns together.
    iops: f64,
    /// Of the worst turn.
    p99_ms: f64,
    tenths_over_percent: f64,
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
    tenths_over_percent: f64,
    seconds_over_percent: f64,
    /// How many seconds that is a share of.
    seconds: usize,
}

/// What is held in turns.
#[derive(Default)]
struct Held {
    turns: Vec<Figures>,
    windows: Windows,
}

pub(crate) fn run(bench: &Bench, targets: &[Duration], rounds: u32) -> Result<Results, Error> {
    let mut results = Results::default();
    for &target in targets {
        results.add(bench, target, rounds)?;
    }
    println!("{}", results.table());
    println!("{}", results.table_of_depths());
    Ok(results)
}

impl Results {
    /// All that is done for one target.
    fn add(&mut self, bench: &Bench, target: Duration, rounds: u32) -> Result<(), Error> {
        let depths = try_depths(bench, target)?;
        let candidates = candidates(&depths);
        self.depths.extend(depths);
        let tried = (bench.turn + bench.ramp) * 2 * DEPTHS.len() as u32;
        let held = (HOLD + bench.ramp) * rounds * candidates.len() as u32;
        let truth_s = (tried + held).as_secs_f64();

        let limits = [
            format!("--latency_target={}us", target.as_micros()),
            "--latency_percentile=99".into(),
            format!("--latency_window={}ms", FIO_WINDOW.as_millis()),
            format!("--iodepth={DEPTH_MAX}"),
            "--time_based".into(),
        ];
        let limits = limits.each_ref().map(String::as_str);
        // The search's own end is what is timed; a runtime only guards against none.
        let guard = format!("--runtime={}", (SEARCH * 6).as_secs());
        let fio = bench.run(Who::Fio, &direct(&[&limits[..], &[&guard]].concat()))?;
        let asked = format!("--target-p99={}us", target.as_micros());
        let ours = bench.run(Who::Bffio, &direct(&[&asked]))?;

        let mut held = vec![(Who::Bffio, ours.depth), (Who::Fio, fio.depth)];
        held.extend(candidates.iter().map(|&depth| (Who::Fio, u64::from(depth))));
        let mut outcomes: Vec<_> = held.iter().map(|_| Held::default()).collect();
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

        let [ours_held, fio_held, candidates @ ..] = &outcomes[..] else { unreachable!("of two") };
        let truth = best_of(candidates, target).ok_or("no depth was tried")?;
        let row = |how, answered_after_s, held: &Held| Search {
            target_ms: target.as_secs_f64() * 1e3,
            how,
            depth: held.turns.first().map_or(0, |turn| turn.depth),
            answered_after_s,
            iops: held.median(|turn| turn.ios_per_s),
            iops_share: held.share_of(truth),
            p99_ms: held.median(|turn| turn.p99_ms),
            tenths_over_percent: held.windows.tenths_over_percent(target),
            seconds_over_percent: held.windows.seconds_over_percent(target),
            seconds: held.windows.seconds(),
        };
        self.searches.extend([
            row("bffio --target-p99", ours.found_after_s, ours_held),
            row("fio latency_target", Some(fio.runtime_s), fio_held),
            row("fio latency_run=1", None, &adjusted),
            row("trying depths", Some(truth_s), truth),
        ]);
        Ok(())
    }
}

/// All depths, upwards and then downwards.
fn try_depths(bench: &Bench, target: Duration) -> Result<Vec<Depth>, Error> {
    let mut tried = DEPTHS.map(|_| Held::default());
    for index in (0..DEPTHS.len()).chain((0..DEPTHS.len()).rev()) {
        let who = (Who::Fio, u64::from(DEPTHS[index]));
        tried[index].hold_for(bench, who, bench.turn)?;
    }
    let depths = DEPTHS.into_iter().zip(&tried).map(|(depth, held)| Depth {
        target_ms: target.as_secs_f64() * 1e3,
        depth,
        iops: held.mean(|turn| turn.ios_per_s),
        p99_ms: held.turns.iter().map(|turn| turn.p99_ms).fold(0.0, f64::max),
        tenths_over_percent: held.windows.tenths_over_percent(target),
    });
    Ok(depths.collect())
}

/// The depths that may be the best: of those that kept the target in both turns the one with the most I/Os per
/// second, and smaller ones, since it may have been lucky.
fn candidates(depths: &[Depth]) -> Vec<u32> {
    let keeping = depths.iter().filter(|tried| tried.p99_ms <= tried.target_ms);
    let best =
        keeping.max_by(|a, b| a.iops.total_cmp(&b.iops)).map_or(DEPTHS[0], |tried| tried.depth);
    DEPTHS.into_iter().rev().filter(|depth| *depth <= best).take(CANDIDATES).collect()
}

/// The one with the most I/Os per second of those that miss the target least often.
fn best_of(candidates: &[Held], target: Duration) -> Option<&Held> {
    let over = |held: &Held| held.windows.seconds_over_percent(target).max(OVER_PERCENT);
    let least = candidates.iter().map(over).fold(f64::INFINITY, f64::min);
    let keeping = candidates.iter().filter(|held| over(held) <= least);
    keeping.max_by(|a, b| a.mean(|turn| turn.ios_per_s).total_cmp(&b.mean(|turn| turn.ios_per_s)))
}

impl Held {
    /// Holds a depth for a turn.
    fn hold(&mut self, bench: &Bench, held: (Who, u64)) -> Result<(), Error> {
        self.hold_for(bench, held, HOLD)
    }

    fn hold_for(
        &mut self,
        bench: &Bench,
        (who, depth): (Who, u64),
        time: Duration,
    ) -> Result<(), Error> {
        let runtime = format!("--runtime={}ms", time.as_millis());
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
        let window = format!("--log_hist_msec={}", LINE.as_millis());
        let logs = ["--write_hist_log=windows", &window];
        self.turns.push(bench.run(who, &direct(&[options, &logs].concat()))?);
        self.windows.add(&bench.folder().join("windows_clat_hist.1.log"), from)
    }

    fn median(&self, value: fn(&Figures) -> f64) -> f64 {
        median(&self.turns.iter().map(value).collect::<Vec<_>>())
    }

    fn mean(&self, value: fn(&Figures) -> f64) -> f64 {
        self.turns.iter().map(value).sum::<f64>() / self.turns.len() as f64
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
        let header = ["target", "found by", "depth", "answer after", "IOPS"];
        let mut table = aura_bench::table::new(
            header.into_iter().chain(["share", "p99", "0.1 s over", "1 s over"]),
            &[0, 1],
        );
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
                format!("{:.0} %", search.tenths_over_percent),
                format!("{:.0} % of {}", search.seconds_over_percent, search.seconds),
            ]);
        }
        table
    }
    /// The fixed depths, of which the truth was taken.
    fn table_of_depths(&self) -> Table {
        let mut table =
            aura_bench::table::new(["target", "fixed depth", "IOPS", "p99", "0.1 s over"], &[0]);
        for tried in &self.depths {
            table.add_row([
                format!("{} ms", tried.target_ms),
                tried.depth.to_string(),
                format!("{:.0}", tried.iops),
                format!("{:.2} ms", tried.p99_ms),
                format!("{:.0} %", tried.tenths_over_percent),
            ]);
        }
        table
    }
}
