//! Processing completions inside a tokio runtime, without another thread.
//!
//! This file is `unsafe` where it promises tokio that a descriptor stays open, and where it names
//! the engine's.

use std::future::poll_fn;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::engine::Engine;
use crate::error::{Error, Result};

/// A task that processes an engine's completions in a tokio runtime, until this is dropped. Made
/// by [`Engine::drive_with_tokio`].
///
/// Dropping it ends the task. If nobody else drives the engine then, no future is left waiting:
/// what completes within a moment does, the rest is cancelled and fails with `ESHUTDOWN`. That may
/// take a moment, during which the thread is blocked: drop it at the end.
#[derive(Debug)]
pub struct TokioDriver {
    engine: Arc<aura_engine::Engine>,
    task: JoinHandle<()>,
}

impl Engine {
    /// Starts a task in the current tokio runtime that processes completions whenever there are
    /// some. Futures of this engine can be awaited in any task of any runtime then, on all of its
    /// threads.
    ///
    /// What tasks submit is handed to the kernel when this task has its turn next, after those that are
    /// ready now, so that it goes there together; a batch that is full goes at once.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_multi_thread().enable_io().build().unwrap();
    /// # runtime.block_on(async {
    /// let engine = aura::Engine::new()?;
    /// let driver = engine.drive_with_tokio()?;
    /// let file = engine.open("/proc/self/exe", aura::OpenOptions::new().read(true)).await?;
    /// let task = tokio::spawn(async move { file.read_at(vec![0; 4], 0).await });
    /// assert_eq!(task.await.unwrap()?.1, b"\x7fELF");
    /// drop(driver);
    /// # Ok::<(), aura::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Io`] without descriptors; [`Error::InvalidArgument`] outside a tokio runtime, in
    /// one without I/O (`enable_io`), and for an engine with `single_thread`, whose tasks could
    /// move to another thread.
    pub fn drive_with_tokio(&self) -> Result<TokioDriver> {
        if self.inner.config().single_thread {
            return Err(Error::InvalidArgument(
                "an engine made with single_thread cannot be driven by tokio: use block_on",
            ));
        }
        let runtime = Handle::try_current().map_err(|_| {
            Error::InvalidArgument("drive_with_tokio was called outside a tokio runtime")
        })?;
        let fd = self.inner.poll_fd().map_err(Error::of_call)?;
        // A number of its own: a runtime watches each but once, and it may not yet have heard that
        // an earlier driver has ended.
        // SAFETY: the engine has the descriptor open.
        let own = unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned()?;
        // SAFETY: it is owned, so it is open and always the same.
        let watch = || unsafe { AsyncFd::register_with_interest(own, Interest::READABLE) };
        // Tokio panics in a runtime without I/O.
        let watched = std::panic::catch_unwind(std::panic::AssertUnwindSafe(watch))
            .map_err(|_| {
                Error::InvalidArgument("the tokio runtime has no I/O: build it with enable_io")
            })?
            .map_err(std::io::Error::from)?;
        let engine = self.inner.clone();
        engine.begin_driving();
        let task = runtime.spawn(work(engine.clone(), watched));
        Ok(TokioDriver { engine, task })
    }
}

/// Ends when the engine has a fatal error, which the log has told.
async fn work(engine: Arc<aura_engine::Engine>, watched: AsyncFd<OwnedFd>) {
    let waker = poll_fn(|context| Poll::Ready(context.waker().clone())).await;
    let flushing = Flushing::begin(engine, waker);
    poll_fn(|context| step(&flushing.engine, &watched, context)).await;
}

/// Whether this task was woken because something was submitted or because something completed, it
/// looks after both.
fn step(
    engine: &aura_engine::Engine,
    watched: &AsyncFd<OwnedFd>,
    context: &mut Context<'_>,
) -> Poll<()> {
    loop {
        let ready = watched.poll_read_ready(context);
        match engine.poll() {
            Ok(0) => {}
            Ok(_) => {
                // A bounded amount each time, so that other tasks get their turn.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Err(_) => return Poll::Ready(()),
        }
        match ready {
            Poll::Ready(Ok(mut ready)) => ready.clear_ready(),
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Pending => return Poll::Pending,
        }
    }
}

/// While this lives the task is told of submissions. It lives as long as the task: the runtime may end
/// before the driver is dropped.
struct Flushing {
    engine: Arc<aura_engine::Engine>,
    waker: Waker,
}

impl Flushing {
    fn begin(engine: Arc<aura_engine::Engine>, waker: Waker) -> Self {
        engine.set_flusher(waker.clone());
        Self { engine, waker }
    }
}

impl Drop for Flushing {
    fn drop(&mut self) {
        self.engine.remove_flusher(&self.waker);
    }
}

impl Drop for TokioDriver {
    fn drop(&mut self) {
        self.task.abort();
        self.engine.abandon_driving();
    }
}
