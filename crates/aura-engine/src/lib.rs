#![doc = include_str!("../README.md")]
//!
//! # Where to find what
//!
//! | module | what lives there |
//! | --- | --- |
//! | `engine`, `config` | what an engine is made of; settings and their checks |
//! | `op` | operations with checked arguments |
//! | `submit`, `batch`, `select` | the way in: choosing a ring, slots, batches, cancelling |
//! | `poll`, `account` | the way out: processing completions |
//! | `pace` | how many operations are worth a system call |
//! | `wait`, `sleep` | waiting for them, the event loop; sleeping in the kernel and waking |
//! | `linger` | when to look for a completion a little longer instead |
//! | `flusher` | who hands over while the application sleeps in a loop of its own |
//! | `room`, `repeat`, `given_away` | room for a submission at the limit; operations that have to be repeated, and those that must not be |
//! | `errands`, `to_do` | what other threads leave to the one inside the gate |
//! | `attention` | how submitters and a sleeping poller do not miss each other |
//! | `slot`, `slots`, `tenant`, `handle`, `directory` | where an operation lives, and the names it has |
//! | `awaited`, `parked`, `drive`, `flag` | operations for futures; their queue at the limit; who polls, and for what |
//! | `late` | closes that wait for operations whose file the kernel looks up late |
//! | `ring`, [`backend`] | one ring; the interface to the kernel |
//! | `resources`, `files`, `slabs` | registered buffers, files, and memory of the pool |
//! | `poison` | what the kernel has, as AddressSanitizer sees it |
//! | `tuner`, `decisions` | the controller at work; what it decided |
//! | `stats`, `metrics` | what the engine says about itself; the same for monitoring |
//! | `traced` | messages and decisions for `tracing`, with that feature |
//! | `settings` | what can be changed while it runs |
//! | `shutdown` | the end |
//! | `explain` | words for `EINVAL` from direct I/O |
//! | `lock`, `gate`, `primitive`, `mapping`, `clock`, [`log`], `error` | tools |

mod account;
mod attention;
mod awaited;
pub mod backend;
mod batch;
mod clock;
mod config;
mod decisions;
mod directory;
mod drive;
mod engine;
mod errands;
mod error;
mod explain;
mod files;
mod flag;
mod flusher;
mod gate;
mod given_away;
mod handle;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
mod late;
mod linger;
mod lock;
pub mod log;
mod mapping;
mod metrics;
mod op;
mod pace;
mod parked;
mod poison;
mod poll;
mod primitive;
mod repeat;
mod resources;
mod ring;
mod room;
mod select;
mod settings;
mod shutdown;
mod slabs;
mod sleep;
mod slot;
mod slots;
mod stats;
mod submit;
mod tenant;
mod to_do;
#[cfg(feature = "tracing")]
mod traced;
mod tuner;
mod wait;

pub use aura_aimd::Phase;
pub use aura_bufpool::{AllocError, FreeError, Pool, PoolBuffer, PoolStats};
pub use aura_histogram::{Percentile, Snapshot, layout};
pub use aura_metrics;
pub use aura_ring::{Cause, Ring, SetupError};
pub use awaited::{Awaited, Cargo, Failure, Outcome};
pub use batch::{BatchItem, PartlyTaken};
pub use config::{Config, RingSelect};
pub use decisions::DecisionRecord;
pub use directory::{request_cancel, request_info, request_is_pending};
pub use engine::Engine;
pub use error::{Error, Result};
pub use explain::Misalignment;
pub use files::FilePlace;
pub use flag::Flag;
pub use handle::{Handle, MAX_RINGS};
pub use op::{MAX_IOVECS, MAX_TRANSFER_BYTES, Memory, Op, OpKind, Target};
pub use poll::in_callback_context;
pub use resources::MAX_USER_BUFFERS;
pub use shutdown::{AFTER_CANCEL, QUIET};
pub use slot::{INLINE_CAPTURE_BYTES, RequestInfo};
pub use stats::{EngineStats, RingStats};
pub use submit::Rejected;

/// What a callback is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The operation. It counts as completed; what it was can be asked until the callback returns.
    pub handle: Handle,
    /// Bytes or descriptor on success, the negative of `errno` on failure.
    pub result: i32,
}
