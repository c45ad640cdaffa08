#![doc = include_str!("../README.md")]
//!
//! # Where to find what
//!
//! | item | what it is |
//! | --- | --- |
//! | [`Engine`], [`Options`] | the engine and its settings |
//! | [`File`], [`OpenOptions`], [`fs`] | files whose operations are futures; whole files |
//! | [`Operation`], [`Batch`], [`OpError`] | one operation to be awaited, or several; its error |
//! | [`Chunks`], [`Writer`] | a file as a stream |
//! | [`IoBuf`], [`IoBufMut`], [`Slice`] | memory that operations can own |
//! | [`block_on`], [`Poller`], [`Tasks`] | who makes the futures move; many of them at once |
//! | [`Buffer`], [`BufferRef`] | memory from the engine's pool; a name for any memory |
//! | [`RequestHandle`] | an operation in flight, with a callback: the layer below the futures |
//! | [`Stats`], [`RingStats`], [`Histogram`], [`BufferStats`] | what the engine says about itself |
//! | [`Metrics`], [`MetricsReader`], [`Decision`] | the same for monitoring systems: counters that never fall |
//! | [`Error`], [`Result`] | what can go wrong |
//! | [`set_log_handler`], [`log_emit`] | log messages |
//! | `async_io` | futures over raw memory, with the feature `async` |
//!
//! # Threads
//!
//! Any thread submits, and awaits. One thread at a time processes completions ([`block_on`], a
//! [`Poller`], tokio; or [`Engine::poll`], [`wait`](Engine::wait), [`run`](Engine::run),
//! [`drain`](Engine::drain)); others wait their turn. Futures are woken and callbacks run on that
//! thread, with no lock held. Callbacks may submit, cancel, register and unregister, but not process
//! completions. They should be short.

mod batch;
mod buf;
mod buffer;
mod callback;
mod drive;
mod engine;
mod error;
mod file;
pub mod fs;
mod log;
mod metrics;
mod op_error;
mod operation;
pub mod ops;
mod options;
mod request;
#[cfg(feature = "tracing-spans")]
mod span;
mod stats;
mod stream;
mod tasks;
mod version;

#[cfg(feature = "async")]
pub mod async_io;

pub use batch::Batch;
pub use buf::{IoBuf, IoBufMut, IoBufs, IoBufsMut, Slice};
pub use buffer::{Buffer, BufferRef};
#[cfg(feature = "tokio")]
pub use drive::TokioDriver;
pub use drive::{Poller, block_on};
pub use engine::{Engine, FixedFile, aura_engine_t};
pub use error::{Error, Result};
pub use file::{File, Metadata, OpenOptions};
pub use libc::{iovec, statx};
pub use log::{LogLevel, clear_log_handler, log_emit, set_log_handler};
pub use metrics::{Decision, Metrics, MetricsReader, OperationMetrics};
pub use op_error::OpError;
pub use operation::{Kind, Operation};
pub use options::{Options, RingSelect};
pub use request::{RequestHandle, RequestInfo};
pub use stats::{BufferStats, Histogram, RingStats, Stats};
pub use stream::{Chunk, Chunks, Writer};
pub use tasks::Tasks;
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
