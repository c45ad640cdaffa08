//! Memory for I/O: buffers from the engine's pool, and names for memory of any kind.

use std::cell::Cell;
use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;

use aura_engine::{Memory, PoolBuffer};

use crate::error::{Error, Result};

/// A buffer from an engine's pool, aligned for `O_DIRECT`; goes back to the pool when dropped.
///
/// It may outlive its engine, and may be dropped on any thread. Fresh buffers hold zeros, recycled
/// ones what they held before.
///
/// ```
/// let engine = aura::Engine::new()?;
/// let mut buffer = engine.allocate_buffer(8192)?;
/// buffer.as_mut_slice().fill(7);
/// drop(engine);
/// assert_eq!(buffer.len(), 8192);
/// assert!(buffer.as_slice().iter().all(|byte| *byte == 7));
/// # Ok::<(), aura::Error>(())
/// ```
pub struct Buffer {
    inner: PoolBuffer,
    /// Not `Sync`: an operation may be writing to it while another thread would read.
    _not_sync: PhantomData<Cell<()>>,
}

impl Buffer {
    pub(crate) fn new(inner: PoolBuffer) -> Self {
        Self { inner, _not_sync: PhantomData }
    }

    /// A buffer of a pool.
    pub(crate) fn of_pool(pool: &aura_engine::Pool, size: usize) -> Result<Self> {
        match pool.buffer(size) {
            Ok(buffer) => Ok(Self::new(buffer)),
            Err(error) => Err(Error::BufferAlloc(error.into())),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.inner
    }

    /// The bytes, to be changed.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.inner
    }

    /// The address, aligned as the engine's options say (by default to a page).
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.inner.as_ptr()
    }

    /// The address, for writing.
    #[must_use]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.inner.as_mut_ptr()
    }

    /// The length in bytes, as asked for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    /// Whether the length is zero. Buffers of an engine never are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// A name for this memory, to submit operations on it. It does not keep the buffer alive.
    #[must_use]
    pub fn to_ref(&self) -> BufferRef {
        self.into()
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        self.as_mut_slice()
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("ptr", &self.as_ptr()).field("len", &self.len()).finish()
    }
}

/// A name for memory that an operation reads or writes: an address, or a place in a registered
/// buffer.
///
/// It carries no lifetime. Whoever submits an operation with it keeps the memory valid until the
/// operation's callback begins; that is why those functions are `unsafe`.
///
/// ```
/// use aura::BufferRef;
/// let registered = BufferRef::fixed(0, 4096);
/// assert_eq!(registered, registered.clone());
/// assert_eq!(BufferRef::fixed_index(2), BufferRef::fixed(2, 0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferRef {
    pub(crate) memory: Memory,
}

// SAFETY: it is a number until an `unsafe` function is given it, whose contract covers the memory.
unsafe impl Send for BufferRef {}
// SAFETY: as above; it gives no access to the memory.
unsafe impl Sync for BufferRef {}

impl BufferRef {
    /// Memory at an address.
    ///
    /// # Safety
    ///
    /// The memory must be valid, for as long and for what the operations do that are submitted
    /// with this reference.
    #[must_use]
    pub unsafe fn from_ptr(ptr: *mut c_void) -> Self {
        Self { memory: Memory::Address(ptr.cast()) }
    }

    /// The memory of a slice. Only for operations that read from it (writes to a file).
    ///
    /// # Safety
    ///
    /// As [`from_ptr`](Self::from_ptr); and no operation may write to it.
    #[must_use]
    pub unsafe fn from_slice(slice: &[u8]) -> Self {
        Self { memory: Memory::Address(slice.as_ptr().cast_mut()) }
    }

    /// The memory of a slice that may be written to.
    ///
    /// # Safety
    ///
    /// As [`from_ptr`](Self::from_ptr); the slice must not be used while an operation on it is in
    /// flight.
    #[must_use]
    pub unsafe fn from_mut_slice(slice: &mut [u8]) -> Self {
        Self { memory: Memory::Address(slice.as_mut_ptr()) }
    }

    /// A place `offset` bytes into the registered buffer `index`. A negative index names no
    /// memory, and is refused when it is used.
    #[must_use]
    pub fn fixed(index: i32, offset: usize) -> Self {
        let memory = match u32::try_from(index) {
            Ok(index) => Memory::Registered { index, offset },
            Err(_) => Memory::Address(std::ptr::null_mut()),
        };
        Self { memory }
    }

    /// The start of the registered buffer `index`.
    #[must_use]
    pub fn fixed_index(index: i32) -> Self {
        Self::fixed(index, 0)
    }
}

impl From<&Buffer> for BufferRef {
    fn from(buffer: &Buffer) -> Self {
        Self { memory: Memory::Address(buffer.as_ptr().cast_mut()) }
    }
}

impl From<&mut Buffer> for BufferRef {
    fn from(buffer: &mut Buffer) -> Self {
        Self { memory: Memory::Address(buffer.as_mut_ptr()) }
    }
}
