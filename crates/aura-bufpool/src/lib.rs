//! A thread-safe pool of aligned buffers for file I/O, direct I/O above all.
//!
//! Buffers come in sixteen power-of-two sizes from 4 KiB to 128 MiB, each aligned to its own size. They
//! can be taken on one thread and given back on another, and are found again from their address alone:
//! giving one back needs no size, and a pointer that was given back before, or never came from the
//! pool, is an error rather than undefined behaviour.
//!
//! ```
//! use aura_bufpool::{FreeError, Pool, PoolOptions};
//!
//! let pool = Pool::new(PoolOptions::new().alignment(4096))?;
//!
//! // Owned: goes back by itself, and may outlive the pool's handles.
//! let mut buffer = pool.buffer(10_000)?;
//! buffer[..5].copy_from_slice(b"hello");
//! assert_eq!((buffer.len(), buffer.capacity()), (10_000, 16_384));
//! drop(pool.clone());
//!
//! // By pointer, for foreign callers: every misuse is detected.
//! let raw = pool.alloc(512)?;
//! assert_eq!(raw.as_ptr() as usize % 4096, 0);
//! pool.free(raw)?;
//! assert_eq!(pool.free(raw), Err(FreeError::DoubleFree));
//!
//! assert_eq!(pool.stats().allocated_buffers, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it is built
//!
//! | layer | what it holds | cost of reaching it |
//! | --- | --- | --- |
//! | thread cache | up to 64 buffers of each size below 1 MiB | no lock, no shared line |
//! | shard | slabs with free buffers, as one bitmap each | one lock per half a cache |
//! | arena | reserved addresses, made accessible slab by slab | one or two system calls |
//!
//! A *slab* is the unit that gains and loses memory: 256 KiB to 2 MiB shared by small buffers, or a
//! single buffer of 1 MiB and more. Slabs carry small dense indices, so that the owner of the pool
//! can register them with io_uring ([`SlabObserver`], [`Pool::slab_of`]).
//!
//! # What it does not do
//!
//! It starts no thread: idle memory goes back to the system inside later calls ([`Pool::reap`],
//! [`Pool::trim`], and whenever a thread cache runs empty or full). It does not zero recycled
//! buffers. It does not split or merge buffers: 33 KiB occupy 64 KiB of addresses, of which only
//! touched pages are resident. It cannot empty the caches of other threads.

mod arena;
mod buddy;
mod buffer;
mod cache;
mod class;
mod counters;
mod depot;
mod error;
mod life;
mod observer;
mod options;
mod pool;
mod primitive;
mod reclaim;
mod shard;
mod slab;
mod table;
mod tls;

pub use buffer::{PoolBuffer, RawBuffer};
pub use class::{MAX_ALIGNMENT, MAX_BUFFER_BYTES, MIN_BUFFER_BYTES};
pub use counters::PoolStats;
pub use error::{AllocError, CreateError, FreeError};
pub use observer::{Retire, SlabObserver, SlabRef};
pub use options::PoolOptions;
pub use pool::Pool;

/// Compiles and runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
