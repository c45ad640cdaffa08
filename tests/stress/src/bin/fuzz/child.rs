//! Running cases, one after the other, in this process.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;

use aura_stress::random::{Random, mix};

use crate::oracle::{self, broken, show};
use crate::{calls, world};

/// Steps of a case at most.
const STEPS_MAX: u64 = 80;
/// A step in so many is made on a thread of its own.
const ELSEWHERE_ONE_IN: u64 = 16;

/// Runs so many cases from this seed on. Says which one begins, for the parent to know at which it ended.
pub(crate) fn run(seed: u64, cases: u64) {
    let folder = own_folder();
    for seed in (seed..).take(cases as usize) {
        say(&format!("case {seed}\n"));
        let calls = case(seed, None);
        say(&format!("calls {calls}\n"));
    }
    leave(&folder);
}

/// Runs one case, showing every call.
pub(crate) fn replay(seed: u64, steps: Option<&[u32]>) {
    oracle::show_calls();
    let folder = own_folder();
    println!("case {seed}, {} steps", count(seed));
    let calls = case(seed, steps);
    println!("held: {calls} calls");
    leave(&folder);
}

/// How many steps a case has.
pub(crate) fn count(seed: u64) -> u32 {
    (8 + Random::new(mix(seed)).below(STEPS_MAX - 8)) as u32
}

/// A case, or some of its steps; returns the number of calls.
fn case(seed: u64, steps: Option<&[u32]>) -> u64 {
    for number in 0..count(seed) {
        if steps.is_some_and(|steps| !steps.contains(&number)) {
            continue;
        }
        let mut random = Random::new(mix(seed) ^ mix(u64::from(number)));
        show(|| format!("step {number}"));
        refill();
        if random.one_in(ELSEWHERE_ONE_IN) {
            let stepped = std::thread::spawn(move || calls::step(&mut random, None)).join();
            if stepped.is_err() {
                broken("a thread panicked");
            }
        } else {
            calls::step(&mut random, None);
        }
    }
    calls::destroy_all();
    let world = world::end();
    for (number, operation) in world.operations.iter().enumerate() {
        if operation.completions != 1 {
            let times = operation.completions;
            broken(&format!("operation {number}, {}, completed {times} times", operation.what));
        }
    }
    for fd in world.fds {
        // SAFETY: ours, and nobody uses it any more.
        unsafe { libc::close(fd) };
    }
    for engine in world.engines {
        for share in engine.shares {
            // SAFETY: shares that were not given back.
            unsafe { aura_ffi::aura_pool_release(std::ptr::with_exposed_provenance_mut(share)) };
        }
    }
    world.calls
}

/// There are always some descriptors to work on.
fn refill() {
    let options = || {
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options
    };
    world::with(|world| {
        for name in ["a", "b", "/dev/full"].into_iter().skip(world.fds.len()) {
            match options().open(name) {
                Ok(file) => world.fds.push(std::os::fd::IntoRawFd::into_raw_fd(file)),
                Err(error) => broken(&format!("{name}: {error}")),
            }
        }
    });
}

/// A folder of this process's own, which becomes the working directory.
fn own_folder() -> tempfile::TempDir {
    let made = tempfile::tempdir().and_then(|folder| {
        std::env::set_current_dir(folder.path())?;
        Ok(folder)
    });
    made.unwrap_or_else(|error| broken(&format!("no folder to work in: {error}")))
}

fn leave(folder: &tempfile::TempDir) {
    let _ = std::env::set_current_dir(folder.path().parent().unwrap_or(Path::new("/")));
}

/// Tells the parent. Nobody closes this descriptor: it is none of the cases'.
fn say(text: &str) {
    let mut out = std::io::stdout();
    debug_assert_eq!(out.as_raw_fd(), 1);
    // A parent that is gone needs no answer.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
