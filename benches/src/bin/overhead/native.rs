//! The same job as the callbacks, in C through the C interface, and in C++ with coroutines.
//!
//! The rows themselves are in `benches/native`. This file is `unsafe` because it calls into them.

use std::ffi::c_void;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::NonNull;
use std::time::Duration;

use aura_bench::content::Verifier;
use aura_bench::row::callback::Mode;
use aura_bench::row::{Row, Settings, Stopwatch, Turn};
use aura_bench::subject::Subject;
use aura_bench::{BLOCK_BYTES, Error};

/// A row in another language.
pub(crate) struct Native {
    row: NonNull<Opaque>,
    functions: Functions,
    state: State,
}

/// What every such row consists of. A turn answers with operations, or -1 if the engine failed.
#[derive(Clone, Copy)]
struct Functions {
    turn: unsafe extern "C-unwind" fn(*mut Opaque, *const Host) -> i64,
    delete: unsafe extern "C-unwind" fn(*mut Opaque),
}

#[repr(C)]
struct Opaque {
    _private: [u8; 0],
}

/// `struct setup` of C.
#[repr(C)]
struct Setup {
    file: RawFd,
    file_bytes: u64,
    depth: usize,
    is_single: bool,
    is_ours: bool,
}

/// `struct host` of C.
#[repr(C)]
struct Host {
    context: *mut c_void,
    look_closer: unsafe extern "C" fn(*mut c_void, u64, *const c_void) -> bool,
    fail: unsafe extern "C" fn(*mut c_void, u64, isize),
    goes_on: unsafe extern "C" fn(*mut c_void) -> bool,
}

#[cfg(has_c)]
unsafe extern "C-unwind" {
    fn bench_callbacks_new(setup: *const Setup, nop: Nop) -> *mut Opaque;
    fn bench_callbacks_turn(row: *mut Opaque, host: *const Host) -> i64;
    fn bench_callbacks_delete(row: *mut Opaque);
}

#[cfg(has_c)]
type Nop = unsafe extern "C" fn(
    *mut aura_ffi::header::aura_engine_t,
    aura_ffi::header::aura_callback_t,
    *mut c_void,
) -> *mut aura_ffi::header::aura_request_t;

#[cfg(has_cpp)]
unsafe extern "C-unwind" {
    fn bench_coroutines_new(setup: *const Setup) -> *mut Opaque;
    fn bench_coroutines_turn(row: *mut Opaque, host: *const Host) -> i64;
    fn bench_coroutines_delete(row: *mut Opaque);
}

impl Native {
    /// Callbacks in C that read.
    #[cfg(has_c)]
    pub(crate) fn callbacks(mode: Mode, subject: &Subject, at: Settings) -> Result<Self, Error> {
        Self::callbacks_on(subject.file.as_raw_fd(), mode, subject, at)
    }

    /// Callbacks in C of operations that do nothing.
    #[cfg(has_c)]
    pub(crate) fn nops(mode: Mode, subject: &Subject, at: Settings) -> Result<Self, Error> {
        Self::callbacks_on(-1, mode, subject, at)
    }

    #[cfg(has_c)]
    fn callbacks_on(
        file: RawFd,
        mode: Mode,
        subject: &Subject,
        at: Settings,
    ) -> Result<Self, Error> {
        let setup = Setup { file, ..setup(mode, subject, at) };
        // SAFETY: the descriptor stays open as long as the subject, which outlives the rows.
        let row = unsafe { bench_callbacks_new(&raw const setup, aura_ffi::nop) };
        let functions = Functions { turn: bench_callbacks_turn, delete: bench_callbacks_delete };
        Self::new(row, functions, subject)
    }

    /// Coroutines of C++ that read.
    #[cfg(has_cpp)]
    pub(crate) fn coroutines(mode: Mode, subject: &Subject, at: Settings) -> Result<Self, Error> {
        let setup = setup(mode, subject, at);
        // SAFETY: as in `callbacks_on`.
        let row = unsafe { bench_coroutines_new(&raw const setup) };
        let functions = Functions { turn: bench_coroutines_turn, delete: bench_coroutines_delete };
        Self::new(row, functions, subject)
    }

    fn new(row: *mut Opaque, functions: Functions, subject: &Subject) -> Result<Self, Error> {
        let why = || format!("the row found no engine: {}", std::io::Error::last_os_error());
        let row = NonNull::new(row).ok_or_else(why)?;
        let state = State {
            verifier: subject.verifier(),
            watch: Stopwatch::start(Duration::ZERO),
            outcome: Ok(()),
        };
        Ok(Self { row, functions, state })
    }
}

fn setup(mode: Mode, subject: &Subject, at: Settings) -> Setup {
    Setup {
        file: subject.file.as_raw_fd(),
        file_bytes: subject.bytes,
        depth: at.depth as usize,
        is_single: matches!(mode, Mode::Single),
        is_ours: subject.verifier().is_ours(),
    }
}

/// What the row calls back into.
struct State {
    verifier: Verifier,
    watch: Stopwatch,
    outcome: Result<(), Error>,
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

unsafe extern "C" fn look_closer(context: *mut c_void, offset: u64, block: *const c_void) -> bool {
    // SAFETY: `turn` passed its state, on this thread; the other side calls one function at a time. The
    // buffer holds a block, which the read has filled.
    let (state, block) = unsafe { (State::of(context), &*block.cast::<[u8; BLOCK_BYTES]>()) };
    state.outcome = state.verifier.look_closer(offset, block);
    state.outcome.is_ok()
}

unsafe extern "C" fn fail(context: *mut c_void, offset: u64, result: isize) {
    // SAFETY: as in `look_closer`.
    let state = unsafe { State::of(context) };
    state.outcome = Err(format!("the read at {offset} came back with {result}").into());
}

unsafe extern "C" fn goes_on(context: *mut c_void) -> bool {
    // SAFETY: as in `look_closer`.
    let state = unsafe { State::of(context) };
    match state.watch.is_over() {
        Ok(over) => !over,
        Err(interrupted) => {
            state.outcome = Err(interrupted.into());
            false
        }
    }
}

impl Row for Native {
    fn turn(&mut self, time: Duration) -> Result<Turn, Error> {
        self.state.watch = Stopwatch::start(time);
        let context = (&raw mut self.state).cast();
        let host = Host { context, look_closer, fail, goes_on };
        // SAFETY: the row is alive, and the state is left alone until this returns.
        let operations = unsafe { (self.functions.turn)(self.row.as_ptr(), &raw const host) };
        std::mem::replace(&mut self.state.outcome, Ok(()))?;
        let operations = u64::try_from(operations).map_err(|_| "the engine cannot go on")?;
        Ok(self.state.watch.turn(operations, None))
    }

    fn finish(&mut self, subject: &Subject) -> Result<(), Error> {
        subject.finish(&mut self.state.verifier)
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        // SAFETY: made together with the row, and called once.
        unsafe { (self.functions.delete)(self.row.as_ptr()) };
    }
}
