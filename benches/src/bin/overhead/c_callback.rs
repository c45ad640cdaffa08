//! The same job as `callback`, through the C interface, as a C program would do it: a function and a
//! pointer to a struct per operation.
//!
//! This file is `unsafe` because it calls C functions, and for the reason that `callback` gives.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use aura_bench::content::{RandomBlocks, Verifier};
use aura_bench::row::callback::Mode;
use aura_bench::row::{Row, Settings, Stopwatch, Turn};
use aura_bench::subject::Subject;
use aura_bench::{BLOCK_BYTES, EXIT_FAILURE, Error};
use aura_ffi::header::{aura_engine_t, aura_options_t, aura_request_t};
use aura_ffi::{
    aura_buf, aura_buffer_alloc, aura_create_with_options, aura_destroy, aura_options_init,
    aura_read, aura_wait, nop,
};

/// Longest wait for a completion before the loop looks at its watch again.
const WAIT_MS: i32 = 100;

pub(crate) struct CCallbacks {
    depth: usize,
    load: Box<Load>,
}

/// What the loop shares with the callbacks.
struct Load {
    engine: *mut aura_engine_t,
    /// The file that is read, or nothing at all is done.
    file: Option<RawFd>,
    /// One per operation in flight: what `user_data` points to.
    jobs: UnsafeCell<Vec<Job>>,
    /// Touched only on the thread that polls, by one function at a time: see [`Load::state`].
    state: UnsafeCell<State>,
}

#[derive(Clone, Copy)]
struct Job {
    load: *const Load,
    buffer: *mut u8,
    index: usize,
    offset: u64,
}

struct State {
    /// Jobs without a read, because the engine had no room for it.
    idle: Vec<usize>,
    random: RandomBlocks,
    verifier: Verifier,
    in_flight: usize,
    operations: u64,
    is_over: bool,
    outcome: Result<(), Error>,
}

impl CCallbacks {
    /// Operations that do nothing.
    pub(crate) fn nop(mode: Mode, subject: &Subject, settings: Settings) -> Result<Self, Error> {
        Self::new(None, mode, subject, settings)
    }

    /// Reads.
    pub(crate) fn read(mode: Mode, subject: &Subject, settings: Settings) -> Result<Self, Error> {
        Self::new(Some(subject.file.as_raw_fd()), mode, subject, settings)
    }

    fn new(
        file: Option<RawFd>,
        mode: Mode,
        subject: &Subject,
        settings: Settings,
    ) -> Result<Self, Error> {
        let depth = settings.depth as usize;
        let mut options = MaybeUninit::<aura_options_t>::uninit();
        // SAFETY: `aura_options_init` fills it in.
        let mut options = unsafe {
            aura_options_init(options.as_mut_ptr());
            options.assume_init()
        };
        // As the rows of `callback`.
        options.disable_adaptive = true;
        options.initial_in_flight = 0; // No limit.
        let is_single = matches!(mode, Mode::Single);
        options.single_thread = is_single;
        options.ring_count = i32::from(is_single);
        // SAFETY: initialised above.
        let engine = unsafe { aura_create_with_options(&raw const options) };
        if engine.is_null() {
            return Err(io::Error::last_os_error().into());
        }
        let state = State {
            idle: Vec::with_capacity(depth),
            random: RandomBlocks::new(subject.bytes, 1),
            verifier: subject.verifier(),
            in_flight: 0,
            operations: 0,
            is_over: false,
            outcome: Ok(()),
        };
        let jobs = UnsafeCell::new(Vec::new());
        let load = Box::new(Load { engine, file, jobs, state: UnsafeCell::new(state) });
        for index in 0..depth {
            let buffer = aura_buffer_alloc(engine, BLOCK_BYTES).cast::<u8>();
            if buffer.is_null() {
                return Err(io::Error::last_os_error().into());
            }
            let job = Job { load: &raw const *load, buffer, index, offset: 0 };
            // SAFETY: no callback runs yet.
            unsafe { (*load.jobs.get()).push(job) };
        }
        Ok(Self { depth, load })
    }
}

/// What the engine calls.
unsafe extern "C-unwind" fn completed(
    _request: *mut aura_request_t,
    result: isize,
    user_data: *mut c_void,
) {
    // SAFETY: `submit` passed a job; the load is boxed, and `turn` keeps it until nothing is in
    // flight.
    let (job, load) = unsafe {
        let job = *user_data.cast::<Job>();
        (job, &*job.load)
    };
    load.completed(&job, result);
}

impl Load {
    /// Gives access to the state for the time of one closure, which must not call the engine:
    /// callbacks take the state themselves.
    #[inline]
    fn state<T>(&self, access: impl FnOnce(&mut State) -> T) -> T {
        // SAFETY: the load never leaves its thread, so nothing runs at the same time; and no access
        // is open, because closures do not call the engine, and only `aura_wait` runs callbacks.
        access(unsafe { &mut *self.state.get() })
    }

    /// Submits a read by a job, or puts the job aside if there is no room.
    #[inline]
    fn submit(&self, index: usize) {
        let offset = self.state(|state| {
            state.in_flight += 1;
            state.random.draw()
        });
        // SAFETY: the job is not in flight, so nobody else uses it; its buffer is left alone until
        // the callback, and `turn` waits for all of them.
        let request = unsafe {
            let job = (*self.jobs.get()).as_mut_ptr().add(index);
            (*job).offset = offset;
            match self.file {
                None => nop(self.engine, Some(completed), job.cast()),
                Some(file) => {
                    let memory = aura_buf((*job).buffer.cast());
                    let offset = offset as i64;
                    aura_read(
                        self.engine,
                        file,
                        memory,
                        BLOCK_BYTES,
                        offset,
                        Some(completed),
                        job.cast(),
                    )
                }
            }
        };
        if request.is_null() {
            self.refused(index, io::Error::last_os_error());
        }
    }

    #[inline]
    fn completed(&self, job: &Job, result: isize) {
        let is_nop = self.file.is_none();
        let goes_on = self.state(|state| {
            state.in_flight -= 1;
            state.operations += 1;
            let checked = match usize::try_from(result) {
                Ok(0) if is_nop => Ok(()),
                // SAFETY: the buffer holds a block, which the read has filled.
                Ok(BLOCK_BYTES) => state.verifier.check(job.offset, unsafe { &*job.buffer.cast() }),
                _ => Err(format!("the read at {} came back with {result}", job.offset).into()),
            };
            if checked.is_err() {
                state.outcome = checked;
            }
            !state.is_over && state.outcome.is_ok()
        });
        if goes_on {
            self.submit(job.index);
        }
    }

    #[cold]
    fn refused(&self, index: usize, error: io::Error) {
        self.state(|state| {
            state.in_flight -= 1;
            if error.raw_os_error() == Some(libc::EAGAIN) {
                state.idle.push(index);
            } else {
                state.outcome = Err(error.into());
            }
        });
    }
}

impl Row for CCallbacks {
    fn turn(&mut self, time: Duration) -> Result<Turn, Error> {
        let load = &*self.load;
        load.state(|state| {
            (state.operations, state.is_over) = (0, false);
            state.idle.clear();
        });
        let mut watch = Stopwatch::start(time);
        (0..self.depth).for_each(|index| load.submit(index));
        while load.state(|state| state.in_flight > 0) {
            if aura_wait(load.engine, WAIT_MS) < 0 {
                let error = io::Error::last_os_error();
                if !matches!(error.raw_os_error(), Some(libc::ETIMEDOUT | libc::EINTR)) {
                    give_up(&error);
                }
            }
            let is_over = watch.is_over();
            let idle = load.state(|state| {
                match is_over {
                    Ok(over) => state.is_over |= over,
                    Err(interrupted) => state.outcome = Err(interrupted.into()),
                }
                let goes_on = !state.is_over && state.outcome.is_ok();
                if goes_on { std::mem::take(&mut state.idle) } else { Vec::new() }
            });
            idle.into_iter().for_each(|index| load.submit(index));
        }
        load.state(|state| std::mem::replace(&mut state.outcome, Ok(())))?;
        Ok(watch.turn(load.state(|state| state.operations), None))
    }

    fn finish(&mut self, subject: &Subject) -> Result<(), Error> {
        self.load.state(|state| subject.finish(&mut state.verifier))
    }
}

impl Drop for CCallbacks {
    fn drop(&mut self) {
        aura_destroy(self.load.engine);
    }
}

/// Ends the program, because callbacks of operations in flight would find their load gone.
#[cold]
fn give_up(why: impl std::fmt::Display) -> ! {
    eprintln!("error: the engine cannot go on with operations in flight: {why}");
    std::process::exit(EXIT_FAILURE.into());
}
