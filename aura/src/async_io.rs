//! Futures over the engine, for any runtime or none.
//!
//! Somebody has to process completions for a future to make progress: a thread that calls
//! [`Engine::wait`] in a loop, or the runtime's reactor watching [`Engine::poll_fd`].
//!
//! ```
//! use aura::{Engine, async_io::AsyncEngine};
//! use std::{future::Future, os::fd::AsRawFd, pin::pin, task::{Context, Poll, Waker}};
//!
//! let file = std::fs::File::open("/proc/self/exe").unwrap();
//! let engine = Engine::new()?;
//! let buffer = engine.allocate_buffer(4096)?;
//! // SAFETY: `buffer` outlives the operation.
//! let mut read = pin!(unsafe { engine.async_read(file.as_raw_fd(), &buffer, 4096, 0) }?);
//! let bytes = loop {
//!     engine.wait(100)?;
//!     if let Poll::Ready(result) = read.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
//!         break result?;
//!     }
//! };
//! assert_eq!(bytes, 4096);
//! # Ok::<(), aura::Error>(())
//! ```

use std::future::Future;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::buffer::BufferRef;
use crate::engine::Engine;
use crate::error::Result;
use crate::request::RequestHandle;

/// Operations as futures. Each is submitted by the call itself, not when it is first polled; so
/// the call fails where the callback form would (`EAGAIN` at the limit).
pub trait AsyncEngine {
    /// Reads, as [`Engine::read`].
    ///
    /// # Errors
    ///
    /// As [`Engine::read`].
    ///
    /// # Safety
    ///
    /// The memory stays valid until the operation has completed. Dropping the future cancels the
    /// operation but does not wait for it, so the future's end is **not** the operation's.
    unsafe fn async_read(
        &self,
        fd: RawFd,
        buf: impl Into<BufferRef>,
        len: usize,
        offset: i64,
    ) -> Result<IoFuture>;

    /// Writes, as [`Engine::write`].
    ///
    /// # Errors
    ///
    /// As [`Engine::write`].
    ///
    /// # Safety
    ///
    /// As [`async_read`](Self::async_read).
    unsafe fn async_write(
        &self,
        fd: RawFd,
        buf: impl Into<BufferRef>,
        len: usize,
        offset: i64,
    ) -> Result<IoFuture>;

    /// Reads into several buffers, as [`Engine::readv`].
    ///
    /// # Errors
    ///
    /// As [`Engine::readv`].
    ///
    /// # Safety
    ///
    /// As [`async_read`](Self::async_read), for the array too.
    unsafe fn async_readv(&self, fd: RawFd, iov: &[libc::iovec], offset: i64) -> Result<IoFuture>;

    /// Writes from several buffers, as [`Engine::writev`].
    ///
    /// # Errors
    ///
    /// As [`Engine::writev`].
    ///
    /// # Safety
    ///
    /// As [`async_read`](Self::async_read), for the array too.
    unsafe fn async_writev(&self, fd: RawFd, iov: &[libc::iovec], offset: i64) -> Result<IoFuture>;

    /// Makes a file durable, as [`Engine::fsync`].
    ///
    /// # Errors
    ///
    /// As [`Engine::fsync`].
    fn async_fsync(&self, fd: RawFd) -> Result<IoFuture>;

    /// Makes a file's data durable, as [`Engine::fdatasync`].
    ///
    /// # Errors
    ///
    /// As [`Engine::fdatasync`].
    fn async_fdatasync(&self, fd: RawFd) -> Result<IoFuture>;
}

impl AsyncEngine for Engine {
    unsafe fn async_read(
        &self,
        fd: RawFd,
        buf: impl Into<BufferRef>,
        len: usize,
        offset: i64,
    ) -> Result<IoFuture> {
        // SAFETY: the caller's promise.
        IoFuture::start(|done| unsafe { self.read(fd, buf.into(), len, offset, done) })
    }

    unsafe fn async_write(
        &self,
        fd: RawFd,
        buf: impl Into<BufferRef>,
        len: usize,
        offset: i64,
    ) -> Result<IoFuture> {
        // SAFETY: the caller's promise.
        IoFuture::start(|done| unsafe { self.write(fd, buf.into(), len, offset, done) })
    }

    unsafe fn async_readv(&self, fd: RawFd, iov: &[libc::iovec], offset: i64) -> Result<IoFuture> {
        // SAFETY: the caller's promise.
        IoFuture::start(|done| unsafe { self.readv(fd, iov, offset, done) })
    }

    unsafe fn async_writev(&self, fd: RawFd, iov: &[libc::iovec], offset: i64) -> Result<IoFuture> {
        // SAFETY: the caller's promise.
        IoFuture::start(|done| unsafe { self.writev(fd, iov, offset, done) })
    }

    fn async_fsync(&self, fd: RawFd) -> Result<IoFuture> {
        IoFuture::start(|done| self.fsync(fd, done))
    }

    fn async_fdatasync(&self, fd: RawFd) -> Result<IoFuture> {
        IoFuture::start(|done| self.fdatasync(fd, done))
    }
}

/// The future of one operation: the bytes transferred, or the error.
///
/// Dropping it before it is ready asks the kernel to cancel the operation.
#[derive(Debug)]
#[must_use = "dropping the future cancels the operation"]
pub struct IoFuture {
    state: Arc<Mutex<State>>,
    request: RequestHandle,
}

#[derive(Debug)]
enum State {
    /// In flight; whom to wake.
    Waiting(Option<Waker>),
    Ready(Result<usize>),
    /// The result was handed out.
    Taken,
}

type Completer = Box<dyn FnOnce(Result<usize>) + Send>;

impl IoFuture {
    fn start(submit: impl FnOnce(Completer) -> Result<RequestHandle>) -> Result<Self> {
        let state = Arc::new(Mutex::new(State::Waiting(None)));
        let shared = Arc::clone(&state);
        let request = submit(Box::new(move |result| {
            let before = std::mem::replace(
                &mut *shared.lock().unwrap_or_else(PoisonError::into_inner),
                State::Ready(result),
            );
            // Outside the lock: a waker may run the task, and with it the future, right here.
            if let State::Waiting(Some(waker)) = before {
                waker.wake();
            }
        }))?;
        Ok(Self { state, request })
    }
}

impl Future for IoFuture {
    type Output = Result<usize>;

    /// # Panics
    ///
    /// When it is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Waiting(Some(waker)) => waker.clone_from(context.waker()),
            State::Waiting(none) => *none = Some(context.waker().clone()),
            State::Ready(_) => {
                let State::Ready(result) = std::mem::replace(&mut *state, State::Taken) else {
                    unreachable!("matched just now");
                };
                return Poll::Ready(result);
            }
            State::Taken => panic!("an IoFuture was polled after it was ready"),
        }
        Poll::Pending
    }
}

impl Drop for IoFuture {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            matches!(std::mem::replace(&mut *state, State::Taken), State::Waiting(_))
        };
        if waiting {
            // It may complete in between, or there may be no room: cancelling is best effort.
            let _ = aura_engine::request_cancel(self.request.handle);
        }
    }
}
