//! Processing completions, and cancelling what has not completed.

use std::os::fd::RawFd;
use std::time::Duration;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::request::RequestHandle;

/// # Cancelling
impl Engine {
    /// Asks the kernel to cancel an operation. Its callback runs in any case, with
    /// [`Error::Cancelled`] if the kernel could stop it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] with `EALREADY` when its callback has begun, with `EBUSY` when the queue has
    /// no room; [`Error::InvalidArgument`] for a request of another engine; [`Error::Submission`]
    /// with `ESHUTDOWN`.
    pub fn cancel_request(&self, request: &RequestHandle) -> Result<()> {
        self.inner.cancel(request.handle).map_err(Error::of_call)
    }

    /// As [`cancel_request`](Self::cancel_request).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// None is needed any more: a request that is over is recognised.
    pub unsafe fn cancel(&self, request: &RequestHandle) -> Result<()> {
        self.cancel_request(request)
    }
}

/// # Processing completions
///
/// One thread at a time; the others wait their turn. Not in callbacks of the same engine: there
/// these fail with [`Error::Io`] holding `EDEADLK`.
impl Engine {
    /// A descriptor that is readable as long as there is something for [`poll`](Self::poll) to do,
    /// for `epoll`, `poll` or `select`; level-triggered. It belongs to the engine.
    ///
    /// Once it has been asked for, operations submitted outside callbacks reach the kernel at
    /// once.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when it cannot be created (`EMFILE`).
    pub fn poll_fd(&self) -> Result<RawFd> {
        self.inner.poll_fd().map_err(Error::of_call)
    }

    /// Processes what has completed, without waiting; returns how many operations. 0 also when
    /// another thread is at it.
    ///
    /// # Errors
    ///
    /// The engine's fatal error, once everything that completed before it was delivered.
    pub fn poll(&self) -> Result<usize> {
        self.inner.poll().map_err(Error::of_call)
    }

    /// Waits until at least one operation has completed, or for `timeout_ms` (-1: no limit, 0: as
    /// [`poll`](Self::poll)), and returns how many were processed. Operations that other threads
    /// submit meanwhile are seen.
    ///
    /// With -1 and nothing in flight there is nothing to wait for, and it returns 0. It also
    /// returns 0 when [`stop`](Self::stop) is called. Signals do not end it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] with `ETIMEDOUT` when a timeout above 0 runs out with operations in flight;
    /// [`Error::InvalidArgument`] for a timeout below -1; the engine's fatal error.
    pub fn wait(&self, timeout_ms: i32) -> Result<usize> {
        self.inner.wait(timeout(timeout_ms)?).map_err(Error::of_call)
    }

    /// Runs the event loop on this thread until [`stop`](Self::stop) is called, then delivers what
    /// is in flight, for ten seconds at most.
    pub fn run(&self) {
        self.inner.run();
    }

    /// Ends [`run`](Self::run), and a [`wait`](Self::wait) that sleeps. From any thread, also from
    /// callbacks and signal handlers.
    pub fn stop(&self) {
        self.inner.stop();
    }

    /// Processes completions until nothing is in flight, or for `timeout_ms` (-1: no limit, 0:
    /// once, without waiting); returns how many were processed. What is submitted meanwhile is
    /// waited for too.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn drain(&self, timeout_ms: i32) -> Result<usize> {
        self.inner.drain(timeout(timeout_ms)?).map_err(Error::of_call)
    }

    /// Hands over what is queued without waiting for a batch to fill.
    ///
    /// Seldom needed: `poll`, `wait` and a full batch do it. It is for a thread that submits and
    /// then does something else, while no other thread processes completions.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] from a thread that does not own a single-threaded engine.
    pub fn flush(&self) -> Result<()> {
        self.inner.flush().map_err(Error::of_call)
    }
}

fn timeout(timeout_ms: i32) -> Result<Option<Duration>> {
    match timeout_ms {
        -1 => Ok(None),
        ms => match u64::try_from(ms) {
            Ok(ms) => Ok(Some(Duration::from_millis(ms))),
            Err(_) => Err(Error::InvalidArgument("a timeout below -1 ms")),
        },
    }
}
