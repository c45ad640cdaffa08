//! The work changes: small random reads, large sequential ones, writes.

use std::time::Duration;

use aura_bench::Error;
use aura_bench::subject::Subject;

use crate::Context;
use crate::load::{Limit, Load, Work};
use crate::recording::{Recording, seconds};
use crate::row::{Row, Seen};
use crate::sweep::{Marks, Sweep};

const DEPTHS: [usize; 7] = [4, 8, 16, 32, 64, 128, 256];
/// Seconds of each kind of work, of which the first does not count.
const STRETCH_S: f64 = 2.5;
const SETTLING_S: f64 = 1.0;
/// The best depth has so many turns before the engine's and as many after: what the disk allows wanders.
const TURNS: usize = 3;
const TURN: Duration = Duration::from_millis(400);

pub(crate) fn run(
    subject: &Subject,
    context: &mut Context,
) -> Result<Vec<(&'static str, Marks)>, Error> {
    let writable = rustix::fs::fcntl_getfl(&subject.file)?.contains(rustix::fs::OFlags::RDWR);
    let mut kinds = vec![Work::RandomReads, Work::SequentialReads];
    if writable {
        kinds.push(Work::RandomWrites);
    } else {
        context.skip("writes in the phase change: a file given with --file is never written to");
    }
    let mut oracles = Vec::new();
    for &work in &kinds {
        let mut sweep = Sweep::new(&DEPTHS, work, subject)?;
        (0..3).try_for_each(|_| sweep.round(Duration::from_millis(250)))?;
        let marks = sweep.marks();
        let best = sweep.measure_best(None, TURNS, TURN)?;
        oracles.push((work, marks, sweep, best));
    }
    let load = Load::new(Limit::Free, subject)?;
    let mut recording = Recording::default();
    for (work, ..) in oracles.iter().chain(oracles.first()) {
        recording.extend(load.run(*work, Duration::from_secs_f64(STRETCH_S))?);
    }
    load.drain()?;
    context.checked += load.finish(subject)?;
    for (.., sweep, best) in &mut oracles {
        if let Some(best) = best {
            sweep.measure_again(best.depth, TURNS, TURN)?;
            *best = sweep.mark_of(best.depth, 2 * TURNS).unwrap_or(*best);
        }
        context.checked += sweep.finish(subject)?;
    }
    let order: Vec<_> = oracles.iter().chain(oracles.first()).collect();
    for (index, (work, .., best)) in order.iter().enumerate() {
        let from = index as f64 * STRETCH_S;
        let stretch = seconds(from, from + STRETCH_S);
        let judged = seconds(from + SETTLING_S, from + STRETCH_S);
        let seen = Seen { recording: &recording, stretch, judged };
        let best = best.map(Into::into);
        context.rows.push(Row::new("phases", Limit::Free, work.name(), &[(seen, best)]));
    }
    let changes: Vec<f64> = (1..order.len()).map(|index| index as f64 * STRETCH_S).collect();
    context.draw("phases", &recording, Limit::Free, &changes)?;
    context.decisions.push(("phases".into(), load.decisions()));
    Ok(oracles.into_iter().map(|(work, marks, ..)| (work.name(), marks)).collect())
}
