//! The hook that tells the pool's owner which slabs exist, so that it can register them with a ring.

use std::fmt;

/// Where a slab is, and its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlabRef {
    /// Small dense number, the lowest that was free when the slab was made. Reused after the slab
    /// went back to the system.
    pub index: u32,
    /// Address of the first byte, a multiple of `len`.
    pub base: usize,
    /// Length in bytes, a power of two.
    pub len: usize,
}

/// The observer's answer to a slab about to lose its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retire {
    /// Nothing refers to the slab any more; its memory may go.
    GiveBack,
    /// Not now. The pool keeps the slab usable, and asks again no sooner than after 100 ms unless
    /// [`Pool::trim`](crate::Pool::trim) is called.
    Keep,
}

/// Told of every slab that appears and of every slab whose memory is about to go.
///
/// Pages that io_uring pinned must be unregistered before the pool gives them back: afterwards the
/// same address has other pages, and the kernel would go on reading and writing the old ones.
///
/// # Order
///
/// For one index the calls alternate, beginning with `slab_created`. It returns before any buffer of
/// the slab is handed out, and `slab_retiring` is called when all of them are free and none can be
/// taken. An index is not reused before `slab_retiring` returned.
///
/// # Threads and locks
///
/// Called without any lock of the pool, on whichever thread happens to take or give back a buffer,
/// trim, or drop the last handle; calls for different slabs may overlap. So the caller of
/// [`Pool`](crate::Pool) must not hold a lock that the observer takes. The observer may read
/// statistics and look up slabs; it must not take buffers (that could recurse without end) and must
/// not panic (a thread that ends aborts the process then).
///
/// The pool keeps its observer alive: an observer that owns a handle of the pool would keep both
/// for ever.
pub trait SlabObserver: Send + Sync {
    /// `len` bytes at address `base` became usable as slab `index`.
    fn slab_created(&self, index: u32, base: usize, len: usize);

    /// The slab's memory is about to be given back. When the whole pool goes the answer is ignored:
    /// the addresses go with it.
    fn slab_retiring(&self, index: u32, base: usize, len: usize) -> Retire;
}

impl fmt::Debug for dyn SlabObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SlabObserver")
    }
}
