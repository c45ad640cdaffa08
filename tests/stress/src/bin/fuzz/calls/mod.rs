//! Drawing a call and making it.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `life` | options, creating and destroying engines |
//! | `operations` | arguments of single operations, right and wrong |
//! | `submission` | giving an operation to an engine, and what is remembered of it |
//! | `batches` | operations as data, chains |
//! | `requests` | cancelling, questions about requests |
//! | `processing` | poll, wait, run, drain, flush, room |
//! | `memory` | buffers of the pool, shares of it |
//! | `registered` | registered buffers and files |
//! | `asking` | statistics, settings, names, the log |

mod asking;
mod batches;
mod life;
mod memory;
mod operations;
mod processing;
mod registered;
mod requests;
mod submission;

use std::cell::RefCell;

use aura_ffi::header::aura_engine_t;
use aura_stress::random::Random;

use crate::oracle::broken;
use crate::world::{self, Engine, Picked, World};

pub(crate) use life::destroy_all;

thread_local! {
    /// Engines whose callbacks this thread is in, the innermost last.
    static INSIDE: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Callbacks that make calls which run callbacks go so deep.
const DEPTH_MAX: usize = 2;

/// Draws a call and makes it; `inside` a callback of this engine, or not.
pub(crate) fn step(random: &mut Random, inside: Option<usize>) {
    INSIDE.with_borrow_mut(|stack| stack.extend(inside));
    if INSIDE.with_borrow(Vec::len) <= DEPTH_MAX {
        draw(random);
    }
    if inside.is_some() {
        INSIDE.with_borrow_mut(Vec::pop);
    } else {
        settle();
    }
}

fn draw(random: &mut Random) {
    world::with(|world| world.calls += 1);
    if world::with(|world| world.alive().is_empty()) && !random.one_in(4) {
        return life::create(random);
    }
    match random.below(100) {
        0..5 => life::create(random),
        5..9 => life::destroy(random),
        9..42 => operations::submit_one(random),
        42..46 => batches::submit(random),
        46..50 => batches::submit_batch(random),
        50..57 => requests::cancel(random),
        57..61 => requests::ask(random),
        61..72 => processing::process(random),
        72..75 => processing::others(random),
        75..85 => memory::any(random),
        85..92 => registered::any(random),
        _ => asking::any(random),
    }
}

/// What must hold when no call is running.
fn settle() {
    let engines = world::with(|world| {
        let ending = |number: &usize| world.engines[*number].ending;
        let ended: Vec<usize> = (0..world.engines.len()).filter(ending).collect();
        ended.into_iter().for_each(|number| bury(world, number));
        let alive = world.alive();
        alive.into_iter().map(|number| (number, world.engines[number].name)).collect::<Vec<_>>()
    });
    for (number, name) in engines {
        asking::compare(number, pointer(name));
    }
    if aura_ffi::aura_in_callback_context() {
        broken("aura_in_callback_context() says yes outside");
    }
}

/// Destroying the engine has returned: everything given to it has completed, and nobody hears of it again.
fn bury(world: &mut World, number: usize) {
    let engine = &mut world.engines[number];
    (engine.ending, engine.gone) = (false, true);
    if engine.shares.is_empty() {
        engine.buffers.clear(); // They go with the pool.
    }
    if engine.in_flight() != 0 {
        let lost = engine.in_flight();
        broken(&format!("engine {number} is gone, and {lost} operations never completed"));
    }
}

/// An engine's name as C has it.
fn pointer(name: usize) -> *mut aura_engine_t {
    std::ptr::without_provenance_mut(name)
}

/// Whether this thread is in a callback of the engine.
fn is_inside(number: usize) -> bool {
    INSIDE.with_borrow(|stack| stack.contains(&number))
}

/// Whether this thread is in any callback.
fn is_in_callback() -> bool {
    INSIDE.with_borrow(|stack| !stack.is_empty())
}

/// Whether the engine is another thread's for good.
fn is_foreign(engine: &Engine) -> bool {
    engine.single_thread && engine.owner.is_some_and(|owner| owner != std::thread::current().id())
}

/// Looks at a picked engine, if it is alive.
fn look<T>(picked: Picked, look: impl FnOnce(&mut Engine) -> T) -> Option<T> {
    world::with(|world| picked.number.map(|number| look(&mut world.engines[number])))
}
