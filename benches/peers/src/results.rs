//! Medians over the rounds, as tables and as JSON.

use std::collections::BTreeMap;
use std::fmt;

use aura_bench::machine::Machine;
use aura_bench::row::Turn;
use aura_bench::subject::{self, Subject};
use aura_bench::summary::{median, spread};
use aura_bench::units;
use comfy_table::Table;
use serde::Serialize;

use crate::arguments::Arguments;
use crate::peer::{BASELINE, Peer};

/// All turns of all rows at all depths.
#[derive(Debug)]
pub(crate) struct Results {
    cells: Vec<Cell>,
}

/// One row at one depth.
#[derive(Debug)]
struct Cell {
    peer: Peer,
    depth: u32,
    /// By round: turns of the same round are compared.
    turns: Vec<Turn>,
    skipped: Option<String>,
}

/// One row of the report.
#[derive(Clone, Debug, Serialize)]
struct Line {
    name: &'static str,
    depth: u32,
    /// Median over the rounds.
    ns_per_op: f64,
    /// Operations per second, from the same median.
    iops: f64,
    /// Half the distance between the quartiles, as a share of the median.
    spread: f64,
    /// Median over the rounds of the throughput as a share of the raw loop's in the same round.
    share: f64,
    /// Median over the rounds of the CPU time per operation, which other programs hardly disturb.
    cpu_ns_per_op: f64,
    /// Median over the rounds of each round's median.
    p50_ns: f64,
    /// Median over the rounds of each round's 99th percentile.
    p99_ns: f64,
    /// Operations in all rounds.
    operations: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

/// A row that does not run here.
#[derive(Clone, Debug, Serialize)]
struct Skip {
    name: &'static str,
    depth: u32,
    reason: String,
}

/// The report for programs.
#[derive(Debug, Serialize)]
pub(crate) struct Json<'a> {
    bench: &'static str,
    machine: &'a Machine,
    file: subject::Description,
    versions: &'a BTreeMap<&'static str, String>,
    seconds: f64,
    rounds: u32,
    batch: u32,
    rows: Vec<Line>,
    skipped: Vec<Skip>,
}

impl Results {
    pub(crate) fn new(depths: &[u32], peers: &[Peer]) -> Self {
        let cell = |depth, peer| Cell { peer, depth, turns: Vec::new(), skipped: None };
        let row =
            |depth: &u32| peers.iter().map(move |peer| cell(*depth, *peer)).collect::<Vec<_>>();
        Self { cells: depths.iter().flat_map(row).collect() }
    }

    /// The indices of all cells, those of one depth together.
    pub(crate) fn cells(&self) -> Vec<Vec<usize>> {
        let indices: Vec<usize> = (0..self.cells.len()).collect();
        let is_same_depth = |a: &usize, b: &usize| self.cells[*a].depth == self.cells[*b].depth;
        indices.chunk_by(is_same_depth).map(<[_]>::to_vec).collect()
    }

    /// What a cell measures.
    pub(crate) fn what(&self, cell: usize) -> (Peer, u32) {
        (self.cells[cell].peer, self.cells[cell].depth)
    }

    pub(crate) fn add(&mut self, cell: usize, turn: Turn) {
        self.cells[cell].turns.push(turn);
    }

    /// Notes why a cell stays empty. Whether that was not known of its row before.
    pub(crate) fn skip(&mut self, cell: usize, why: &str) -> bool {
        let name = self.cells[cell].peer.name;
        let known = self.cells.iter().any(|cell| cell.peer.name == name && cell.skipped.is_some());
        self.cells[cell].skipped = Some(why.to_owned());
        !known
    }

    pub(crate) fn json<'a>(
        &self,
        machine: &'a Machine,
        subject: &Subject,
        versions: &'a BTreeMap<&'static str, String>,
        arguments: &Arguments,
    ) -> Json<'a> {
        let skip = |cell: &Cell| {
            let Cell { peer, depth, skipped, .. } = cell;
            Some(Skip { name: peer.name, depth: *depth, reason: skipped.clone()? })
        };
        Json {
            bench: "peers",
            machine,
            file: subject.describe(),
            versions,
            seconds: arguments.seconds.as_secs_f64(),
            rounds: arguments.rounds,
            batch: arguments.batch,
            rows: self.cells.iter().filter_map(|cell| self.line(cell)).collect(),
            skipped: self.cells.iter().filter_map(skip).collect(),
        }
    }

    /// The figures of a cell that has some.
    fn line(&self, cell: &Cell) -> Option<Line> {
        let Cell { peer, depth, turns, .. } = cell;
        let costs = costs(turns);
        let is_raw = |other: &&Cell| other.peer.name == BASELINE && other.depth == *depth;
        let raw = self::costs(&self.cells.iter().find(is_raw)?.turns);
        let shares: Vec<f64> = raw.iter().zip(&costs).map(|(raw, cost)| raw / cost).collect();
        let latencies = |pick: fn(&aura_bench::latency::Latency) -> u64| {
            let picked = turns.iter().filter_map(|turn| turn.latency.as_ref().map(pick));
            median(&picked.map(|ns| ns as f64).collect::<Vec<_>>())
        };
        let ns_per_op = median(&costs);
        (!turns.is_empty()).then(|| Line {
            name: peer.name,
            depth: *depth,
            ns_per_op,
            iops: 1e9 / ns_per_op,
            spread: spread(&costs),
            share: median(&shares),
            cpu_ns_per_op: median(&cpu_costs(turns)),
            p50_ns: latencies(|latency| latency.p50_ns),
            p99_ns: latencies(|latency| latency.p99_ns),
            operations: turns.iter().map(|turn| turn.operations).sum(),
            note: peer.note,
        })
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut depths: Vec<u32> = self.cells.iter().map(|cell| cell.depth).collect();
        depths.dedup();
        for depth in depths {
            writeln!(f, "\ndepth {depth}\n")?;
            let cells = || self.cells.iter().filter(|cell| cell.depth == depth);
            writeln!(f, "{}", table(cells().filter_map(|cell| self.line(cell))))?;
            for cell in cells() {
                if let Some(why) = &cell.skipped {
                    writeln!(f, "skipped: {}: {why}", cell.peer.name)?;
                }
            }
        }
        let notes: BTreeMap<_, _> =
            self.cells.iter().filter_map(|cell| Some((cell.peer.name, cell.peer.note?))).collect();
        notes.iter().try_for_each(|(name, note)| writeln!(f, "{name}: {note}"))
    }
}

fn table(lines: impl Iterator<Item = Line>) -> Table {
    let mut table = aura_bench::table::new(
        ["row", "share", "ns/op", "spread", "CPU ns/op", "IOPS", "p50", "p99"],
        &[0],
    );
    for line in lines {
        table.add_row([
            line.name.to_owned(),
            format!("{:.3}", line.share),
            format!("{:.0}", line.ns_per_op),
            format!("±{:.1} %", line.spread * 100.0),
            format!("{:.0}", line.cpu_ns_per_op),
            units::rate(line.iops),
            latency(line.p50_ns),
            latency(line.p99_ns),
        ]);
    }
    table
}

fn latency(nanoseconds: f64) -> String {
    match nanoseconds {
        1_000.0..10_000.0 => format!("{:.2} µs", nanoseconds / 1e3),
        _ if nanoseconds.is_nan() => "-".into(),
        _ => units::latency(nanoseconds as u64),
    }
}

/// Nanoseconds of CPU time per operation of each turn that knows them.
fn cpu_costs(turns: &[Turn]) -> Vec<f64> {
    let cost = |turn: &Turn| Some(turn.cpu_seconds? * 1e9 / turn.operations as f64);
    turns.iter().filter_map(cost).collect()
}

/// Nanoseconds per operation of each turn.
fn costs(turns: &[Turn]) -> Vec<f64> {
    turns.iter().map(|turn| turn.seconds * 1e9 / turn.operations as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::PEERS;
    use aura_bench::latency::Latency;

    fn turn(seconds: f64) -> Turn {
        let latency = Some(Latency { p50_ns: 500, p99_ns: (seconds * 1e6) as u64 });
        Turn { operations: 1_000, seconds, latency, cpu_seconds: Some(seconds * 2.0) }
    }

    #[test]
    fn rows_are_compared_with_the_raw_loop_of_their_depth_and_round() {
        let mut results = Results::new(&[1, 32], &PEERS[..2]);
        let (peer, depth) = results.what(3);
        assert_eq!((peer.name, depth), (PEERS[1].name, 32));
        // The machine slows down tenfold from round to round; the ratio within each does not.
        for slowness in [1.0, 10.0, 100.0] {
            results.add(0, turn(7e-3 * slowness));
            results.add(2, turn(1e-3 * slowness));
            results.add(3, turn(1.25e-3 * slowness));
        }
        let line = results.line(&results.cells[3]).expect("three turns");
        assert!((line.share - 0.8).abs() < 1e-9, "{line:?}");
        assert_eq!((line.operations, line.p50_ns, line.p99_ns), (3_000, 500.0, 12_500.0));
        assert!((line.cpu_ns_per_op - 25_000.0).abs() < 1e-6, "{line:?}");
        assert!(results.line(&results.cells[1]).is_none(), "no turn, no figures");
    }

    #[test]
    fn a_skip_is_told_once_and_kept_for_every_depth() {
        let mut results = Results::new(&[1, 32], &PEERS[..2]);
        assert!(results.skip(1, "no such thing"));
        assert!(!results.skip(3, "no such thing"));
        assert!(!results.skip(1, "no such thing"));
        assert_eq!(results.to_string().matches("skipped: raw-fixed: no such thing").count(), 2);
    }
}
