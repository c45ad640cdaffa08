//! The engine: its creation and end. What it does is below, by group.

mod data;
mod events;
mod files;
mod fixed_file;
mod resources;
mod state;

use std::sync::Arc;

use aura_engine::Op;

pub use fixed_file::FixedFile;

use crate::buffer::Buffer;
use crate::callback::adapt;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::request::RequestHandle;

/// What the C interface points to when it says `aura_engine_t *`.
#[repr(C)]
#[derive(Debug)]
#[allow(non_camel_case_types, reason = "the name is that of the C interface")]
pub struct aura_engine_t {
    _private: [u8; 0],
}

/// An asynchronous file-I/O engine.
///
/// Any thread submits; whoever processes completions ([`poll`](Self::poll), [`wait`](Self::wait),
/// [`run`](Self::run), [`drain`](Self::drain)) runs the callbacks. How much is in flight is found
/// by the engine itself.
///
/// Dropping it refuses new operations, delivers what is in flight, and after five seconds without
/// any completion cancels the rest. Operations that the kernel can neither finish nor cancel keep
/// their memory for good; the log says how many. Do not drop it in one of its callbacks.
///
/// ```
/// use aura::Engine;
/// use std::os::fd::AsRawFd;
/// use std::sync::mpsc;
///
/// let file = std::fs::File::open("/proc/self/exe").unwrap();
/// let engine = Engine::new()?;
/// let buffer = engine.allocate_buffer(4096)?;
/// let (sender, results) = mpsc::channel();
/// // SAFETY: `buffer` is used again only after the callback, at the end.
/// unsafe {
///     engine.read(file.as_raw_fd(), (&buffer).into(), 4096, 0, move |result| {
///         sender.send(result).unwrap();
///     })?;
/// }
/// engine.wait(-1)?;
/// assert_eq!(results.recv().unwrap()?, 4096);
/// assert_eq!(&buffer.as_slice()[..4], b"\x7fELF");
/// # Ok::<(), aura::Error>(())
/// ```
#[derive(Debug)]
pub struct Engine {
    pub(crate) inner: Arc<aura_engine::Engine>,
}

impl Engine {
    /// Creates an engine with default settings: one ring per CPU, self-tuning.
    ///
    /// # Errors
    ///
    /// [`Error::EngineCreate`] with cause and remedy.
    pub fn new() -> Result<Self> {
        Self::with_options(&Options::new())
    }

    /// Creates an engine.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] naming a setting that makes no sense, [`Error::EngineCreate`]
    /// with cause and remedy.
    pub fn with_options(options: &Options) -> Result<Self> {
        let config = options.to_config()?;
        let inner = aura_engine::Engine::create(&config).map_err(Error::of_creation)?;
        Ok(Self { inner })
    }

    /// The engine as the C interface names it. Valid as long as the engine lives.
    #[must_use]
    pub fn as_ptr(&self) -> *mut aura_engine_t {
        Arc::as_ptr(&self.inner).cast_mut().cast()
    }

    /// Takes a buffer of `size` bytes from the engine's pool.
    ///
    /// # Errors
    ///
    /// [`Error::BufferAlloc`] for a size of 0 or above 128 MiB (`EINVAL`), and without memory.
    pub fn allocate_buffer(&self, size: usize) -> Result<Buffer> {
        Buffer::of_pool(self.inner.pool(), size)
    }

    /// Submits a checked operation with a callback.
    ///
    /// # Safety
    ///
    /// The memory that the operation names stays valid until the callback begins.
    #[inline]
    unsafe fn submit<F>(&self, op: aura_engine::Result<Op>, callback: F) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        let op = op.map_err(Error::of_call)?;
        // SAFETY: the caller's promise.
        match unsafe { self.inner.submit(&op, 0, adapt(callback)) } {
            Ok(handle) => Ok(RequestHandle::new(handle)),
            Err(rejected) => Err(Error::of_call(rejected.error)),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.inner.shutdown();
    }
}
