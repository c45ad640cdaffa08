//! What there is: engines and what is known of them, operations, buffers, descriptors.
//!
//! # Synchronization
//!
//! One world per process behind a mutex, because callbacks run on whichever thread processes completions.
//! It is never locked during a call of the library.

use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Mutex, MutexGuard};
use std::thread::ThreadId;

use aura_stress::random::Random;

/// An engine: a name, and what must be true of it.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    pub(crate) name: usize,
    /// Destroying it has returned.
    pub(crate) gone: bool,
    /// It was destroyed in one of its callbacks, and goes when the call that runs them returns.
    pub(crate) ending: bool,
    pub(crate) single_thread: bool,
    /// Whoever made and used it, with `single_thread`.
    pub(crate) owner: Option<ThreadId>,
    pub(crate) rings: i32,
    /// Operations accepted with a callback, and callbacks begun.
    pub(crate) accepted: u64,
    pub(crate) completed: u64,
    /// Operations without callback: nobody is told when they complete.
    pub(crate) silent: u64,
    /// Of those in flight: reads of an empty pipe.
    pub(crate) stuck: u64,
    pub(crate) buffers_registered: bool,
    /// Registered buffers are being unregistered, or may be still.
    pub(crate) unregistering: bool,
    pub(crate) files_registered: bool,
    /// Buffers handed out.
    pub(crate) buffers: Vec<usize>,
    /// Shares of the pool, as addresses.
    pub(crate) shares: Vec<usize>,
    /// Calls of its callbacks that are running, on whichever thread.
    pub(crate) inside: u32,
    /// Calls for room that are outstanding.
    pub(crate) room_calls: u64,
    /// Calls asked for by aura_post() that are outstanding, and those that were made.
    pub(crate) posts: u64,
    pub(crate) posts_called: u64,
}

impl Engine {
    pub(crate) fn in_flight(&self) -> u64 {
        self.accepted - self.completed
    }
}

/// An operation with a callback, by the number that is its user data.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) engine: usize,
    pub(crate) name: usize,
    pub(crate) what: &'static str,
    /// Most that its result may be.
    pub(crate) result_max: i64,
    pub(crate) opens: bool,
    pub(crate) is_stuck: bool,
    /// It may end cancelled: somebody asked, it is part of a chain, its file was closed, or the engine ends.
    pub(crate) may_be_cancelled: bool,
    pub(crate) completions: u32,
    /// What its callback does, if anything.
    pub(crate) nested: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) engines: Vec<Engine>,
    pub(crate) operations: Vec<Operation>,
    /// Open descriptors of ours, to be used and closed.
    pub(crate) fds: Vec<RawFd>,
    /// Writing ends of pipes whose reading ends operations wait for.
    pub(crate) pipe: Option<(std::io::PipeReader, std::io::PipeWriter)>,
    /// Reading ends whose writing ends are closed. Numbers shall not be used again meanwhile.
    pub(crate) old_pipes: Vec<std::io::PipeReader>,
    /// Numbers of the steps that ran, for the count.
    pub(crate) calls: u64,
    /// Buffers that were given back, to be given back again.
    pub(crate) freed: BTreeSet<usize>,
}

static WORLD: Mutex<Option<World>> = Mutex::new(None);

/// The world, locked. Not during a call of the library.
pub(crate) fn with<T>(look: impl FnOnce(&mut World) -> T) -> T {
    look(locked().get_or_insert_default())
}

/// Ends the world, and returns what was in it.
pub(crate) fn end() -> World {
    locked().take().unwrap_or_default()
}

fn locked() -> MutexGuard<'static, Option<World>> {
    WORLD.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// An engine that was picked: its name, and its number if it is alive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Picked {
    pub(crate) name: usize,
    pub(crate) number: Option<usize>,
}

impl World {
    /// Mostly an engine that lives; else NULL, a name of nothing, or of an engine that is gone.
    pub(crate) fn pick_engine(&self, random: &mut Random) -> Picked {
        let alive = self.alive();
        if alive.is_empty() || random.one_in(12) {
            return Picked { name: self.wrong_engine(random), number: None };
        }
        let number = random.of(&alive);
        Picked { name: self.engines[number].name, number: Some(number) }
    }

    /// A number, or a place in a table, is about to name another file: what a thread that ended left behind
    /// on it may be reported as cancelled from now on, instead of being repeated.
    pub(crate) fn files_change(&mut self) {
        self.operations.iter_mut().for_each(|operation| operation.may_be_cancelled = true);
    }

    pub(crate) fn alive(&self) -> Vec<usize> {
        (0..self.engines.len()).filter(|&number| !self.engines[number].gone).collect()
    }

    fn wrong_engine(&self, random: &mut Random) -> usize {
        let gone: Vec<usize> = self.engines.iter().filter(|e| e.gone).map(|e| e.name).collect();
        match random.below(4) {
            0 => 0,
            1 => random.next() as usize,
            2 => std::ptr::from_ref(self).addr(),
            _ if gone.is_empty() => 0x10,
            _ => random.of(&gone),
        }
    }

    /// A request: in flight, over, of a gone engine, or none at all. With the operation it belongs to.
    pub(crate) fn pick_request(&self, random: &mut Random) -> (usize, Option<usize>) {
        if self.operations.is_empty() || random.one_in(8) {
            return (random.of(&[0, 1, random.clone().next() as usize, usize::MAX]), None);
        }
        let number = random.index(self.operations.len());
        (self.operations[number].name, Some(number))
    }

    /// A descriptor: one of ours, or one that cannot be. Small numbers that are not ours are others'.
    pub(crate) fn pick_fd(&self, random: &mut Random) -> RawFd {
        if self.fds.is_empty() || random.one_in(8) {
            return random.of(&[-1, -7, 1_000_000, RawFd::MAX, RawFd::MIN]);
        }
        random.of(&self.fds)
    }

    /// The reading end of an empty pipe.
    pub(crate) fn stuck_fd(&mut self) -> RawFd {
        if self.pipe.is_none() {
            self.pipe = std::io::pipe().ok();
        }
        self.pipe.as_ref().map_or(-1, |(reader, _)| reader.as_raw_fd())
    }

    /// Lets everybody read the end of the pipe.
    pub(crate) fn release_stuck(&mut self) {
        if let Some((reader, writer)) = self.pipe.take() {
            drop(writer);
            self.old_pipes.push(reader);
        }
    }
}
