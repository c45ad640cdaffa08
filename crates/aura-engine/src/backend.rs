//! The one narrow interface through which the engine reaches the kernel.
//!
//! The engine is generic over it and is compiled once per implementation, so the choice costs
//! nothing on the hot path. [`aura_ring::Ring`] is the real one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::time::Duration;

use aura_ring::{Cqe, Opcode, PushError, Ring, RingConfig, SetupError, Sqe, Wake};

use crate::clock;

/// Something that executes operations as an io_uring does: pushed at one end, reaped at the
/// other, exactly one completion for each.
///
/// # Safety
///
/// The engine gives out memory again when it has reaped an operation's completion. So an
/// implementation must not touch the memory named by an operation after its completion can be
/// reaped, and must never make two completions of one operation.
pub unsafe trait Backend: Send + Sync + Sized + 'static {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// Why the kernel refused, and the remedy.
    fn create(config: &RingConfig) -> Result<Self, SetupError>;

    /// What time it is for the engine, in nanoseconds of `CLOCK_MONOTONIC`. A simulated kernel may
    /// have a time of its own.
    #[inline]
    #[must_use]
    fn now_ns() -> u64 {
        clock::now_ns()
    }

    /// Queues one operation.
    ///
    /// # Errors
    ///
    /// A queue has no room; nothing was taken.
    ///
    /// # Safety
    ///
    /// One thread pushes at a time, and the memory that the operation names stays valid until its
    /// completion has been reaped.
    unsafe fn push(&self, sqe: &Sqe) -> Result<(), PushError>;

    /// Queues one operation under another label, as [`Ring::push_labelled`].
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    ///
    /// # Safety
    ///
    /// As [`push`](Self::push).
    unsafe fn push_labelled(&self, sqe: &Sqe, user_data: u64) -> Result<(), PushError> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.push(&sqe.user_data(user_data)) }
    }

    /// Queues several operations that are handed over together, as [`Ring::push_all`].
    ///
    /// # Errors
    ///
    /// A queue has no room for all of them; none was taken.
    ///
    /// # Safety
    ///
    /// As [`push`](Self::push).
    unsafe fn push_all(&self, sqes: &[Sqe]) -> Result<(), PushError>;

    /// Operations queued and not yet handed over.
    fn queued(&self) -> u32;

    /// Hands over what is queued, and says how many were taken. Any thread, at any time.
    ///
    /// # Errors
    ///
    /// `EAGAIN`, `EBUSY` and `EINTR` are temporary; what was not taken stays queued.
    fn submit(&self) -> io::Result<u32>;

    /// Hands over what is queued and sleeps until a completion can be reaped, time runs out or a
    /// signal handler ran. By the reaping thread.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    fn wait(&self, timeout: Option<Duration>) -> io::Result<Wake>;

    /// Takes completions, oldest first.
    ///
    /// # Safety
    ///
    /// One thread reaps at a time.
    unsafe fn reap(&self, out: &mut [Cqe]) -> usize;

    /// Whether there is something to be reaped.
    fn has_completions(&self) -> bool;

    /// Whether [`submit`](Self::submit) is needed for completions to appear.
    fn needs_enter(&self) -> bool;

    /// Whether it can execute this operation.
    fn supports(&self, opcode: Opcode) -> bool;

    /// How many operations the submission queue holds.
    fn entries(&self) -> u32;

    /// A descriptor that is readable as long as completions wait.
    fn pollable(&self) -> BorrowedFd<'_>;

    /// The `errno` with which the kernel refused submission polling, if it was asked for.
    fn sqpoll_refused(&self) -> Option<i32>;

    /// Whether only the thread that created it can submit, wait and register.
    fn is_thread_bound(&self) -> bool {
        false
    }

    /// Registers files, as [`Ring::register_files`].
    ///
    /// # Errors
    ///
    /// The kernel's answer.
    fn register_files(&self, fds: &[RawFd]) -> io::Result<()>;

    /// Replaces registered files, as [`Ring::update_files`].
    ///
    /// # Errors
    ///
    /// The kernel's answer.
    fn update_files(&self, first: u32, fds: &[RawFd]) -> io::Result<()>;

    /// Forgets the registered files.
    ///
    /// # Errors
    ///
    /// The kernel's answer.
    fn unregister_files(&self) -> io::Result<()>;

    /// Makes an empty table of registered buffers, as [`Ring::register_buffer_table`].
    ///
    /// # Errors
    ///
    /// The kernel's answer.
    fn register_buffer_table(&self, places: u32) -> io::Result<()>;

    /// Puts buffers into the table, as [`Ring::update_buffers`].
    ///
    /// # Errors
    ///
    /// The kernel's answer.
    ///
    /// # Safety
    ///
    /// The memory stays mapped until it was cleared and no operation uses it any more.
    unsafe fn update_buffers(&self, first: u32, buffers: &[libc::iovec]) -> io::Result<()>;

    /// Takes buffers out of the table. No barrier: operations in flight still use them.
    ///
    /// # Errors
    ///
    /// The kernel's answer.
    fn clear_buffers(&self, first: u32, count: u32) -> io::Result<()>;
}

// SAFETY: the kernel keeps both promises; `Ring` adds nothing in between.
unsafe impl Backend for Ring {
    fn create(config: &RingConfig) -> Result<Self, SetupError> {
        Self::new(config)
    }

    #[inline]
    unsafe fn push(&self, sqe: &Sqe) -> Result<(), PushError> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.push(sqe) }
    }

    #[inline]
    unsafe fn push_labelled(&self, sqe: &Sqe, user_data: u64) -> Result<(), PushError> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.push_labelled(sqe, user_data) }
    }

    unsafe fn push_all(&self, sqes: &[Sqe]) -> Result<(), PushError> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.push_all(sqes) }
    }

    #[inline]
    fn queued(&self) -> u32 {
        self.queued()
    }

    fn submit(&self) -> io::Result<u32> {
        self.submit()
    }

    fn wait(&self, timeout: Option<Duration>) -> io::Result<Wake> {
        self.wait(timeout)
    }

    #[inline]
    unsafe fn reap(&self, out: &mut [Cqe]) -> usize {
        // SAFETY: the caller's promise is the same.
        unsafe { self.reap(out) }
    }

    #[inline]
    fn has_completions(&self) -> bool {
        self.has_completions()
    }

    #[inline]
    fn needs_enter(&self) -> bool {
        self.needs_enter()
    }

    fn supports(&self, opcode: Opcode) -> bool {
        self.supports(opcode)
    }

    fn entries(&self) -> u32 {
        self.features().sq_entries
    }

    fn pollable(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn is_thread_bound(&self) -> bool {
        self.features().defer_taskrun
    }

    fn sqpoll_refused(&self) -> Option<i32> {
        self.features().sqpoll_refused
    }

    fn register_files(&self, fds: &[RawFd]) -> io::Result<()> {
        self.register_files(fds)
    }

    fn update_files(&self, first: u32, fds: &[RawFd]) -> io::Result<()> {
        self.update_files(first, fds)
    }

    fn unregister_files(&self) -> io::Result<()> {
        self.unregister_files()
    }

    fn register_buffer_table(&self, places: u32) -> io::Result<()> {
        self.register_buffer_table(places)
    }

    unsafe fn update_buffers(&self, first: u32, buffers: &[libc::iovec]) -> io::Result<()> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.update_buffers(first, buffers) }
    }

    fn clear_buffers(&self, first: u32, count: u32) -> io::Result<()> {
        self.clear_buffers(first, count)
    }
}
