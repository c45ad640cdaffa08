//! The callback of all operations: exactly once, with the request of the submission and a result that may
//! be; then whatever a callback may do.

use std::ffi::c_void;
use std::os::fd::RawFd;

use aura_ffi::aura_in_callback_context;
use aura_ffi::header::aura_request_t;
use aura_stress::random::Random;

use crate::oracle::{broken, name, show};
use crate::plant::{self, Plant};
use crate::{calls, world};

/// What the kernel may answer to operations on our files, descriptors that are none, and arguments that are
/// the kernel's to judge.
const ERRORS: [i32; 21] = [
    libc::EBADF,
    libc::EINVAL,
    libc::EISDIR,
    libc::ENOSPC,
    libc::ESPIPE,
    libc::EFAULT,
    libc::ENOENT,
    libc::ENOTDIR,
    libc::EEXIST,
    libc::EOPNOTSUPP,
    libc::EFBIG,
    libc::ENODEV,
    libc::EACCES,
    libc::EPERM,
    libc::ENXIO,
    libc::EOVERFLOW,
    libc::EIO,
    libc::ELOOP,
    libc::EROFS,
    libc::ENOTTY,
    libc::ETXTBSY,
];

/// The callback. `user_data` is the operation's number, above 0.
pub(crate) unsafe extern "C-unwind" fn heard(
    request: *mut aura_request_t,
    result: isize,
    user_data: *mut c_void,
) {
    if plant::is_due(Plant::LostCompletion) {
        return;
    }
    let number = user_data.addr().wrapping_sub(1);
    let times = if plant::is_due(Plant::DoubleCompletion) { 2 } else { 1 };
    let nested = (0..times).filter_map(|_| enter(request, result as i64, number)).next();
    if !aura_in_callback_context() {
        broken("a callback runs, and aura_in_callback_context() denies it");
    }
    if let Some((seed, engine)) = nested {
        calls::step(&mut Random::new(seed), Some(engine));
    }
    world::with(|world| world.engines[world.operations[number].engine].inside -= 1);
}

/// Checks and counts; returns what the callback shall do, and inside which engine.
fn enter(request: *mut aura_request_t, result: i64, number: usize) -> Option<(u64, usize)> {
    world::with(|world| {
        let Some(operation) = world.operations.get_mut(number) else {
            broken(&format!("a callback with user data {} that nobody gave", number + 1));
        };
        show(|| format!("    callback of operation {number}, {}: {result}", operation.what));
        operation.completions += 1;
        let engine = &mut world.engines[operation.engine];
        let what = format!("operation {number}, {}", operation.what);
        if operation.completions > 1 {
            broken(&format!("{what}, completes {} times", operation.completions));
        }
        // 0: it runs before its submission has returned, from a callback on another thread.
        if operation.name != 0 && operation.name != request.addr() {
            broken(&format!("{what}, was {:#x} and completes as {request:p}", operation.name));
        }
        if engine.gone {
            broken(&format!("{what}, completes although its engine is gone"));
        }
        engine.completed += 1;
        engine.inside += 1;
        engine.stuck -= u64::from(operation.is_stuck);
        // What was being carried out when it was cancelled says so in its own way.
        let is_cancelled = [libc::ECANCELED, libc::EINTR].contains(&(-result as i32));
        let cancel_is_fine = operation.may_be_cancelled || engine.ending;
        let is_fine = match result {
            0.. => result <= operation.result_max,
            _ if is_cancelled => cancel_is_fine,
            error => ERRORS.contains(&(-error as i32)),
        };
        if !is_fine {
            let errno = name(-result.min(0) as i32);
            broken(&format!("{what}, ends with {result} ({errno}), which it must not"));
        }
        if operation.opens && result >= 0 {
            world.fds.push(result as RawFd);
        }
        operation.nested.map(|seed| (seed, operation.engine))
    })
}

/// What aura_when_room() calls; `user_data` is the engine's number.
pub(crate) unsafe extern "C-unwind" fn room(user_data: *mut c_void) {
    world::with(|world| {
        let engine = &mut world.engines[user_data.addr()];
        show(|| "    the call for room".into());
        match engine.room_calls.checked_sub(1) {
            Some(calls) => engine.room_calls = calls,
            None => broken("aura_when_room() calls more often than it was asked to"),
        }
        if engine.gone {
            broken("aura_when_room() calls although the engine is gone");
        }
    });
}

/// What aura_post() calls; `user_data` is the engine's number.
pub(crate) unsafe extern "C-unwind" fn posted(user_data: *mut c_void) {
    world::with(|world| {
        let engine = &mut world.engines[user_data.addr()];
        show(|| "    the call that was posted".into());
        match engine.posts.checked_sub(1) {
            Some(posts) => engine.posts = posts,
            None => broken("aura_post() calls more often than it was asked to"),
        }
        engine.posts_called += 1;
        if engine.gone {
            broken("aura_post() calls although the engine is gone");
        }
    });
}
