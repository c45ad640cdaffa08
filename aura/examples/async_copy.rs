//! Copies a file with futures, and without a runtime: the executor is a loop of 15 lines.
//!
//! ```sh
//! cargo run --release -p aura --features async --example async_copy        # files of its own
//! cargo run --release -p aura --features async --example async_copy -- SOURCE TARGET
//! ```
//!
//! `unsafe`, because the compiler cannot see that a buffer outlives its operation: a future can be
//! dropped at any time, and that does not wait for the kernel. [`transfer`] makes it safe.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use aura::async_io::{AsyncEngine, IoFuture};
use aura::{Buffer, BufferRef, Engine};
use support::{CopyJob, Outcome};

mod support;

const USAGE: &str = "\
usage: async_copy [SOURCE TARGET]

Copies SOURCE to TARGET, replacing what is there, and compares the two.
Without arguments it copies 32 MiB of its own.";

const PIECE_BYTES: u64 = 256 << 10;
const TASKS: usize = 16;

fn main() -> ExitCode {
    support::main(USAGE, |arguments| {
        // Declared before the engine, so closed after it: whatever happens, the descriptors are
        // good for all that is in flight.
        let job = CopyJob::from_arguments(arguments)?;
        let engine = Engine::new()?;
        let started = Instant::now();

        // Each task takes the next piece, until none is left.
        let next_offset = Cell::new(0);
        let tasks = (0..TASKS).map(|_| copy_pieces(&engine, &job, &next_offset));
        run_all(&engine, tasks)?;
        // The writes have completed, so this covers them all.
        run_all(&engine, [make_durable(&engine, &job)])?;

        support::print_rate("copied", job.len, started.elapsed());
        job.verify()
    })
}

async fn copy_pieces(engine: &Engine, job: &CopyJob, next_offset: &Cell<u64>) -> Outcome {
    let mut buffer = engine.allocate_buffer(PIECE_BYTES as usize)?;
    while next_offset.get() < job.len {
        let start = next_offset.get();
        let end = job.len.min(start + PIECE_BYTES);
        next_offset.set(end);

        let piece = (end - start) as usize;
        let (mut filled, mut written) = (0, 0);
        // Both may do less than they were asked for.
        while filled < piece {
            let bytes;
            (bytes, buffer) = read(engine, job, buffer, filled..piece, start)
                .await
                .map_err(|error| format!("reading the source: {error}"))?;
            if bytes == 0 {
                return Err("the source became shorter while it was copied".into());
            }
            filled += bytes;
        }
        while written < piece {
            let bytes;
            (bytes, buffer) = write(engine, job, buffer, written..piece, start)
                .await
                .map_err(|error| format!("writing the target: {error}"))?;
            if bytes == 0 {
                return Err("the target takes no more data".into());
            }
            written += bytes;
        }
    }
    Ok(())
}

async fn make_durable(engine: &Engine, job: &CopyJob) -> Outcome {
    engine.async_fsync(job.target.as_raw_fd())?.await?;
    Ok(())
}

/// Reads into `place` of the buffer, whose first byte stands for `base` of the source.
async fn read(
    engine: &Engine,
    job: &CopyJob,
    buffer: Buffer,
    place: Range<usize>,
    base: u64,
) -> aura::Result<(usize, Buffer)> {
    let (fd, offset) = (job.source.as_raw_fd(), (base + place.start as u64) as i64);
    transfer(buffer, place, |memory, len| {
        // SAFETY: `transfer` keeps the memory.
        unsafe { engine.async_read(fd, memory, len, offset) }
    })
    .await
}

/// Writes `place` of the buffer, whose first byte belongs at `base` of the target.
async fn write(
    engine: &Engine,
    job: &CopyJob,
    buffer: Buffer,
    place: Range<usize>,
    base: u64,
) -> aura::Result<(usize, Buffer)> {
    let (fd, offset) = (job.target.as_raw_fd(), (base + place.start as u64) as i64);
    transfer(buffer, place, |memory, len| {
        // SAFETY: `transfer` keeps the memory.
        unsafe { engine.async_write(fd, memory, len, offset) }
    })
    .await
}

/// Submits an operation on `place` of the buffer and awaits it. The buffer goes in and comes back.
///
/// The memory that `submit` is given stays valid and unused until the operation has completed,
/// whatever becomes of this future.
async fn transfer(
    buffer: Buffer,
    place: Range<usize>,
    submit: impl Fn(BufferRef, usize) -> aura::Result<IoFuture>,
) -> aura::Result<(usize, Buffer)> {
    // If this future is dropped while the operation is in flight, the buffer is not: it is lost,
    // which is better than being used for something else while the kernel writes to it.
    let mut buffer = ManuallyDrop::new(buffer);
    let slice = &mut buffer.as_mut_slice()[place];
    let len = slice.len();
    // SAFETY: see above; and the slice is not used any more.
    let memory = unsafe { BufferRef::from_mut_slice(slice) };
    let submitted = loop {
        match submit(memory, len) {
            // As much is in flight as the engine thinks useful: let the others come to their ends.
            Err(refused) if support::is_at_limit(&refused) => yield_once().await,
            submitted_or_failed => break submitted_or_failed,
        }
    };
    let result = match submitted {
        Ok(operation) => operation.await,
        Err(error) => Err(error),
    };
    let buffer = ManuallyDrop::into_inner(buffer); // Nothing is in flight here.
    result.map(|bytes| (bytes, buffer))
}

/// Gives the other tasks a turn.
async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Runs tasks on this thread, which also processes the completions; stops at the first error.
///
/// With a runtime it is the runtime that polls the tasks, while a thread calls [`Engine::run`].
fn run_all(engine: &Engine, tasks: impl IntoIterator<Item: Future<Output = Outcome>>) -> Outcome {
    let mut tasks: Vec<Pin<Box<_>>> = tasks.into_iter().map(Box::pin).collect();
    // With so few tasks, asking each whether it can go on is as good as being told by a waker.
    let mut context = Context::from_waker(Waker::noop());
    loop {
        let mut outcome = Ok(());
        tasks.retain_mut(|task| match task.as_mut().poll(&mut context) {
            Poll::Pending => true,
            Poll::Ready(done) => {
                if done.is_err() {
                    outcome = done;
                }
                false
            }
        });
        outcome?;
        if tasks.is_empty() {
            return Ok(());
        }
        engine.wait(-1)?;
    }
}
