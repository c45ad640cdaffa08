//! Operations on registered files, named by their place in the table.

use aura_engine::{Op, Target};

use crate::buffer::BufferRef;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::request::RequestHandle;

/// A place in the table of [`Engine::register_files`], to operate on whatever file is there when an
/// operation is handed over. Made by [`Engine::fixed_file`].
///
/// The kernel does not look the descriptor up, and counts no reference, for each operation: through
/// the page cache that is some 5 % of a 4 KiB read, and more where threads share the file.
///
/// Operations fail as those of the engine that take a descriptor. An index outside the table, or a
/// place that is empty, is the kernel's to find: the callback hears `EBADF`.
#[derive(Clone, Copy, Debug)]
pub struct FixedFile<'e> {
    engine: &'e Engine,
    target: Target,
}

impl Engine {
    /// The registered file at `index`.
    ///
    /// ```
    /// use std::os::fd::AsRawFd;
    /// use aura::{BufferRef, Engine};
    ///
    /// let engine = Engine::new()?;
    /// let file = std::fs::File::open("/proc/self/exe").unwrap();
    /// engine.register_files(&[file.as_raw_fd()])?;
    /// let buffer = engine.allocate_buffer(4)?;
    /// // SAFETY: the buffer is left alone until `drain` returns.
    /// unsafe {
    ///     engine.fixed_file(0)?.read(BufferRef::from(&buffer), 4, 0, |result| {
    ///         assert_eq!(result.unwrap(), 4);
    ///     })?;
    /// }
    /// engine.drain(-1)?;
    /// assert_eq!(&buffer.as_slice()[..4], b"\x7fELF");
    /// # Ok::<(), aura::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for a negative index.
    pub fn fixed_file(&self, index: i32) -> Result<FixedFile<'_>> {
        let index = u32::try_from(index)
            .map_err(|_| Error::InvalidArgument("the registered file's index is negative"))?;
        Ok(FixedFile { engine: self, target: Target::Registered(index) })
    }
}

impl FixedFile<'_> {
    /// As [`Engine::read`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// As there.
    pub unsafe fn read<F>(
        &self,
        buf: BufferRef,
        len: usize,
        offset: i64,
        callback: F,
    ) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        // SAFETY: the caller's promise.
        unsafe { self.engine.submit(Op::read(self.target, buf.memory, len, offset), callback) }
    }

    /// As [`Engine::write`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// As there.
    pub unsafe fn write<F>(
        &self,
        buf: BufferRef,
        len: usize,
        offset: i64,
        callback: F,
    ) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        // SAFETY: the caller's promise.
        unsafe { self.engine.submit(Op::write(self.target, buf.memory, len, offset), callback) }
    }

    /// As [`Engine::readv`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// As there.
    pub unsafe fn readv<F>(
        &self,
        iov: &[libc::iovec],
        offset: i64,
        callback: F,
    ) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        let op = Op::readv(self.target, iov.as_ptr(), iov.len(), offset);
        // SAFETY: the caller's promise.
        unsafe { self.engine.submit(op, callback) }
    }

    /// As [`Engine::writev`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// As there.
    pub unsafe fn writev<F>(
        &self,
        iov: &[libc::iovec],
        offset: i64,
        callback: F,
    ) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        let op = Op::writev(self.target, iov.as_ptr(), iov.len(), offset);
        // SAFETY: the caller's promise.
        unsafe { self.engine.submit(op, callback) }
    }

    /// As [`Engine::fsync`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn fsync<F>(&self, callback: F) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        // SAFETY: no memory is named.
        unsafe { self.engine.submit(Op::fsync(self.target), callback) }
    }

    /// As [`Engine::fdatasync`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn fdatasync<F>(&self, callback: F) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        // SAFETY: no memory is named.
        unsafe { self.engine.submit(Op::fdatasync(self.target), callback) }
    }
}
