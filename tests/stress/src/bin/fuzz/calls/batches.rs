//! Operations as data: one, several at once, chains.
//!
//! This file is `unsafe` because it hands structs over that name memory.

use std::mem::MaybeUninit;
use std::ptr;

use aura_ffi::header::{
    AURA_FIXED_FILE, AURA_LINK, AURA_OP_CANCEL, AURA_OP_FSYNC, AURA_OP_READ, AURA_OP_WRITE,
    aura_op_t, aura_request_t,
};
use aura_ffi::{aura_op_init, aura_submit, aura_submit_batch};
use aura_stress::random::Random;

use super::operations::transfer;
use super::pointer;
use super::submission::{self, Plan, Sense, user_data};
use crate::completion::heard;
use crate::oracle::{May, call};
use crate::world;

/// Operations of a batch at most: more than the smallest engines have room for.
const BATCH_MAX: usize = 20;

fn initialised(kind: u32) -> aura_op_t {
    let mut op = MaybeUninit::<aura_op_t>::zeroed();
    // SAFETY: room for an operation, or NULL, which is ignored; zeros are one anyway.
    unsafe {
        aura_op_init(ptr::null_mut(), kind);
        aura_op_init(op.as_mut_ptr(), kind);
        op.assume_init()
    }
}

/// An operation as data, and what is known of it.
fn draw(random: &mut Random) -> (aura_op_t, Plan) {
    if random.one_in(4) {
        let mut op = initialised(AURA_OP_FSYNC);
        op.fd = world::with(|world| world.pick_fd(random));
        return (op, Plan::new("an fsync as data", Sense::Open, 0));
    }
    let writes = random.one_in(2);
    let what = if writes { "a write as data" } else { "a read as data" };
    let (given, mut plan) = transfer(random, what, writes);
    let mut op = initialised(if writes { AURA_OP_WRITE } else { AURA_OP_READ });
    (op.fd, op.buf, op.len, op.offset) = (given.fd, given.buf, given.len, given.offset);
    if plan.sense == Sense::Good && !plan.is_stuck && random.one_in(6) {
        op.flags |= AURA_FIXED_FILE as u32;
        op.fd = random.of(&[0, 1, 2, 100]);
        (plan.registered_file, plan.sense) = (true, Sense::Open);
    }
    if random.one_in(16) {
        match random.below(4) {
            0 => op.type_ = random.of(&[AURA_OP_CANCEL, 15, 99, u32::MAX]),
            1 => op.flags = random.of(&[4, 8, u32::MAX]),
            2 => op._reserved[random.index(8)] = 1,
            _ => op.struct_size = random.of(&[0, 3]),
        }
        (plan.sense, plan.is_stuck) = (Sense::Bad, false);
    }
    (op, plan)
}

pub(super) fn submit(random: &mut Random) {
    let picked = world::with(|world| world.pick_engine(random));
    let (mut op, mut plan) = draw(random);
    let (null, is_linked) = (random.one_in(16), random.one_in(16));
    if null || is_linked {
        (plan.sense, plan.is_stuck) = (Sense::Bad, false);
    }
    if is_linked {
        op.flags |= AURA_LINK as u32;
    }
    let given = if null { ptr::null() } else { &raw const op };
    submission::submit(random, picked, &plan, |engine, call, data| {
        // SAFETY: NULL, or an operation whose memory lasts.
        unsafe { aura_submit(engine, given, call, data) }
    });
}

pub(super) fn submit_batch(random: &mut Random) {
    let picked = world::with(|world| world.pick_engine(random));
    let count = random.index(BATCH_MAX);
    let mut drawn: Vec<_> = (0..count).map(|_| draw(random)).collect();
    link(&mut drawn, random);
    let first = world::with(|world| world.operations.len());
    for (op, plan) in &mut drawn {
        let number = world::with(|world| plan.enter(world, picked.number.unwrap_or(0), random));
        op.callback = Some(heard);
        op.user_data = user_data(number);
    }
    let ops: Vec<aura_op_t> = drawn.iter().map(|(op, _)| *op).collect();
    let mut requests: Vec<*mut aura_request_t> = vec![ptr::null_mut(); count];
    // SAFETY: as many operations, whose memory lasts, and room for as many requests.
    let submit = || unsafe {
        aura_submit_batch(pointer(picked.name), ops.as_ptr(), count, requests.as_mut_ptr())
    };
    let (submitted, mut answer) = call(submit, |&submitted| submitted < 0);
    let accepted = usize::try_from(submitted).unwrap_or(0);
    // Fewer than all is a failure of the next one, for a reason.
    answer.failed |= accepted < count;
    let may = world::with(|world| may(world, picked, &drawn));
    may.check(&format!("aura_submit_batch({count}) on {:#x}: {submitted}", picked.name), answer);
    world::with(|world| {
        for (index, (_, plan)) in drawn.iter().enumerate().take(accepted) {
            plan.accept(world, first + index, requests[index]);
        }
        world.operations.truncate(first + accepted);
    });
}

/// Makes chains of some of the operations; the last one is the end of its chain.
fn link(drawn: &mut [(aura_op_t, Plan)], random: &mut Random) {
    let mut follows = false;
    let last = drawn.len().saturating_sub(1);
    for (index, (op, plan)) in drawn.iter_mut().enumerate() {
        plan.is_linked = follows;
        // What waits for something that never ends would not end either.
        follows = index < last && !plan.is_stuck && random.one_in(4);
        if follows {
            op.flags |= AURA_LINK as u32;
            plan.is_linked = true;
        }
    }
}

/// How the call may answer: as its operations may, all together.
fn may(world: &world::World, picked: world::Picked, drawn: &[(aura_op_t, Plan)]) -> May {
    if drawn.is_empty() {
        let is_dead = picked.number.is_none();
        let foreign = picked.number.is_some_and(|number| super::is_foreign(&world.engines[number]));
        let may = if is_dead { May::fail(&[libc::EINVAL]) } else { May::succeed() };
        return may.or_if(foreign, &[libc::EINVAL]);
    }
    let bad = drawn.iter().map(|(_, plan)| plan).find(|plan| plan.sense == Sense::Bad);
    // One that makes no sense refuses all. A chain that is longer than the queue makes none either.
    match bad {
        Some(plan) => drawn.iter().fold(plan.may(world, picked), |may, (_, other)| {
            may.or_if(
                other.registered_buffer || other.registered_file,
                &[libc::ENOENT, libc::EBUSY],
            )
        }),
        None => drawn
            .iter()
            .fold(May::succeed(), |may, (_, plan)| may.and(&plan.may(world, picked)))
            .or_if(drawn.iter().any(|(_, plan)| plan.is_linked), &[libc::EINVAL, libc::EAGAIN]),
    }
}
