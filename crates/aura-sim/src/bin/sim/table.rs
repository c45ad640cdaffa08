//! Figures for the eye, and where the controller is not the best.

use crate::play::{Played, Row};
use std::io::{Result, Write};

/// Differences of throughput that are not worth mentioning, as a share.
const EQUAL: f64 = 0.01;
/// Violating windows that a target of 99 % allows.
const VIOLATIONS: f64 = 0.01;
/// Differences of p99 that are not worth mentioning, as a factor.
const P99_EQUAL: f64 = 1.1;

pub(crate) fn print(out: &mut dyn Write, played: &Played) -> Result<()> {
    write!(out, "{}: {}", played.name, played.about)?;
    if let (Some(depth), Some(p99_ns)) = (played.knee_depth, played.knee_p99_ns) {
        write!(out, "; knee {depth}, p99 {} us", p99_ns / 1000)?;
    }
    if let Some(target_ns) = played.target_p99_ns {
        write!(out, "; target {} us", target_ns / 1000)?;
    }
    if !played.feasible {
        write!(out, ", which no depth meets")?;
    }
    writeln!(out)?;
    let header = ["eta", "V %", "t95 s", "p99", "limit", "cv"];
    write!(out, "  {:18}", "policy")?;
    for name in header {
        write!(out, "{name:>9}")?;
    }
    writeln!(out)?;
    for row in &played.rows {
        let percent = row.violations_mean.map(|share| share * 100.0);
        write!(out, "  {:18}", row.policy)?;
        write!(out, "{}", cell(row.eta_worst_decile, 3))?;
        write!(out, "{}", cell(percent, 1))?;
        write!(out, "{}", cell(Some(row.t95_s_worst_decile).filter(|_| played.feasible), 2))?;
        write!(out, "{}", cell(row.p99_of_knee_worst_decile, 2))?;
        write!(out, "{}", cell(Some(row.limit_median), 0))?;
        write!(out, "{}", cell(Some(row.limit_cv_worst_decile), 2))?;
        if row.says_infeasible_share > 0.0 {
            write!(out, "  says infeasible in {:.0} %", row.says_infeasible_share * 100.0)?;
        }
        if let Some(evenness) = row.evenness_worst_decile {
            write!(out, "  smallest share / largest {evenness:.2}")?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

fn cell(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| format!("{:>9}", "-"), |value| format!("{value:9.decimals$}"))
}

/// Where another policy is ahead of the first.
pub(crate) fn verdict(out: &mut dyn Write, results: &[Played]) -> Result<()> {
    let mut ahead = Vec::new();
    for played in results {
        let Some((ours, others)) = played.rows.split_first() else { continue };
        ahead.extend(
            others
                .iter()
                .filter_map(|row| lead(row, ours).map(|how| (played.name, &row.policy, how))),
        );
    }
    if ahead.is_empty() {
        return writeln!(out, "No policy is ahead of the controller.");
    }
    writeln!(out, "Ahead of the controller:")?;
    for (name, policy, how) in ahead {
        writeln!(out, "  {name:16} {policy:18} {how}")?;
    }
    Ok(())
}

/// How a row is ahead, if it is: given a target, by throughput without more violations than allowed or
/// than the other; without one, by throughput at no higher p99, or by p99 at no lower throughput.
fn lead(row: &Row, ours: &Row) -> Option<String> {
    let (eta, our_eta) = (row.eta_worst_decile?, ours.eta_worst_decile?);
    let faster = eta > our_eta + EQUAL;
    let by_eta = || format!("eta {eta:.3}, not {our_eta:.3}");
    if let (Some(late), Some(our_late)) = (row.violations_mean, ours.violations_mean) {
        return (faster && late <= our_late.max(VIOLATIONS)).then(by_eta);
    }
    let (Some(p99), Some(our_p99)) = (row.p99_of_knee_worst_decile, ours.p99_of_knee_worst_decile)
    else {
        return faster.then(by_eta);
    };
    if faster && p99 <= our_p99 * P99_EQUAL {
        return Some(by_eta());
    }
    (eta >= our_eta - EQUAL && p99 * P99_EQUAL < our_p99)
        .then(|| format!("p99 {p99:.2}, not {our_p99:.2} of the knee's"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(eta: f64, late: Option<f64>, p99: f64) -> Row {
        Row {
            policy: "any".into(),
            eta_worst_decile: Some(eta),
            eta_median: Some(eta),
            violations_mean: late,
            t95_s_worst_decile: 0.1,
            p99_of_knee_worst_decile: Some(p99),
            limit_median: 32.0,
            limit_cv_worst_decile: 0.0,
            says_infeasible_share: 0.0,
            evenness_worst_decile: None,
        }
    }

    #[test]
    fn throughput_bought_with_latency_is_no_lead() {
        let ours = row(0.97, None, 1.0);
        assert!(lead(&row(1.0, None, 4.0), &ours).is_none());
        assert!(lead(&row(1.0, None, 1.05), &ours).is_some());
        assert!(lead(&row(0.97, None, 0.8), &ours).is_some());
        assert!(lead(&row(0.5, None, 0.5), &ours).is_none());
    }

    #[test]
    fn throughput_over_the_target_is_no_lead() {
        let ours = row(0.96, Some(0.0), 1.0);
        assert!(lead(&row(1.1, Some(0.5), 2.0), &ours).is_none());
        assert!(lead(&row(0.99, Some(0.01), 1.0), &ours).is_some());
        assert!(lead(&row(0.96, Some(0.0), 0.5), &ours).is_none());
    }
}
