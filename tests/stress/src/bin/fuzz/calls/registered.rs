//! Registered buffers and files.
//!
//! This file is `unsafe` because it names memory: it lasts as long as the process.

use std::ptr;

use aura_ffi::{
    aura_register_buffers, aura_register_files, aura_request_unregister, aura_unregister,
    aura_update_file,
};
use aura_stress::random::Random;
use libc::iovec;

use super::operations::{MEMORY_BYTES, memory};
use super::{is_foreign, is_in_callback, look, pointer};
use crate::oracle::{May, call};
use crate::world::{self, Picked, World};

pub(super) fn any(random: &mut Random) {
    let picked = world::with(|world| world.pick_engine(random));
    match random.below(6) {
        0 | 1 => register_buffers(random, picked),
        2 => register_files(random, picked),
        3 => update_file(random, picked),
        _ => unregister(random, picked),
    }
}

/// How a call may answer: as `fine` on an engine that lives; in special states more.
fn may(picked: Picked, fine: May) -> May {
    let state = look(picked, |engine| (is_foreign(engine), engine.ending));
    let Some((foreign, ending)) = state else { return May::fail(&[libc::EINVAL]) };
    fine.or_if(foreign, &[libc::EINVAL]).or_if(ending, &[libc::ESHUTDOWN])
}

fn register_buffers(random: &mut Random, picked: Picked) {
    let whole = iovec { iov_base: memory().cast(), iov_len: MEMORY_BYTES };
    let nowhere = iovec { iov_base: ptr::null_mut(), ..whole };
    let empty = iovec { iov_len: 0, ..whole };
    let (iovs, bad) = match random.below(10) {
        0 => (vec![], true),
        1 => (vec![nowhere], true),
        2 => (vec![empty], true),
        3 => (vec![whole, whole], true), // They overlap.
        _ => (vec![whole], false),
    };
    let null = random.one_in(12);
    let given = if null { ptr::null() } else { iovs.as_ptr() };
    let count = if iovs.is_empty() { random.of(&[0, 0]) } else { iovs.len() as u32 };
    let state = look(picked, |engine| (engine.buffers_registered, engine.unregistering));
    let (registered, unregistering) = state.unwrap_or_default();
    let fine =
        if bad || null { May::fail(&[libc::EINVAL]) } else { May::succeed().or(&[libc::ENOMEM]) };
    let fine = match registered {
        true => May::fail(&[libc::EBUSY]).or_if(bad || null, &[libc::EINVAL]),
        false => fine.or_if(unregistering, &[libc::EBUSY]),
    };
    // SAFETY: as many elements, over memory that lasts.
    let register = || unsafe { aura_register_buffers(pointer(picked.name), given, count) };
    let (_, answer) = call(register, |&value| value != 0);
    may(picked, fine)
        .check(&format!("aura_register_buffers({count}) on {:#x}", picked.name), answer);
    if !answer.failed {
        look(picked, |engine| {
            (engine.buffers_registered, engine.unregistering) = (true, false);
        });
    }
}

fn register_files(random: &mut Random, picked: Picked) {
    let (fds, bad): (Vec<i32>, &[i32]) = match random.below(6) {
        0 => (vec![], &[libc::EINVAL]),
        1 => (vec![-2], &[libc::EINVAL]),
        2 => (vec![1_000_000], &[libc::EBADF]),
        _ => (vec![-1, world::with(|world| world.fds.first().copied().unwrap_or(-1))], &[]),
    };
    let registered = look(picked, |engine| engine.files_registered).unwrap_or(false);
    // A descriptor of ours may be being closed.
    let fine = if bad.is_empty() { May::succeed().or(&[libc::EBADF]) } else { May::fail(bad) };
    let fine = if registered { May::fail(&[libc::EBUSY]).or(bad) } else { fine };
    let count = fds.len() as u32;
    // SAFETY: as many numbers.
    let register = || unsafe { aura_register_files(pointer(picked.name), fds.as_ptr(), count) };
    let (_, answer) = call(register, |&value| value != 0);
    may(picked, fine.or(&[libc::EMFILE]))
        .check(&format!("aura_register_files({fds:?}) on {:#x}", picked.name), answer);
    if !answer.failed {
        look(picked, |engine| engine.files_registered = true);
    }
}

fn update_file(random: &mut Random, picked: Picked) {
    world::with(World::files_change);
    let index = random.of(&[0, 1, 2, -1, i32::MAX]);
    let fd = random.of(&[-1, -1, -2, 1_000_000]);
    let registered = look(picked, |engine| engine.files_registered).unwrap_or(false);
    let fine = match (registered, index, fd) {
        (false, ..) => May::fail(&[libc::ENOENT]).or_if(index < 0 || fd < -1, &[libc::EINVAL]),
        // While a sync, say, has yet to find the file.
        (true, 0 | 1, -1) => May::succeed().or(&[libc::EBUSY]),
        (true, 0 | 1, 1_000_000) => May::fail(&[libc::EBADF, libc::EBUSY]),
        (true, ..) => May::fail(&[libc::EINVAL]).or_if(fd >= 0, &[libc::EBADF]),
    };
    let (_, answer) =
        call(|| aura_update_file(pointer(picked.name), index, fd), |&value| value != 0);
    may(picked, fine)
        .check(&format!("aura_update_file({:#x}, {index}, {fd})", picked.name), answer);
}

fn unregister(random: &mut Random, picked: Picked) {
    world::with(World::files_change);
    let what = random.of(&[0, 0, 0, 1, 2, u32::MAX]);
    let waits = random.one_in(2) && !is_in_callback();
    let state = look(picked, |engine| {
        (engine.buffers_registered, engine.unregistering, engine.files_registered)
    });
    let (buffers, unregistering, files) = state.unwrap_or_default();
    let fine = match what {
        0 if buffers => May::succeed(),
        0 if unregistering => May::succeed().or(&[libc::ENOENT]),
        1 if files => May::succeed(),
        0 | 1 => May::fail(&[libc::ENOENT]),
        _ => May::fail(&[libc::EINVAL]),
    };
    let engine = pointer(picked.name);
    let unregister = if waits { aura_unregister } else { aura_request_unregister };
    let name = if waits { "aura_unregister" } else { "aura_request_unregister" };
    let (_, answer) = call(|| unregister(engine, what), |&value| value != 0);
    may(picked, fine).check(&format!("{name}({:#x}, {what})", picked.name), answer);
    if answer.failed {
        return;
    }
    look(picked, |engine| match what {
        0 => (engine.buffers_registered, engine.unregistering) = (false, !waits),
        _ => engine.files_registered = false,
    });
}
