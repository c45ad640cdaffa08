//! Medians over the rounds, as a table and as JSON.

use aura_bench::machine::Machine;
use aura_bench::row::{Settings, Turn};
use aura_bench::subject::{self, Subject};
use aura_bench::summary::{median, spread};
use comfy_table::Table;
use serde::Serialize;

/// The name of a row and the row it is compared with, which is itself for a raw one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Description {
    pub(crate) name: &'static str,
    pub(crate) baseline: &'static str,
}

/// All turns of all rows.
#[derive(Debug)]
pub(crate) struct Results {
    rows: Vec<(Description, Vec<Turn>)>,
}

/// One row of the report.
#[derive(Clone, Debug, Serialize)]
struct Line {
    name: &'static str,
    /// Median over the rounds.
    ns_per_op: f64,
    /// Operations per second, from the same median.
    iops: f64,
    /// Half the distance between the quartiles, as a share of the median.
    spread: f64,
    /// The raw row that this one is compared with.
    baseline: &'static str,
    /// Median over the rounds of the difference to the raw row in the same round.
    overhead_ns: f64,
    /// Median over the rounds of the throughput as a share of the raw row's in the same round.
    share: f64,
    /// Operations in all rounds, every one checked.
    operations: u64,
}

/// The report for programs.
#[derive(Debug, Serialize)]
pub(crate) struct Json<'a> {
    bench: &'static str,
    machine: &'a Machine,
    file: subject::Description,
    settings: Settings,
    rounds: u32,
    rows: Vec<Line>,
}

impl Results {
    pub(crate) fn new(rows: impl Iterator<Item = Description>) -> Self {
        Self { rows: rows.map(|row| (row, Vec::new())).collect() }
    }

    pub(crate) fn add(&mut self, row: usize, turn: Turn) {
        self.rows[row].1.push(turn);
    }

    pub(crate) fn table(&self) -> Table {
        let mut table = aura_bench::table::new(
            ["row", "ns/op", "spread", "IOPS", "against", "overhead ns", "share"],
            &[0, 4],
        );
        for line in self.lines() {
            let is_raw = line.name == line.baseline;
            let only = |text: String| if is_raw { String::new() } else { text };
            table.add_row([
                line.name.to_owned(),
                format!("{:.1}", line.ns_per_op),
                format!("±{:.1} %", line.spread * 100.0),
                format!("{:.0}", line.iops),
                only(line.baseline.to_owned()),
                only(format!("{:+.1}", line.overhead_ns)),
                only(format!("{:.3}", line.share)),
            ]);
        }
        table
    }

    pub(crate) fn json<'a>(
        &self,
        machine: &'a Machine,
        subject: &Subject,
        settings: Settings,
        rounds: u32,
    ) -> Json<'a> {
        let file = subject.describe();
        Json { bench: "overhead", machine, file, settings, rounds, rows: self.lines() }
    }

    fn lines(&self) -> Vec<Line> {
        self.rows.iter().map(|(description, turns)| self.line(*description, turns)).collect()
    }

    fn line(&self, description: Description, turns: &[Turn]) -> Line {
        let costs = costs(turns);
        // A row whose raw row cannot run here has nothing to be compared with.
        let baseline = self.rows.iter().find(|(row, _)| row.name == description.baseline);
        let baseline = baseline.map_or(Vec::new(), |(_, turns)| self::costs(turns));
        let pairs = || costs.iter().zip(&baseline);
        let ns_per_op = median(&costs);
        Line {
            name: description.name,
            ns_per_op,
            iops: 1e9 / ns_per_op,
            spread: spread(&costs),
            baseline: description.baseline,
            overhead_ns: median(&pairs().map(|(cost, raw)| cost - raw).collect::<Vec<_>>()),
            share: median(&pairs().map(|(cost, raw)| raw / cost).collect::<Vec<_>>()),
            operations: turns.iter().map(|turn| turn.operations).sum(),
        }
    }
}

/// Nanoseconds per operation of each turn.
fn costs(turns: &[Turn]) -> Vec<f64> {
    turns.iter().map(|turn| turn.seconds * 1e9 / turn.operations as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_compared_with_their_raw_row_round_by_round() {
        let raw = Description { name: "raw-plain", baseline: "raw-plain" };
        let callback = Description { name: "callback-single", baseline: "raw-plain" };
        let mut results = Results::new([raw, callback].into_iter());
        // The machine slows down tenfold from round to round; the ratio within each does not.
        for slowness in [1.0, 10.0, 100.0] {
            let turn =
                |seconds| Turn { operations: 1_000, seconds, latency: None, cpu_seconds: None };
            results.add(0, turn(1e-3 * slowness));
            results.add(1, turn(1.25e-3 * slowness));
        }
        let lines = results.lines();
        assert!((lines[1].share - 0.8).abs() < 1e-9);
        assert!((lines[1].overhead_ns - 2_500.0).abs() < 1e-6);
        assert!((lines[0].ns_per_op - 10_000.0).abs() < 1e-6);
        assert_eq!((lines[0].share, lines[0].overhead_ns), (1.0, 0.0));
        assert_eq!(lines[1].operations, 3_000);
    }
}
