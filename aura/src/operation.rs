//! The future of one operation.
//!
//! This file is `unsafe` because what an operation owns is promised here to be what it names.

use std::future::Future;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use aura_engine::{Awaited, Cargo, Failure, Op, Outcome};

use crate::error::{Error, Result};
use crate::file::Inner;

/// One operation on a file, to be awaited. Made by the methods of [`File`](crate::File) and
/// [`Engine`](crate::Engine).
///
/// - It does nothing before it is first polled; then it is submitted. At the in-flight limit it
///   waits for its turn, first come, first served.
/// - Dropping it cancels the operation, at any time. The buffer is freed when the kernel is done
///   with it, not before; if the operation was an open, the descriptor is closed.
/// - It is `Send`, allocates nothing, and runs on any executor. Somebody has to process
///   completions: [`block_on`](crate::block_on), [`Engine::start_poller`](crate::Engine::start_poller),
///   the `tokio` feature, or any call of [`Engine::wait`](crate::Engine::wait) in a loop.
///
/// Its output is the documented one of the method; `K` says which.
#[must_use = "an operation does nothing unless it is awaited"]
pub struct Operation<'f, K: Kind> {
    awaited: Awaited<'f, Load<K>>,
    #[cfg(feature = "tracing-spans")]
    span: crate::span::Span,
}

/// What an [`Operation`] does and owns. Sealed: the kinds are those in [`ops`](crate::ops).
pub trait Kind: sealed::Kind {}

impl<K: sealed::Kind> Kind for K {}

pub(crate) mod sealed {
    use crate::error::Result;

    pub trait Kind: Send + Sized + 'static {
        type Output;

        /// The operation is over. `kind` is missing if the kernel kept what it owns.
        fn finish(result: Result<usize>, kind: Option<Self>) -> Self::Output;

        /// It is over, and nobody waits for it any more.
        fn abandoned(self, result: i32) {
            let _ = result;
        }
    }
}

/// A kind as the engine carries it.
struct Load<K>(K);

impl<K: sealed::Kind> Cargo for Load<K> {
    type Keeper = Inner;

    fn abandoned(self, result: i32) {
        self.0.abandoned(result);
    }
}

impl<'f, K: Kind> Operation<'f, K> {
    /// An operation on a file.
    ///
    /// # Safety
    ///
    /// As [`Awaited::new`]: the memory that `op` names belongs to `kind` and does not move with it.
    #[inline]
    pub(crate) unsafe fn on_file(
        file: &'f Arc<Inner>,
        op: aura_engine::Result<Op>,
        kind: K,
    ) -> Self {
        // SAFETY: the caller's promise; the file's descriptor stays open as long as `file` lives.
        unsafe { Self::new(file.engine(), op, kind, Some((file, file.raw_fd()))) }
    }

    /// An operation that needs no file to stay open.
    ///
    /// # Safety
    ///
    /// As [`on_file`](Self::on_file); and no descriptor that `op` names is closed meanwhile.
    pub(crate) unsafe fn on_engine(
        engine: &'f aura_engine::Engine,
        op: aura_engine::Result<Op>,
        kind: K,
    ) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self::new(engine, op, kind, None) }
    }

    #[inline]
    unsafe fn new(
        engine: &'f aura_engine::Engine,
        op: aura_engine::Result<Op>,
        kind: K,
        file: Option<(&'f Arc<Inner>, RawFd)>,
    ) -> Self {
        #[cfg(feature = "tracing-spans")]
        let span = crate::span::Span::of(&op);
        Self {
            // SAFETY: the caller's promise; `Load` adds nothing.
            awaited: unsafe { Awaited::new(engine, op, Load(kind), file) },
            #[cfg(feature = "tracing-spans")]
            span,
        }
    }

    /// Makes it fail with `EAGAIN` (`WouldBlock`) at the in-flight limit, instead of waiting for
    /// its turn.
    pub(crate) fn or_would_block(self) -> Self {
        Self {
            awaited: self.awaited.or_refuse(),
            #[cfg(feature = "tracing-spans")]
            span: self.span,
        }
    }

    #[inline]
    fn pinned<'a>(self: Pin<&'a mut Self>) -> Pin<&'a mut Awaited<'f, Load<K>>> {
        // SAFETY: the field is pinned with the operation: nothing here moves it out.
        unsafe { self.map_unchecked_mut(|operation| &mut operation.awaited) }
    }

    /// See [`Awaited::is_submitted`].
    pub(crate) fn is_submitted(&self) -> bool {
        self.awaited.is_submitted()
    }

    /// See [`Awaited::poll_over`].
    #[inline]
    pub(crate) fn poll_over(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.pinned().poll_over(context)
    }

    /// Submits several operations together.
    pub(crate) fn submit_together<'a>(
        operations: impl Iterator<Item = Pin<&'a mut Self>>,
        context: &Context<'_>,
    ) where
        Self: 'a,
    {
        Awaited::submit_together(operations.map(Self::pinned), context.waker());
    }
}

impl<K: Kind> Future for Operation<'_, K> {
    type Output = K::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        #[cfg(feature = "tracing-spans")]
        let span = self.span.clone();
        #[cfg(feature = "tracing-spans")]
        let _inside = span.enter();
        let outcome = self.pinned().poll(context);
        #[cfg(feature = "tracing-spans")]
        if let Poll::Ready(outcome) = &outcome {
            span.record(&outcome.result);
        }
        outcome.map(finish)
    }
}

#[inline]
fn finish<K: Kind>(outcome: Outcome<Load<K>>) -> K::Output {
    K::finish(outcome.result.map_or_else(failure, in_bytes), outcome.cargo.map(|load| load.0))
}

#[inline]
fn in_bytes(result: i32) -> Result<usize> {
    Ok(result as usize) // The engine says that it is not negative.
}

#[cold]
fn failure(failure: Failure) -> Result<usize> {
    Err(match failure {
        Failure::Refused(error) => Error::of_call(error),
        Failure::Kernel(errno) => Error::from_raw_os_error(errno),
        Failure::Misaligned(misaligned) => Error::misaligned(&misaligned),
    })
}

impl<K: Kind> std::fmt::Debug for Operation<'_, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation").field("submitted", &self.awaited.is_submitted()).finish()
    }
}
