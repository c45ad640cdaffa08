//! Giving an operation to an engine, and what is remembered of it.

use std::ffi::c_void;
use std::ptr;

use aura_ffi::header::{aura_callback_t, aura_engine_t, aura_request_t};
use aura_stress::random::Random;

use super::{is_foreign, pointer};
use crate::completion::heard;
use crate::oracle::{May, broken, call};
use crate::world::{self, Operation, Picked, World};

/// Whether the library can tell that arguments make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sense {
    /// They do: it has to accept them if it has room.
    Good,
    /// They do not: it has to refuse them.
    Bad,
    /// The kernel's to judge: accepted, or refused as invalid.
    Open,
}

/// What is known of an operation beforehand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) what: &'static str,
    pub(super) sense: Sense,
    pub(super) result_max: i64,
    pub(super) opens: bool,
    pub(super) is_stuck: bool,
    pub(super) registered_buffer: bool,
    pub(super) registered_file: bool,
    /// The descriptor that it closes.
    pub(super) closes: Option<i32>,
    pub(super) is_linked: bool,
}

impl Plan {
    pub(super) fn new(what: &'static str, sense: Sense, result_max: i64) -> Self {
        Self {
            what,
            sense,
            result_max,
            opens: false,
            is_stuck: false,
            registered_buffer: false,
            registered_file: false,
            closes: None,
            is_linked: false,
        }
    }

    /// How the call may answer.
    pub(super) fn may(&self, world: &World, picked: Picked) -> May {
        let Some(engine) = picked.number.map(|number| &world.engines[number]) else {
            return May::fail(&[libc::EINVAL]);
        };
        if is_foreign(engine) {
            return May::fail(&[libc::EINVAL]).or_if(engine.ending, &[libc::ESHUTDOWN]);
        }
        let may = match self.sense {
            Sense::Bad => May::fail(&[libc::EINVAL]),
            Sense::Good => May::succeed().or(&[libc::EAGAIN, libc::ENOSYS]),
            Sense::Open => May::succeed().or(&[libc::EAGAIN, libc::ENOSYS, libc::EINVAL]),
        };
        let no_buffers = self.registered_buffer && !engine.buffers_registered;
        let no_files = self.registered_file && !engine.files_registered;
        may.or_if(engine.ending, &[libc::ESHUTDOWN])
            .or_if(no_buffers || no_files, &[libc::ENOENT])
            .or_if(self.registered_buffer && engine.unregistering, &[libc::EBUSY, libc::ENOENT])
    }

    /// Enters the operation before it is submitted, because its callback needs its number.
    pub(super) fn enter(&self, world: &mut World, engine: usize, random: &mut Random) -> usize {
        world.operations.push(Operation {
            engine,
            name: 0,
            what: self.what,
            result_max: self.result_max,
            opens: self.opens,
            is_stuck: self.is_stuck,
            may_be_cancelled: self.is_linked,
            completions: 0,
            nested: random.one_in(4).then(|| random.next()),
        });
        world.operations.len() - 1
    }

    /// The engine has accepted the operation.
    pub(super) fn accept(&self, world: &mut World, number: usize, request: *mut aura_request_t) {
        let name = request.addr();
        if world.operations.iter().any(|other| other.name == name) {
            broken(&format!(
                "{} is given the request {name:#x}, which was given before",
                self.what
            ));
        }
        let operation = &mut world.operations[number];
        operation.name = name;
        let engine = &mut world.engines[operation.engine];
        engine.accepted += 1;
        engine.stuck += u64::from(self.is_stuck);
        self.forget_descriptor(world);
    }

    /// A descriptor that is being closed may be somebody else's at any time.
    fn forget_descriptor(&self, world: &mut World) {
        if let Some(fd) = self.closes {
            world.fds.retain(|&open| open != fd);
        }
    }
}

/// The user data of an operation: its number, but not NULL.
pub(super) fn user_data(number: usize) -> *mut c_void {
    ptr::without_provenance_mut(number + 1)
}

/// Submits through a function of the library that takes a callback and user data.
pub(super) fn submit(
    random: &mut Random,
    picked: Picked,
    plan: &Plan,
    function: impl FnOnce(*mut aura_engine_t, aura_callback_t, *mut c_void) -> *mut aura_request_t,
) {
    if plan.closes.is_some() {
        world::with(World::files_change);
    }
    // Nobody hears of some; not of those whose result is needed.
    let is_silent = random.one_in(16) && !plan.is_stuck && !plan.opens;
    let callback: aura_callback_t = if is_silent { None } else { Some(heard) };
    // A dead engine's operation is entered with the first one's number; it is refused, and taken out again.
    let (may, number) = world::with(|world| {
        (plan.may(world, picked), plan.enter(world, picked.number.unwrap_or(0), random))
    });
    let submit = || function(pointer(picked.name), callback, user_data(number));
    let (request, answer) = call(submit, |request| request.is_null());
    may.check(&format!("{} on {:#x} as operation {number}", plan.what, picked.name), answer);
    world::with(|world| {
        if answer.failed {
            world.operations.truncate(number);
        } else if is_silent {
            world.operations.truncate(number);
            world.engines[picked.number.unwrap_or(0)].silent += 1;
            plan.forget_descriptor(world);
        } else {
            plan.accept(world, number, request);
        }
    });
}
