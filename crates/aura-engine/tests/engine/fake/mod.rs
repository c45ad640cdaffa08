//! The engine over a kernel that follows a seed, judged by an oracle.
//!
//! A *game* is an engine, a fake kernel and an application that submits, chains, awaits, drops and
//! cancels; all of it on one thread, and everything that happens follows from the game's [`Plan`].
//! So a game that is lost can be played again:
//!
//! ```text
//! AURA_SEED=123:20:7f cargo test --release --package aura-engine --test engine fake::
//! ```
//!
//! | module | what lives there |
//! | --- | --- |
//! | `plan` | what is played: the seed, the faults; making a lost game smaller |
//! | `kernel`, `ring`, `backend` | the fake kernel; one ring of it; as the engine sees it |
//! | `player` | the application |
//! | `ledger` | the oracle |

mod backend;
mod kernel;
mod ledger;
mod plan;
mod player;
mod ring;
mod rng;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ledger::Ledger;
use plan::{Defect, Fault, Plan};

/// Games in a run. Unoptimised they are there to be stepped through.
const GAMES: u64 = if cfg!(debug_assertions) { 4_000 } else { 100_000 };

/// How a game was lost, if it was.
fn play(plan: Plan, defect: Option<Defect>) -> Option<String> {
    player::play(plan, defect, &Arc::new(Ledger::new(false)))
}

/// Plays a game once more and tells all that happened.
fn tell(plan: Plan) -> String {
    let ledger = Arc::new(Ledger::new(true));
    let verdict = player::play(plan, None, &ledger);
    let faults: Vec<_> = Fault::ALL.into_iter().filter(|fault| plan.has(*fault)).collect();
    format!("game {plan} with {faults:?}:\n{}=> {verdict:?}", ledger.story())
}

/// Plays games on all processors until one is lost, which is returned.
fn first_lost(
    seeds: std::ops::Range<u64>,
    game: impl Fn(u64) -> Option<String> + Sync,
) -> Option<u64> {
    let next = AtomicU64::new(seeds.start);
    let lost = Mutex::new(None);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while lost.lock().unwrap().is_none() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    if game(seed).is_some() {
                        *lost.lock().unwrap() = Some(seed);
                    }
                }
            });
        }
    });
    lost.into_inner().unwrap()
}

#[test]
fn whatever_the_kernel_does_every_promise_is_kept() {
    if let Ok(plan) = std::env::var("AURA_SEED") {
        let plan: Plan = plan.parse().expect("AURA_SEED is `seed` or `seed:steps:faults`");
        println!("{}", tell(plan));
        assert_eq!(play(plan, None), None);
        return;
    }
    let Some(seed) = first_lost(0..GAMES, |seed| play(Plan::of(seed), None)) else { return };
    let smallest = Plan::of(seed).shrink(|plan| play(plan, None).is_some());
    panic!(
        "{}\nto play it again: AURA_SEED={smallest} cargo test --release --package aura-engine \
         --test engine fake:: -- --show-output (the whole of it: AURA_SEED={seed})",
        tell(smallest)
    );
}

/// A game that is played twice takes the same course, or no failure could be looked into.
#[test]
fn a_game_can_be_repeated() {
    for seed in 0..200 {
        let plan = Plan::of(seed);
        let (first, second) = (tell(plan), tell(plan));
        assert!(first == second, "{first}\n{second}");
    }
}

/// Each of the mistakes that a library or a kernel could make is noticed.
#[test]
fn every_defect_is_found() {
    let futures = |plan: Plan| plan.with(Fault::Futures).with(Fault::Delays);
    let chains = |plan: Plan| plan.with(Fault::Chains).with(Fault::Delays);
    let any = |plan: Plan| plan.with(Fault::Delays);
    let plans: [(Defect, &(dyn Fn(Plan) -> Plan + Sync)); 9] = [
        (Defect::LoseCompletion, &any),
        (Defect::ForgetSubmission, &any),
        (Defect::CompleteEarly, &any),
        (Defect::SwapLabels, &any),
        (Defect::FreeEarly, &any),
        (Defect::CallTwice, &any),
        (Defect::ExceedLimit, &any),
        (Defect::TearChain, &chains),
        (Defect::LoseWake, &futures),
    ];
    for (defect, plan) in plans {
        let found = first_lost(0..500, |seed| play(plan(Plan::of(seed)), Some(defect)));
        assert!(found.is_some(), "{defect:?} went unnoticed");
    }
}
