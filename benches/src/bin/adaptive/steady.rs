//! Nothing changes: engines with and without targets, beside every fixed depth, in turns.

use std::time::Duration;

use aura_bench::Error;
use aura_bench::subject::Subject;
use indicatif::ProgressBar;

use crate::Context;
use crate::load::{Limit, Load, Work};
use crate::recording::{Recording, seconds};
use crate::row::{Row, Seen};
use crate::sweep::{Marks, Sweep};

/// Depths of the oracle. The steps are small where disks have their knee.
const DEPTHS: [usize; 14] = [4, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 128, 192, 256];
/// Targets for p99.
pub(crate) const TARGETS: [Duration; 3] =
    [Duration::from_micros(500), Duration::from_millis(1), Duration::from_millis(2)];
/// What a turn begins with that does not count: queues fill. In the first turn the search.
const WARM_UP_S: f64 = 0.1;
const FIRST_WARM_UP_S: f64 = 1.0;

pub(crate) fn run(subject: &Subject, context: &mut Context) -> Result<Marks, Error> {
    let mut sweep = Sweep::new(&DEPTHS, Work::RandomReads, subject)?;
    let limits: Vec<Limit> = [Limit::Free].into_iter().chain(TARGETS.map(Limit::Target)).collect();
    let loads =
        limits.iter().map(|&limit| Load::new(limit, subject)).collect::<Result<Vec<_>, _>>()?;
    let rounds = context.rounds;
    let turn = context.seconds / rounds;
    let progress = ProgressBar::new(u64::from(rounds)); // Hidden without a terminal.
    let mut turns: Vec<(Marks, Vec<Recording>)> = Vec::new();
    for round in 0..rounds as usize {
        let warm_up = if round == 0 { FIRST_WARM_UP_S } else { WARM_UP_S };
        let mut recordings = vec![Recording::default(); loads.len()];
        // Half of the oracle before the engines and half after: what drifts meets both.
        sweep.round(turn / 8)?;
        for index in (0..loads.len()).map(|place| (place + round) % loads.len()) {
            let time = Duration::from_secs_f64(warm_up) + turn;
            recordings[index] = loads[index].turn(Work::RandomReads, time)?;
        }
        sweep.round(turn / 8)?;
        turns.push((sweep.marks_of_last(2), recordings));
        progress.inc(1);
    }
    progress.finish_and_clear();
    for (index, (&limit, load)) in limits.iter().zip(&loads).enumerate() {
        context.checked += load.finish(subject)?;
        let of_rounds = turns.iter().enumerate().map(|(round, (marks, recordings))| {
            let recording = &recordings[index];
            let warm_up = if round == 0 { FIRST_WARM_UP_S } else { WARM_UP_S };
            let judged = seconds(warm_up, 1e6);
            let seen = Seen { recording, stretch: recording.all(), judged };
            // The depth is the best over all rounds, its throughput that of this round.
            let best = sweep.marks().best(limit.target());
            let here = best.and_then(|best| marks.iter().find(|mark| mark.depth == best.depth));
            (seen, here.copied().map(Into::into))
        });
        let of_rounds: Vec<_> = of_rounds.collect();
        context.rows.push(Row::new("steady", limit, "first turn and on", &of_rounds));
        let mut whole = Recording::default();
        turns.iter().for_each(|(_, recordings)| whole.extend(recordings[index].clone()));
        let name = format!("steady-{}", limit.name().replace(' ', "-"));
        context.draw(&name, &whole, limit, &[])?;
        context.decisions.push((name, load.decisions()));
    }
    context.checked += sweep.finish(subject)?;
    Ok(sweep.marks())
}
