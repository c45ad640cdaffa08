//! Buffers of the pool, and shares of it.
//!
//! This file is `unsafe` because shares of a pool are addresses: only those that live are handed over.

use std::ffi::c_void;
use std::ptr;

use aura_ffi::header::aura_pool_t;
use aura_ffi::{
    aura_buffer_alloc, aura_buffer_free, aura_pool_free, aura_pool_release, aura_pool_share,
};
use aura_stress::random::Random;

use super::{look, pointer};
use crate::oracle::{May, broken, call};
use crate::world::{self, Picked};

/// The largest buffer there is.
const LARGEST: usize = 128 << 20;

pub(super) fn any(random: &mut Random) {
    let picked = world::with(|world| world.pick_engine(random));
    match random.below(8) {
        0..3 => allocate(random, picked),
        3..6 => free(random, picked),
        6 => share(picked),
        _ => release(random),
    }
}

fn allocate(random: &mut Random, picked: Picked) {
    let size = random.of(&[1, 100, 4096, 5000, 65_536, 0, LARGEST + 1, usize::MAX]);
    let allocate = || aura_buffer_alloc(pointer(picked.name), size);
    let (buffer, answer) = call(allocate, |buffer| buffer.is_null());
    let bad = picked.number.is_none() || !(1..=LARGEST).contains(&size);
    let may = if bad { May::fail(&[libc::EINVAL]) } else { May::succeed().or(&[libc::ENOMEM]) };
    may.check(&format!("aura_buffer_alloc({size}) on {:#x}", picked.name), answer);
    if answer.failed {
        return;
    }
    // SAFETY: a buffer of that size, which nobody else has: it is written to its end.
    unsafe { ptr::write_bytes(buffer.cast::<u8>(), 0xa5, size) };
    world::with(|world| {
        let others = || world.engines.iter().flat_map(|engine| &engine.buffers);
        if others().any(|&other| other == buffer.addr()) {
            broken(&format!("the buffer {buffer:p} is handed out twice"));
        }
        world.freed.remove(&buffer.addr());
        if let Some(number) = picked.number {
            world.engines[number].buffers.push(buffer.addr());
        }
    });
}

/// What may be given back: a buffer of the engine's, or something that is none.
fn some_buffer(random: &mut Random, picked: Picked) -> (usize, bool) {
    world::with(|world| {
        let own = picked.number.map(|number| world.engines[number].buffers.clone());
        let own = own.unwrap_or_default();
        if !own.is_empty() && !random.one_in(3) {
            return (random.of(&own), true);
        }
        let is_own = |buffer: usize| own.contains(&buffer);
        let freed: Vec<usize> = world.freed.iter().copied().collect();
        let other = world.engines.iter().flat_map(|engine| engine.buffers.iter().copied()).next();
        let buffer = match random.below(4) {
            0 => 0x1000,
            1 => own.first().map_or(1, |buffer| buffer + 64),
            2 if !freed.is_empty() => random.of(&freed),
            _ => other.unwrap_or(usize::MAX),
        };
        (buffer, is_own(buffer))
    })
}

fn free(random: &mut Random, picked: Picked) {
    let (buffer, is_own) = some_buffer(random, picked);
    let shares = look(picked, |engine| engine.shares.clone()).unwrap_or_default();
    let memory: *mut c_void = ptr::without_provenance_mut(buffer);
    let mut what = format!("aura_buffer_free({:#x}, {buffer:#x})", picked.name);
    let ((), mut answer) = if !shares.is_empty() && random.one_in(2) {
        what = format!("aura_pool_free({buffer:#x})");
        let pool: *mut aura_pool_t = ptr::with_exposed_provenance_mut(random.of(&shares));
        // SAFETY: a share that was not given back.
        call(|| unsafe { aura_pool_free(pool, memory) }, |()| false)
    } else {
        call(|| aura_buffer_free(pointer(picked.name), memory), |()| false)
    };
    // Success leaves errno unspecified, so failure of a call that returns nothing shows by errno alone.
    answer.failed = !(picked.number.is_some() && is_own);
    let may = if answer.failed { May::fail(&[libc::EINVAL]) } else { May::succeed() };
    may.check(&what, answer);
    if let (false, Some(number)) = (answer.failed, picked.number) {
        world::with(|world| {
            world.engines[number].buffers.retain(|&other| other != buffer);
            world.freed.insert(buffer);
        });
    }
}

fn share(picked: Picked) {
    let (share, answer) = call(|| aura_pool_share(pointer(picked.name)), |share| share.is_null());
    let may = if picked.number.is_some() { May::succeed() } else { May::fail(&[libc::EINVAL]) };
    may.check(&format!("aura_pool_share({:#x})", picked.name), answer);
    if let (false, Some(number)) = (answer.failed, picked.number) {
        world::with(|world| world.engines[number].shares.push(share.expose_provenance()));
    }
}

/// Gives a share back, of any engine: also of one that is gone, with its buffers first.
fn release(random: &mut Random) {
    let taken = world::with(|world| {
        let holders: Vec<usize> =
            (0..world.engines.len()).filter(|&n| !world.engines[n].shares.is_empty()).collect();
        if holders.is_empty() {
            return None;
        }
        let engine = &mut world.engines[random.of(&holders)];
        let share = engine.shares.swap_remove(0);
        let is_last_of_gone = engine.gone && engine.shares.is_empty();
        // Buffers of a pool that goes are gone, too.
        let buffers = if engine.gone { std::mem::take(&mut engine.buffers) } else { Vec::new() };
        let left = if is_last_of_gone { Vec::new() } else { buffers.clone() };
        engine.buffers.extend(left);
        Some((share, if is_last_of_gone { buffers } else { Vec::new() }))
    });
    // SAFETY: NULL is ignored.
    unsafe { aura_pool_release(ptr::null_mut()) };
    let Some((share, buffers)) = taken else { return };
    let pool: *mut aura_pool_t = ptr::with_exposed_provenance_mut(share);
    for buffer in buffers {
        // SAFETY: a share that was not given back; below it is.
        let free = || unsafe { aura_pool_free(pool, ptr::without_provenance_mut(buffer)) };
        let ((), answer) = call(free, |()| false);
        May::succeed()
            .check(&format!("aura_pool_free({buffer:#x}) when the engine is gone"), answer);
    }
    // SAFETY: as above.
    unsafe { aura_pool_release(pool) };
}
