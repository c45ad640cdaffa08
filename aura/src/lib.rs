#![doc = include_str!("../README.md")]
//!
//! # Where to find what
//!
//! | item | what it is |
//! | --- | --- |
//! | [`Engine`], [`Options`] | the engine and its settings |
//! | [`Buffer`], [`BufferRef`] | memory from the engine's pool; a name for any memory |
//! | [`RequestHandle`] | an operation in flight |
//! | [`Stats`], [`RingStats`], [`Histogram`], [`BufferStats`] | what the engine says about itself |
//! | [`Error`], [`Result`] | what can go wrong |
//! | [`set_log_handler`], [`log_emit`] | log messages |
//! | `async_io` | futures, with the feature `async` |
//!
//! # Threads
//!
//! Any thread submits. One thread at a time processes completions ([`Engine::poll`],
//! [`wait`](Engine::wait), [`run`](Engine::run), [`drain`](Engine::drain); others wait their turn),
//! and callbacks run on that thread, with no lock held: they may submit, cancel, register and
//! unregister, but not process completions. They should be short.

mod buffer;
mod callback;
mod engine;
mod error;
mod log;
mod options;
mod request;
mod stats;
mod version;

#[cfg(feature = "async")]
pub mod async_io;

pub use buffer::{Buffer, BufferRef};
pub use engine::{Engine, aura_engine_t};
pub use error::{Error, Result};
pub use libc::{iovec, statx};
pub use log::{LogLevel, clear_log_handler, log_emit, set_log_handler};
pub use options::{Options, RingSelect};
pub use request::{RequestHandle, RequestInfo};
pub use stats::{BufferStats, Histogram, RingStats, Stats};
pub use version::{version, version_int};

/// Whether the calling thread is inside a completion callback, of any engine.
///
/// For libraries that choose between a call that waits and one that does not.
///
/// ```
/// assert!(!aura::in_callback_context());
/// let engine = aura::Engine::new()?;
/// engine.nop(|_| assert!(aura::in_callback_context()))?;
/// engine.drain(-1)?;
/// # Ok::<(), aura::Error>(())
/// ```
#[must_use]
pub fn in_callback_context() -> bool {
    aura_engine::in_callback_context()
}
