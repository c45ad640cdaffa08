//! The same job as `c_callback`, through the C++ layer, as a C++ program would do it: loops that await.
//!
//! The row itself is `benches/cpp/coroutine.cpp`. This file is `unsafe` because it calls into that.

use std::ffi::c_void;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::NonNull;
use std::time::Duration;

use aura_bench::content::Verifier;
use aura_bench::row::callback::Mode;
use aura_bench::row::{Row, Settings, Stopwatch, Turn};
use aura_bench::subject::Subject;
use aura_bench::{BLOCK_BYTES, Error};

/// `Coroutines` of C++.
#[repr(C)]
struct Opaque {
    _private: [u8; 0],
}

/// `host_t` of C++: what the row shares with the others.
#[repr(C)]
struct Host {
    context: *mut c_void,
    check: unsafe extern "C" fn(*mut c_void, u64, *const c_void) -> bool,
    fall_short: unsafe extern "C" fn(*mut c_void, u64, isize),
    goes_on: unsafe extern "C" fn(*mut c_void) -> bool,
}

unsafe extern "C" {
    fn bench_coroutines_new(
        file: RawFd,
        file_bytes: u64,
        depth: usize,
        is_single: bool,
    ) -> *mut Opaque;
    fn bench_coroutines_turn(row: *mut Opaque, host: *const Host) -> i64;
    fn bench_coroutines_delete(row: *mut Opaque);
}

pub(crate) struct CppCoroutines {
    row: NonNull<Opaque>,
    state: State,
}

struct State {
    verifier: Verifier,
    watch: Stopwatch,
    outcome: Result<(), Error>,
}

impl CppCoroutines {
    pub(crate) fn new(mode: Mode, subject: &Subject, settings: Settings) -> Result<Self, Error> {
        let (file, depth) = (subject.file.as_raw_fd(), settings.depth as usize);
        // SAFETY: the descriptor stays open as long as the subject, which outlives the rows.
        let row = unsafe {
            bench_coroutines_new(file, subject.bytes, depth, matches!(mode, Mode::Single))
        };
        let row = NonNull::new(row).ok_or("the C++ row found no engine")?;
        let state = State {
            verifier: subject.verifier(),
            watch: Stopwatch::start(Duration::ZERO),
            outcome: Ok(()),
        };
        Ok(Self { row, state })
    }
}

impl State {
    /// # Safety
    ///
    /// `context` is the state of the turn that is under way, which nothing else touches.
    unsafe fn of<'a>(context: *mut c_void) -> &'a mut Self {
        // SAFETY: by contract.
        unsafe { &mut *context.cast() }
    }

    #[cold]
    fn fail(&mut self, error: Error) -> bool {
        self.outcome = Err(error);
        false
    }
}

unsafe extern "C" fn check(context: *mut c_void, offset: u64, block: *const c_void) -> bool {
    // SAFETY: `turn` passed its state, on this thread; the C++ side calls one function at a time. The
    // buffer holds a block, which the read has filled.
    let (state, block) = unsafe { (State::of(context), &*block.cast::<[u8; BLOCK_BYTES]>()) };
    match state.verifier.check(offset, block) {
        Ok(()) => true,
        Err(error) => state.fail(error),
    }
}

unsafe extern "C" fn fall_short(context: *mut c_void, offset: u64, bytes: isize) {
    // SAFETY: as in `check`.
    let state = unsafe { State::of(context) };
    state.fail(format!("the read at {offset} came back with {bytes}").into());
}

unsafe extern "C" fn goes_on(context: *mut c_void) -> bool {
    // SAFETY: as in `check`.
    let state = unsafe { State::of(context) };
    match state.watch.is_over() {
        Ok(over) => !over,
        Err(interrupted) => {
            state.outcome = Err(interrupted.into());
            false
        }
    }
}

impl Row for CppCoroutines {
    fn turn(&mut self, time: Duration) -> Result<Turn, Error> {
        self.state.watch = Stopwatch::start(time);
        let host = Host { context: (&raw mut self.state).cast(), check, fall_short, goes_on };
        // SAFETY: the row is alive, and the state is left alone until this returns.
        let operations = unsafe { bench_coroutines_turn(self.row.as_ptr(), &raw const host) };
        std::mem::replace(&mut self.state.outcome, Ok(()))?;
        let operations = u64::try_from(operations).map_err(|_| "a coroutine failed")?;
        Ok(self.state.watch.turn(operations, None))
    }

    fn finish(&mut self, subject: &Subject) -> Result<(), Error> {
        subject.finish(&mut self.state.verifier)
    }
}

impl Drop for CppCoroutines {
    fn drop(&mut self) {
        // SAFETY: made by `bench_coroutines_new`, and deleted once.
        unsafe { bench_coroutines_delete(self.row.as_ptr()) };
    }
}
