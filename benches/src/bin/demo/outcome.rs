//! What it came to: table, verdict, JSON.

use aura_bench::machine::Machine;
use aura_bench::subject::{self, Subject};
use aura_bench::{BLOCK_BYTES, units};
use comfy_table::Table;
use serde::Serialize;

use crate::contestant::{Contestant, Kind};
use crate::load::{Finished, Turn};

/// What one configuration came to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    name: String,
    /// The depth that the caller held.
    fixed_depth: Option<usize>,
    target_p99_ns: Option<u64>,
    iops: f64,
    iops_by_round: Vec<f64>,
    bytes_per_second: f64,
    p50_ns: u64,
    p99_ns: u64,
    /// On average, by Little's law: rate times mean latency.
    in_flight: f64,
    /// The engine's limit at the end; `None` if the caller held the depth.
    limit: Option<i32>,
    phase: &'static str,
    /// Reads whose content was checked, warm-up included.
    verified: u64,
}

/// The report for programs.
#[derive(Debug, Serialize)]
pub(crate) struct Json<'a> {
    demo: &'static str,
    machine: &'a Machine,
    file: subject::Description,
    turn: Turn,
    configurations: &'a [Outcome],
    best_fixed_depth: Option<usize>,
    /// Throughput of the engine without setting as a share of the best fixed depth's.
    share_of_best_fixed: f64,
    verdicts: Vec<String>,
}

impl Outcome {
    pub(crate) fn new(contestant: &Contestant, finished: Finished) -> Self {
        let measured = finished.measured;
        let iops = measured.reads as f64 / measured.seconds;
        Self {
            name: contestant.name.clone(),
            fixed_depth: contestant.depth(),
            target_p99_ns: match contestant.kind {
                Kind::Target(p99) => Some(p99.as_nanos() as u64),
                Kind::Adaptive | Kind::Fixed(_) => None,
            },
            iops,
            bytes_per_second: iops * BLOCK_BYTES as f64,
            p50_ns: measured.latencies.value_at_quantile(0.50),
            p99_ns: measured.latencies.value_at_quantile(0.99),
            in_flight: iops * measured.latencies.mean() / 1e9,
            iops_by_round: measured.iops_by_turn,
            limit: contestant.depth().is_none().then_some(finished.limit),
            phase: finished.phase,
            verified: finished.verified,
        }
    }
}

impl<'a> Json<'a> {
    pub(crate) fn new(
        machine: &'a Machine,
        subject: &Subject,
        turn: Turn,
        outcomes: &'a [Outcome],
    ) -> Self {
        let best = best_fixed(outcomes);
        let adaptive = outcomes.iter().find(|outcome| is_without_setting(outcome));
        Self {
            demo: "random 4 KiB reads",
            machine,
            file: subject.describe(),
            turn,
            configurations: outcomes,
            best_fixed_depth: best.and_then(|best| best.fixed_depth),
            share_of_best_fixed: adaptive
                .zip(best)
                .map_or(f64::NAN, |(adaptive, best)| adaptive.iops / best.iops),
            verdicts: verdicts(outcomes),
        }
    }
}

pub(crate) fn table(outcomes: &[Outcome]) -> Table {
    let mut table = aura_bench::table::new(
        [
            "in flight set by",
            "IOPS",
            "MB/s",
            "of best fixed",
            "p50",
            "p99",
            "limit",
            "in flight",
            "phase",
            "verified reads",
        ],
        &[0, 8],
    );
    let best = best_fixed(outcomes).map_or(f64::NAN, |best| best.iops);
    for outcome in outcomes {
        table.add_row([
            outcome.name.clone(),
            units::rate(outcome.iops),
            format!("{:.0}", outcome.bytes_per_second / 1e6),
            percent(outcome.iops / best),
            units::latency(outcome.p50_ns),
            units::latency(outcome.p99_ns),
            outcome.limit.map_or("-".into(), |limit| limit.to_string()),
            format!("{:.0}", outcome.in_flight),
            outcome.phase.into(),
            outcome.verified.to_string(),
        ]);
    }
    table
}

/// One sentence for each engine that chose its own depth.
pub(crate) fn verdicts(outcomes: &[Outcome]) -> Vec<String> {
    let Some(best) = best_fixed(outcomes) else { return Vec::new() };
    let sentence = |outcome: &Outcome| {
        let share = percent(outcome.iops / best.iops);
        let p99 = units::latency(outcome.p99_ns);
        let mut sentence = format!(
            "{}: {share} of the throughput of the best fixed depth ({}), p99 {p99} instead of {}",
            outcome.name,
            best.fixed_depth.unwrap_or_default(),
            units::latency(best.p99_ns),
        );
        if let Some(target_ns) = outcome.target_p99_ns {
            let kept = if outcome.p99_ns <= target_ns { "kept" } else { "missed" };
            sentence += &format!("; the target of {} was {kept}", units::latency(target_ns));
        }
        sentence
    };
    outcomes.iter().filter(|outcome| outcome.fixed_depth.is_none()).map(sentence).collect()
}

fn best_fixed(outcomes: &[Outcome]) -> Option<&Outcome> {
    let fixed = outcomes.iter().filter(|outcome| outcome.fixed_depth.is_some());
    fixed.max_by(|a, b| a.iops.total_cmp(&b.iops))
}

fn is_without_setting(outcome: &Outcome) -> bool {
    outcome.fixed_depth.is_none() && outcome.target_p99_ns.is_none()
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &str, fixed_depth: Option<usize>, iops: f64, p99_ns: u64) -> Outcome {
        Outcome {
            name: name.into(),
            fixed_depth,
            target_p99_ns: name.starts_with("target").then_some(1_000_000),
            iops,
            iops_by_round: vec![iops],
            bytes_per_second: iops * 4096.0,
            p50_ns: p99_ns / 2,
            p99_ns,
            in_flight: 1.0,
            limit: None,
            phase: "-",
            verified: 1,
        }
    }

    #[test]
    fn engines_are_compared_with_the_best_fixed_depth() {
        let outcomes = [
            outcome("no setting", None, 95_000.0, 2_000_000),
            outcome("target 1.00 ms", None, 90_000.0, 900_000),
            outcome("fixed 1", Some(1), 10_000.0, 100_000),
            outcome("fixed 32", Some(32), 100_000.0, 3_000_000),
        ];
        let verdicts = verdicts(&outcomes);
        assert_eq!(verdicts.len(), 2);
        assert!(verdicts[0].contains("95 %") && verdicts[0].contains("(32)"), "{verdicts:?}");
        assert!(verdicts[1].contains("90 %") && verdicts[1].ends_with("kept"), "{verdicts:?}");
    }

    #[test]
    fn a_missed_target_is_said() {
        let outcomes = [
            outcome("target 1.00 ms", None, 90_000.0, 1_100_000),
            outcome("fixed 1", Some(1), 10_000.0, 100_000),
        ];
        assert!(verdicts(&outcomes)[0].ends_with("missed"));
    }
}
