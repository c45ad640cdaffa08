//! Cancelling, and questions about requests.

use aura_ffi::header::aura_request_t;
use aura_ffi::{
    aura_cancel, aura_request_fd, aura_request_op_type, aura_request_pending,
    aura_request_user_data,
};
use aura_stress::random::Random;

use super::{look, pointer};
use crate::oracle::{May, broken, call, show};
use crate::world;

fn request(name: usize) -> *mut aura_request_t {
    std::ptr::without_provenance_mut(name)
}

pub(super) fn cancel(random: &mut Random) {
    let (picked, (name, operation)) = world::with(|world| {
        let mut picked = world.pick_engine(random);
        let asked = world.pick_request(random);
        // Mostly on the engine that the operation is of.
        if let (Some(number), false) = (asked.1, random.one_in(8)) {
            let engine = world.operations[number].engine;
            let is_alive = !world.engines[engine].gone;
            picked.name = world.engines[engine].name;
            picked.number = is_alive.then_some(engine);
        }
        (picked, asked)
    });
    let is_over = operation.is_some_and(|number| {
        world::with(|world| {
            let operation = &mut world.operations[number];
            operation.may_be_cancelled = true;
            operation.completions > 0
        })
    });
    let is_its_own = world::with(|world| {
        operation.map(|number| world.operations[number].engine) == picked.number
    });
    let in_destruction = look(picked, |engine| engine.ending).unwrap_or(false);
    let may = match (picked.number, operation) {
        (None, _) => May::fail(&[libc::EINVAL]),
        (_, None) => May::fail(&[libc::EINVAL, libc::EALREADY]),
        _ if !is_its_own => May::fail(&[libc::EINVAL, libc::EALREADY]),
        _ if is_over => May::fail(&[libc::EALREADY]),
        // At the limit completions are taken off the queue before their callbacks run.
        _ => May::succeed().or(&[libc::EBUSY, libc::EALREADY]),
    };
    let may = may.or_if(in_destruction, &[libc::ESHUTDOWN]);
    let cancel = || aura_cancel(pointer(picked.name), request(name));
    let (value, answer) = call(cancel, |&value| value != 0);
    if !(-1..=0).contains(&value) {
        broken(&format!("aura_cancel returns {value}"));
    }
    may.check(&format!("aura_cancel({:#x}, {name:#x})", picked.name), answer);
}

pub(super) fn ask(random: &mut Random) {
    let (name, operation) = world::with(|world| world.pick_request(random));
    let request = request(name);
    let pending = aura_request_pending(request);
    let fd = aura_request_fd(request);
    let kind = aura_request_op_type(request);
    let user_data = aura_request_user_data(request);
    show(|| format!("asked about {name:#x}: pending {pending}, fd {fd}, type {kind}"));
    let is_over = match operation {
        None => true,
        Some(number) => world::with(|world| {
            let operation = &world.operations[number];
            let engine = &world.engines[operation.engine];
            // In its callback it is over, but can be asked.
            if operation.completions > 0 && engine.inside > 0 {
                return !pending;
            }
            if operation.completions == 0 && !engine.gone {
                // It may have completed, and its callback not have run yet.
                if pending && (kind < 0 || user_data.addr() != number + 1) {
                    broken(&format!("operation {number} is in flight: {kind}, {user_data:p}"));
                }
                return false;
            }
            true
        }),
    };
    let says_over = !pending && fd == -1 && kind == -1 && user_data.is_null();
    let in_callback = super::is_in_callback();
    if is_over && !says_over && !in_callback {
        broken(&format!("a request that is none: pending {pending}, {fd}, {kind}, {user_data:p}"));
    }
}
