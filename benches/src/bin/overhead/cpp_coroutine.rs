//! The same job as `c_callback`, through the C++ layer, as a C++ program would do it: loops that await.
//!
//! The row itself is `benches/cpp/coroutine.cpp`. This file is `unsafe` because it calls into that.

use std::ffi::c_void;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::NonNull;
use std::time::Duration;

use aura_bench::content::{RandomBlocks, Verifier};
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
    draw: unsafe extern "C" fn(*mut c_void) -> u64,
    check: unsafe extern "C" fn(*mut c_void, u64, *const c_void, isize) -> bool,
    goes_on: unsafe extern "C" fn(*mut c_void) -> bool,
}

unsafe extern "C" {
    fn bench_coroutines_new(file: RawFd, depth: usize, is_single: bool) -> *mut Opaque;
    fn bench_coroutines_turn(row: *mut Opaque, host: *const Host) -> i64;
    fn bench_coroutines_delete(row: *mut Opaque);
}

pub(crate) struct CppCoroutines {
    row: NonNull<Opaque>,
    state: State,
}

struct State {
    random: RandomBlocks,
    verifier: Verifier,
    watch: Stopwatch,
    outcome: Result<(), Error>,
}

impl CppCoroutines {
    pub(crate) fn new(mode: Mode, subject: &Subject, settings: Settings) -> Result<Self, Error> {
        let (file, depth) = (subject.file.as_raw_fd(), settings.depth as usize);
        // SAFETY: the descriptor stays open as long as the subject, which outlives the rows.
        let row = unsafe { bench_coroutines_new(file, depth, matches!(mode, Mode::Single)) };
        let row = NonNull::new(row).ok_or("the C++ row found no engine")?;
        let state = State {
            random: RandomBlocks::new(subject.bytes, 1),
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
}

unsafe extern "C" fn draw(context: *mut c_void) -> u64 {
    // SAFETY: `turn` passed its state, on this thread; the C++ side calls one function at a time.
    unsafe { State::of(context) }.random.draw()
}

unsafe extern "C" fn check(
    context: *mut c_void,
    offset: u64,
    block: *const c_void,
    bytes: isize,
) -> bool {
    // SAFETY: as in `draw`.
    let state = unsafe { State::of(context) };
    let checked = match usize::try_from(bytes) {
        // SAFETY: the buffer holds a block, which the read has filled.
        Ok(BLOCK_BYTES) => state.verifier.check(offset, unsafe { &*block.cast() }),
        _ => Err(format!("the read at {offset} came back with {bytes}").into()),
    };
    let goes_on = checked.is_ok();
    if !goes_on {
        state.outcome = checked;
    }
    goes_on
}

unsafe extern "C" fn goes_on(context: *mut c_void) -> bool {
    // SAFETY: as in `draw`.
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
        let host = Host { context: (&raw mut self.state).cast(), draw, check, goes_on };
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
