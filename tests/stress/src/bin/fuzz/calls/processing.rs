//! Processing completions.
//!
//! This file is `unsafe` because it hands functions over to be called.

use aura_ffi::{
    aura_drain, aura_flush, aura_get_poll_fd, aura_poll, aura_post, aura_run, aura_stop, aura_wait,
    aura_when_room,
};
use aura_stress::random::Random;

use super::{is_foreign, is_inside, look, pointer};
use crate::completion::{posted, room};
use crate::oracle::{May, broken, call, show};
use crate::plant::{self, Plant};
use crate::world::{self, Picked};

/// How calls that process completions may answer.
fn may(picked: Picked, fine: May) -> May {
    let Some(number) = picked.number else { return May::fail(&[libc::EINVAL]) };
    let state = look(picked, |engine| (is_foreign(engine), engine.ending));
    match state.unwrap_or_default() {
        // Another thread's, and in a callback: either is said.
        (true, _) => May::fail(&[libc::EINVAL]).or_if(is_inside(number), &[libc::EDEADLK]),
        _ if is_inside(number) => May::fail(&[libc::EDEADLK]),
        (_, true) => fine.or(&[libc::ESHUTDOWN, libc::EDEADLK]),
        _ => fine,
    }
}

pub(super) fn process(random: &mut Random) {
    let picked = world::with(|world| world.pick_engine(random));
    let engine = pointer(picked.name);
    let is_stuck = look(picked, |engine| engine.stuck > 0).unwrap_or(false);
    if plant::is_due(Plant::Hang) {
        loop {
            std::thread::park();
        }
    }
    if plant::is_due(Plant::Crash) {
        // SAFETY: none. It crashes, which is what is wanted.
        unsafe { std::ptr::without_provenance::<u8>(picked.name | 1).read_volatile() };
    }
    let before =
        look(picked, |engine| engine.completed + engine.silent + engine.posts_called).unwrap_or(0);
    // Without limit only if everything ends by itself.
    let timeout = random.of(&[0, 0, 1, 2, -1, -2, i32::MIN]);
    let timeout = if timeout == -1 && is_stuck { 1 } else { timeout };
    let limited = || match timeout {
        ..-1 => May::fail(&[libc::EINVAL]),
        _ => May::succeed().or(&[libc::ETIMEDOUT]),
    };
    let (what, may, (value, answer)) = match random.below(4) {
        0 | 1 => {
            let may = may(picked, May::succeed());
            ("aura_poll".to_owned(), may, call(|| aura_poll(engine), |&n| n < 0))
        }
        2 => {
            let may = may(picked, limited()).or_if(timeout < -1, &[libc::EINVAL]);
            (format!("aura_wait({timeout})"), may, call(|| aura_wait(engine, timeout), |&n| n < 0))
        }
        _ => {
            let may = may(picked, limited()).or_if(timeout < -1, &[libc::EINVAL]);
            (
                format!("aura_drain({timeout})"),
                may,
                call(|| aura_drain(engine, timeout), |&n| n < 0),
            )
        }
    };
    may.check(&format!("{what} on {:#x}: {value}", picked.name), answer);
    if value < -1 {
        broken(&format!("{what} returns {value}"));
    }
    if answer.failed {
        return;
    }
    let heard = look(picked, |engine| engine.completed + engine.silent + engine.posts_called)
        .unwrap_or(0)
        - before;
    let silent = look(picked, |engine| engine.silent).unwrap_or(0);
    if u64::from(value.unsigned_abs()) > heard + silent {
        broken(&format!("{what} says {value} operations; {heard} callbacks ran"));
    }
}

pub(super) fn others(random: &mut Random) {
    let picked = world::with(|world| world.pick_engine(random));
    let engine = pointer(picked.name);
    let dead = May::fail(&[libc::EINVAL]);
    let (foreign, ending) =
        look(picked, |engine| (is_foreign(engine), engine.ending)).unwrap_or_default();
    let alive = |fine: May| if picked.number.is_some() { fine } else { dead.clone() };
    match random.below(5) {
        0 => {
            let (fd, answer) = call(|| aura_get_poll_fd(engine), |&fd| fd < 0);
            let may = alive(May::succeed().or(&[libc::EMFILE, libc::ENFILE, libc::ENOMEM]));
            may.or_if(ending, &[libc::ESHUTDOWN]).check(&format!("aura_get_poll_fd: {fd}"), answer);
        }
        1 => {
            let (_, answer) = call(|| aura_flush(engine), |&value| value != 0);
            let may = if foreign { dead.clone() } else { alive(May::succeed()) };
            may.or_if(ending, &[libc::ESHUTDOWN]).check("aura_flush", answer);
        }
        2 => run(picked),
        3 => post(random, picked),
        _ => {
            let call_it: aura_ffi::header::aura_room_fn =
                if random.one_in(4) { None } else { Some(room) };
            if let Some(number) = picked.number {
                world::with(|world| world.engines[number].room_calls += 1);
            }
            let data = std::ptr::without_provenance_mut(picked.number.unwrap_or(0));
            // SAFETY: the function may be called at any time, with a number.
            let ask = || unsafe { aura_when_room(engine, call_it, data) };
            let (value, answer) = call(ask, |&value| value < 0);
            let may = if call_it.is_none() { dead } else { alive(May::succeed()) };
            may.or_if(ending, &[libc::ESHUTDOWN])
                .or_if(foreign, &[libc::EINVAL])
                .check(&format!("aura_when_room: {value}"), answer);
            if let (true, Some(number)) = (value != 0, picked.number) {
                world::with(|world| world.engines[number].room_calls -= 1);
            }
        }
    }
}

/// A call on the thread that processes completions. Any thread may ask for it.
fn post(random: &mut Random, picked: Picked) {
    let call_it: aura_ffi::header::aura_post_fn =
        if random.one_in(4) { None } else { Some(posted) };
    let data = std::ptr::without_provenance_mut(picked.number.unwrap_or(0));
    look(picked, |engine| engine.posts += 1);
    // SAFETY: the function may be called at any time, with a number.
    let post = || unsafe { aura_post(pointer(picked.name), call_it, data) };
    let (value, answer) = call(post, |&value| value != 0);
    let is_wrong = call_it.is_none() || picked.number.is_none();
    let may = if is_wrong { May::fail(&[libc::EINVAL]) } else { May::succeed() };
    let ending = look(picked, |engine| engine.ending).unwrap_or(false);
    may.or_if(ending, &[libc::ESHUTDOWN]).check(&format!("aura_post: {value}"), answer);
    if answer.failed {
        look(picked, |engine| engine.posts -= 1);
    }
}

/// A stop, and the run that it ends. The stop alone if the run would begin in a callback, or is another
/// thread's: it would not be taken.
fn run(picked: Picked) {
    let engine = pointer(picked.name);
    // What never ends would keep the run for ten seconds.
    world::with(crate::world::World::release_stuck);
    show(|| format!("aura_stop and aura_run on {:#x}", picked.name));
    aura_stop(engine);
    aura_run(engine);
}
