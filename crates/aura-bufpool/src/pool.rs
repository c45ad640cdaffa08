//! The handle that users of the pool have.

use std::{fmt, ptr::NonNull};

use crate::{
    buffer::PoolBuffer,
    counters::PoolStats,
    depot::{Depot, Holder},
    error::{AllocError, CreateError, FreeError},
    life::Handle,
    observer::SlabRef,
    options::PoolOptions,
};

/// A pool of aligned buffers; cloning gives another handle of the same pool.
///
/// # Life
///
/// The pool lives until its last handle and its last [`PoolBuffer`] are gone, and then returns all its
/// memory. Buffers taken by pointer do not keep it alive: their memory goes with it.
///
/// # Threads
///
/// Every method may be called from any thread; a buffer may be given back on another thread than the
/// one that took it. Each thread keeps up to 64 free buffers of each size below 1 MiB (5.25 MiB at the
/// very most), in every pool it uses, and gives them back when it ends.
///
/// # Fork
///
/// A forked child may use its copy of the pool. It must not if another thread of the parent was inside
/// a slow path (a cache refilled or emptied, a slab made or given back) at the moment of the fork: a
/// lock may be held for ever then. What the caches of the parent's other threads held is lost to the
/// child, and its copies of slabs are not registered with any ring.
///
/// # Signals
///
/// Not to be used in signal handlers.
#[derive(Clone)]
pub struct Pool {
    handle: Handle,
}

impl Pool {
    /// Reserves addresses for a pool; no memory is committed to buffers yet. Takes some tens of
    /// microseconds, and a few pages.
    ///
    /// # Errors
    ///
    /// [`CreateError`] if an option is invalid or the kernel grants not even 128 MiB of addresses.
    pub fn new(options: PoolOptions) -> Result<Self, CreateError> {
        Ok(Self { handle: Handle::new(Depot::new(&options)?) })
    }

    /// Takes a buffer of at least `size` bytes, aligned to its capacity and thus to the pool's
    /// alignment. The content is initialised but arbitrary: zero, or what an earlier user left.
    ///
    /// The pointer is valid for reads and writes of the whole capacity until anyone passes it to
    /// [`free`](Self::free), or the pool ends. Prefer [`buffer`](Self::buffer) where Rust can own it.
    ///
    /// # Errors
    ///
    /// [`AllocError`] for a size of zero or above [`MAX_BUFFER_BYTES`](crate::MAX_BUFFER_BYTES), or if
    /// there is no memory.
    #[inline]
    pub fn alloc(&self, size: usize) -> Result<NonNull<u8>, AllocError> {
        self.handle.take(size, Holder::Raw)
    }

    /// Gives a buffer back that [`alloc`](Self::alloc) handed out.
    ///
    /// Any pointer may be passed. Each buffer handed out is accepted once, even if several threads
    /// pass it at the same moment. What cannot be told apart is a second free of a buffer that was
    /// handed out anew in between: it ends the new user's turn, as with any allocator. (A
    /// [`PoolBuffer`] is safe from that, too.)
    ///
    /// # Errors
    ///
    /// [`FreeError`], and nothing has changed.
    #[inline]
    pub fn free(&self, buffer: NonNull<u8>) -> Result<(), FreeError> {
        self.handle.give(buffer)
    }

    /// Takes a buffer of `size` bytes that gives itself back. It may outlive every handle.
    ///
    /// # Errors
    ///
    /// As [`alloc`](Self::alloc).
    #[inline]
    pub fn buffer(&self, size: usize) -> Result<PoolBuffer, AllocError> {
        let start = self.handle.take(size, Holder::Buffer)?;
        Ok(PoolBuffer::new(start, size, self.handle.tenant()))
    }

    /// The size that was asked for when this buffer was taken; `None` if it is not the start of a
    /// buffer in use.
    pub fn size_of(&self, buffer: NonNull<u8>) -> Option<usize> {
        self.handle.depot().sizes(buffer).map(|(requested, _)| requested)
    }

    /// The full size of this buffer; `None` if it is not the start of a buffer in use.
    pub fn capacity_of(&self, buffer: NonNull<u8>) -> Option<usize> {
        self.handle.depot().sizes(buffer).map(|(_, capacity)| capacity)
    }

    /// The slab that an address lies in. Steady while the address is in a buffer in use; a compare, a
    /// shift and a load, made to be called for every I/O operation.
    #[inline]
    pub fn slab_of(&self, address: *const u8) -> Option<SlabRef> {
        self.handle.depot().map.slab_ref(address.addr())
    }

    /// Gives the memory of all wholly free slabs back to the system, after the calling thread's own
    /// cache. Returns how many bytes of slabs went; fewer than
    /// [`idle_bytes`](PoolStats::idle_bytes) if the observer kept some.
    pub fn trim(&self) -> usize {
        self.handle.trim()
    }

    /// Gives the memory back that has idled for longer than
    /// [`idle_after`](PoolOptions::idle_after). The pool does this by itself when a thread meets a
    /// shard; a loop that lives from its thread cache for hours may call it now and then. Returns the
    /// bytes that went.
    pub fn reap(&self) -> usize {
        self.handle.depot().reap()
    }

    /// A snapshot of the pool's counters; takes a short lock against the birth and death of threads'
    /// caches, none against operations.
    pub fn stats(&self) -> PoolStats {
        self.handle.stats()
    }

    /// Whether two handles are of one pool.
    pub fn same_pool(&self, other: &Self) -> bool {
        self.handle.same_pool(&other.handle)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("stats", &self.stats()).finish()
    }
}
