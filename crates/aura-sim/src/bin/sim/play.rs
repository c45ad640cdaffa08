//! All runs of a scenario, on as many threads as there are processors, and their figures.

use aura_sim::catalogue::{Contender, Prepared, Scenario, Score};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Everything, as `--json` writes it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) seeds: u64,
    pub(crate) scenarios: Vec<Played>,
}

/// A scenario with a row for each policy, the controller first.
#[derive(Debug, Serialize)]
pub(crate) struct Played {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) target_p99_ns: Option<u64>,
    pub(crate) knee_depth: Option<u32>,
    pub(crate) knee_p99_ns: Option<u64>,
    /// Whether a fixed depth meets the target.
    pub(crate) feasible: bool,
    pub(crate) rows: Vec<Row>,
}

/// The figures of one policy over all seeds.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) policy: String,
    pub(crate) eta_worst_decile: Option<f64>,
    pub(crate) eta_median: Option<f64>,
    pub(crate) violations_mean: Option<f64>,
    pub(crate) t95_s_worst_decile: f64,
    pub(crate) p99_of_knee_worst_decile: Option<f64>,
    pub(crate) limit_median: f64,
    pub(crate) limit_cv_worst_decile: f64,
    pub(crate) says_infeasible_share: f64,
    pub(crate) evenness_worst_decile: Option<f64>,
}

pub(crate) fn prepare(scenario: &Scenario) -> Prepared {
    note(&format!("{}: asking the oracle", scenario.name));
    scenario.prepare()
}

pub(crate) fn all(scenario: &Scenario, prepared: &Prepared, seeds: u64) -> Played {
    let jobs: Vec<(Contender, u64)> =
        Contender::ALL.iter().flat_map(|&c| (1..=seeds).map(move |seed| (c, seed))).collect();
    let scores = scores(scenario.name, prepared, &jobs);
    note("");
    let rows = Contender::ALL.iter().zip(scores.chunks(seeds as usize));
    Played {
        name: scenario.name,
        about: scenario.about,
        target_p99_ns: prepared.target_p99_ns(),
        knee_depth: prepared.knee().map(|knee| knee.0),
        knee_p99_ns: prepared.knee().map(|knee| knee.1),
        feasible: prepared.is_feasible(),
        rows: rows.map(|(contender, scores)| row(contender.name(), scores)).collect(),
    }
}

/// The score of each job, in order.
fn scores(name: &str, prepared: &Prepared, jobs: &[(Contender, u64)]) -> Vec<Score> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(jobs.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                // Relaxed: the counter only hands out numbers, the results are under the lock.
                while let Some((index, &(contender, seed))) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    jobs.get(index).map(|job| (index, job))
                } {
                    let score = prepared.play(contender, seed);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((index, score));
                    note(&format!("{name}: {}/{}", done.len(), jobs.len()));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|result| result.0);
    done.into_iter().map(|result| result.1).collect()
}

fn row(policy: String, scores: &[Score]) -> Row {
    let each = |figure: &dyn Fn(&Score) -> Option<f64>, share: f64| {
        let mut values: Vec<f64> = scores.iter().filter_map(figure).collect();
        values.sort_by(f64::total_cmp);
        let index = (values.len().saturating_sub(1) as f64 * share).round() as usize;
        values.get(index).copied()
    };
    let counts = scores.iter().filter_map(|score| score.violations);
    let (late, windows) = counts.fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    let infeasible = scores.iter().filter(|score| score.infeasible).count();
    Row {
        policy,
        eta_worst_decile: each(&|s| s.eta, 0.1),
        eta_median: each(&|s| s.eta, 0.5),
        violations_mean: (windows > 0).then(|| f64::from(late) / f64::from(windows)),
        t95_s_worst_decile: each(&|s| Some(s.t95_s), 0.9).unwrap_or(0.0),
        p99_of_knee_worst_decile: each(&|s| s.p99_of_knee, 0.9),
        limit_median: each(&|s| Some(s.limit), 0.5).unwrap_or(0.0),
        limit_cv_worst_decile: each(&|s| Some(s.limit_cv), 0.9).unwrap_or(0.0),
        says_infeasible_share: infeasible as f64 / scores.len().max(1) as f64,
        evenness_worst_decile: each(&|s| s.evenness, 0.1),
    }
}

/// Replaces the line of progress, if somebody can see it.
fn note(text: &str) {
    let mut err = std::io::stderr().lock();
    if err.is_terminal() {
        // Progress that cannot be written is not worth an error.
        let _ = write!(err, "\r\x1b[K{text}").and_then(|()| err.flush());
    } else if text.ends_with("oracle") {
        let _ = writeln!(err, "{text}");
    }
}
