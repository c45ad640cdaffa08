//! What was promised, and whether it held in this run. Nothing fails because of it: the machine may be
//! shared, and the table says by how much.

use serde::Serialize;

use crate::row::Row;
use crate::sweep::Marks;

/// One promise.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Gate {
    what: String,
    wanted: f64,
    got: f64,
    held: bool,
}

impl Gate {
    fn at_least(what: String, wanted: f64, got: f64) -> Self {
        Self { what, wanted, got, held: got >= wanted }
    }

    fn at_most(what: String, wanted: f64, got: f64) -> Self {
        Self { what, wanted, got, held: got <= wanted }
    }
}

impl std::fmt::Display for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, wanted, got, held } = self;
        let verdict = if *held { "held  " } else { "MISSED" };
        write!(f, "{verdict} {what}: {got:.3}, wanted {wanted}")
    }
}

/// Throughput without a target, as a share of the best fixed depth's.
const SHARE_FREE: f64 = 0.98;
/// The same with a target, of the best fixed depth that keeps it.
const SHARE_TARGET: f64 = 0.95;
/// Share of seconds over the target.
const VIOLATIONS: f64 = 0.01;
/// p99 without a target, as a multiple of the p99 at the smallest depth with 97 % of the best.
const P99_OF_KNEE: f64 = 1.3;
/// Coefficient of variation of a converged limit.
const LIMIT_CV: f64 = 0.15;
/// Seconds until 95 % of the oracle's throughput.
const T95_S: f64 = 1.0;

pub(crate) fn judge(rows: &[Row], steady: Option<&Marks>) -> Vec<Gate> {
    let mut gates = Vec::new();
    for row in rows {
        let name = format!("{}, {}, {}", row.experiment, row.engine, row.stretch);
        if row.share.is_some() {
            let t95_s = row.t95_s.unwrap_or(f64::INFINITY);
            gates.push(Gate::at_most(format!("{name}: seconds to 95 %"), T95_S, t95_s));
        }
        if row.experiment != "steady" {
            continue;
        }
        let with_target = row.violations.is_some();
        if let Some(share) = row.share {
            let wanted = if with_target { SHARE_TARGET } else { SHARE_FREE };
            gates.push(Gate::at_least(format!("{name}: share of the oracle"), wanted, share));
        }
        if let (Some((late, all @ 1..)), Some(_)) = (row.violations, row.share) {
            let share = f64::from(late) / f64::from(all);
            gates.push(Gate::at_most(format!("{name}: seconds over target"), VIOLATIONS, share));
        }
        let cv = row.limit_cv.unwrap_or(f64::INFINITY);
        gates.push(Gate::at_most(format!("{name}: the limit's cv"), LIMIT_CV, cv));
        if let Some(knee) = steady.and_then(Marks::knee).filter(|_| !with_target) {
            let ratio = row.p99_ns as f64 / knee.p99_ns as f64;
            gates.push(Gate::at_most(format!("{name}: p99 of the knee's"), P99_OF_KNEE, ratio));
        }
    }
    gates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::Mark;

    fn row(share: f64, violations: Option<(u32, u32)>) -> Row {
        Row {
            experiment: "steady",
            engine: "no target".into(),
            stretch: "all".into(),
            iops: 1e5,
            bytes_per_second: 4e8,
            p99_ns: 1_200_000,
            oracle_depth: Some(48),
            oracle_iops: Some(1e5),
            oracle_p99_ns: Some(1_000_000),
            share: Some(share),
            violations,
            oracle_missed: None,
            t95_s: Some(0.5),
            limit: Some(50.0),
            limit_cv: Some(0.1),
        }
    }

    fn held(row: Row) -> Vec<bool> {
        let (late_turns, turns) = ([0; 3], 1);
        let mark = Mark {
            depth: 48,
            iops: 1e5,
            bytes_per_second: 4e8,
            p99_ns: 1_000_000,
            late_turns,
            turns,
        };
        judge(&[row], Some(&Marks::new(vec![mark]))).iter().map(|gate| gate.held).collect()
    }

    #[test]
    fn throughput_counts_for_more_where_nothing_else_is_asked() {
        // Time, share, coefficient of variation, p99.
        assert_eq!(held(row(0.99, None)), [true; 4]);
        assert_eq!(held(row(0.96, None)), [true, false, true, true]);
        // Time, share, violations, coefficient of variation.
        assert_eq!(held(row(0.96, Some((0, 20)))), [true; 4]);
        assert_eq!(held(row(0.96, Some((1, 20)))), [true, true, false, true]);
    }

    #[test]
    fn an_infeasible_target_promises_only_stability() {
        let impossible = Row { share: None, t95_s: None, ..row(0.0, Some((20, 20))) };
        assert_eq!(held(impossible), [true]);
    }
}
