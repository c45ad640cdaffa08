//! Files whose operations are futures that own their buffers.
//!
//! This file is `unsafe` where it says that what an operation names belongs to it.

mod exact;
mod metadata;
mod open;

use std::fmt;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use aura_engine::{Op, Target};

pub use metadata::Metadata;
pub use open::OpenOptions;

use crate::buf::{IoBuf, IoBufMut, IoBufs, IoBufsMut};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::operation::Operation;
use crate::ops::{Close, Plain, Read, Readv, Statx, Write, Writev};

/// An open file on an engine. Its operations are futures that own their buffers.
///
/// Cloning it gives another handle of the same file. It may be used from many tasks and threads at
/// once: every operation names its own offset. It keeps the engine's memory alive, but not its
/// work: when the [`Engine`] is dropped, operations fail with `ESHUTDOWN`.
///
/// ```
/// use aura::{Engine, OpenOptions};
///
/// let engine = Engine::new()?;
/// aura::block_on(&engine, async {
///     let file = engine.open("/proc/self/exe", OpenOptions::new().read(true)).await?;
///     let buffer = engine.allocate_buffer(4096)?;
///     let (bytes, buffer) = file.read_at(buffer, 0).await?;
///     assert_eq!(bytes, 4096);
///     assert_eq!(&buffer.as_slice()[..4], b"\x7fELF");
///     Ok::<(), aura::Error>(())
/// })?;
/// # Ok::<(), aura::Error>(())
/// ```
///
/// # Errors of all operations
///
/// [`OpError`](crate::OpError) gives the buffer back. The kernel's error is [`Error::Io`], with an
/// explanation if a file opened for direct I/O was used without the alignment it needs;
/// [`Error::Submission`] holds `ESHUTDOWN` when the engine is gone or nobody drives it any more;
/// [`Error::InvalidArgument`] says what makes no sense.
#[derive(Clone)]
pub struct File {
    inner: Arc<Inner>,
}

/// What the handles of one file share.
pub(crate) struct Inner {
    /// Taken out once, by `drop` or `close`.
    fd: ManuallyDrop<OwnedFd>,
    engine: Arc<aura_engine::Engine>,
    /// It was opened for direct I/O.
    direct: bool,
    /// Its place in the table of registered files.
    registered: std::sync::OnceLock<aura_engine::FilePlace>,
}

impl File {
    pub(crate) fn new(engine: Arc<aura_engine::Engine>, fd: OwnedFd) -> Self {
        let flags = rustix::fs::fcntl_getfl(&fd);
        let direct = flags.is_ok_and(|flags| flags.contains(rustix::fs::OFlags::DIRECT));
        let (fd, registered) = (ManuallyDrop::new(fd), std::sync::OnceLock::new());
        Self { inner: Arc::new(Inner { fd, engine, direct, registered }) }
    }

    /// Puts a file of the standard library on an engine.
    #[must_use]
    pub fn from_std(engine: &Engine, file: std::fs::File) -> Self {
        Self::from_fd(engine, file.into())
    }

    /// Puts an open descriptor on an engine.
    #[must_use]
    pub fn from_fd(engine: &Engine, fd: OwnedFd) -> Self {
        Self::new(engine.inner.clone(), fd)
    }

    /// Puts a descriptor on an engine that belongs to somebody else. It is duplicated, so that
    /// operations are safe whatever becomes of the original.
    ///
    /// ```
    /// let engine = aura::Engine::new()?;
    /// let (mut reader, writer) = std::io::pipe().unwrap();
    /// let ours = aura::File::from_borrowed(&engine, &writer)?;
    /// drop(writer);
    /// aura::block_on(&engine, ours.write_at("hello", 0))?;
    /// drop(ours);
    /// assert_eq!(std::io::read_to_string(&mut reader).unwrap(), "hello");
    /// # Ok::<(), aura::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Io`] holding `EMFILE` when there are no descriptors left.
    pub fn from_borrowed(engine: &Engine, fd: impl AsFd) -> Result<Self> {
        Ok(Self::from_fd(engine, fd.as_fd().try_clone_to_owned()?))
    }

    /// The file as one of the standard library.
    ///
    /// # Errors
    ///
    /// The file itself, if there are other handles of it, or operations whose futures were dropped
    /// and that are not over yet.
    pub fn into_std(self) -> Result<std::fs::File, Self> {
        self.into_owned_fd().map(Into::into)
    }

    fn into_owned_fd(self) -> Result<OwnedFd, Self> {
        // What was submitted names the descriptor, and shall not meet another file.
        if !self.inner.engine.hand_over_all() {
            return Err(self);
        }
        let inner = Arc::try_unwrap(self.inner).map_err(|inner| Self { inner })?;
        let mut inner = ManuallyDrop::new(inner);
        // SAFETY: each field is taken out once, as the whole is never dropped.
        unsafe {
            let fd = ManuallyDrop::take(&mut inner.fd);
            if let Some(place) = inner.registered.take() {
                inner.engine.free_file_place(place);
            }
            std::ptr::drop_in_place(&mut inner.engine);
            Ok(fd)
        }
    }

    /// Whether the handles are of one and the same file.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// Reads at `offset` until the buffer is full. Fewer bytes mean the end of the file (none: it
    /// was at the end), or that the kernel had no more at hand; [`read_exact_at`] goes on then.
    ///
    /// Of a `Vec<u8>` the whole capacity is used; read into a [`slice`](IoBuf::slice) of it to
    /// read less. At most 2 GiB less 4 KiB are read at once.
    ///
    /// [`read_exact_at`]: Self::read_exact_at
    #[inline]
    pub fn read_at<B: IoBufMut>(&self, buffer: B, offset: u64) -> Operation<'_, Read<B>> {
        let (op, kind) = Read::new(self.inner.target(), buffer, offset);
        let op = op.map(|op| op.direct(self.inner.direct));
        // SAFETY: the operation names the buffer, which `kind` owns.
        unsafe { Operation::on_file(&self.inner, op, kind) }
    }

    /// As [`read_at`](Self::read_at), but fails with `EAGAIN` (`WouldBlock`) at the in-flight
    /// limit instead of waiting for its turn.
    pub fn try_read_at<B: IoBufMut>(&self, buffer: B, offset: u64) -> Operation<'_, Read<B>> {
        self.read_at(buffer, offset).or_would_block()
    }

    /// Writes the data of the buffer at `offset`. Fewer bytes written mean a full device, a limit,
    /// or a signal; [`write_all_at`](Self::write_all_at) goes on then.
    #[inline]
    pub fn write_at<B: IoBuf>(&self, buffer: B, offset: u64) -> Operation<'_, Write<B>> {
        let (op, kind) = Write::new(self.inner.target(), buffer, offset);
        let op = op.map(|op| op.direct(self.inner.direct));
        // SAFETY: the operation names the buffer, which `kind` owns.
        unsafe { Operation::on_file(&self.inner, op, kind) }
    }

    /// As [`write_at`](Self::write_at), but fails with `EAGAIN` (`WouldBlock`) at the in-flight
    /// limit instead of waiting for its turn.
    pub fn try_write_at<B: IoBuf>(&self, buffer: B, offset: u64) -> Operation<'_, Write<B>> {
        self.write_at(buffer, offset).or_would_block()
    }

    /// Reads at `offset` into several buffers, one after the other; at most 1024.
    ///
    /// ```
    /// # let engine = aura::Engine::new()?;
    /// let file = aura::File::from_std(&engine, std::fs::File::open("/proc/self/exe").unwrap());
    /// let buffers = [vec![0; 4], vec![0; 12]];
    /// let (bytes, [magic, rest]) = aura::block_on(&engine, file.readv_at(buffers, 0))?;
    /// assert_eq!((bytes, &magic[..], rest.len()), (16, &b"\x7fELF"[..], 12));
    /// # Ok::<(), aura::Error>(())
    /// ```
    pub fn readv_at<V: IoBufsMut>(&self, buffers: V, offset: u64) -> Operation<'_, Readv<V>> {
        let (op, kind) = Readv::new(self.inner.target(), buffers, offset);
        // SAFETY: the operation names array and buffers, which `kind` owns.
        unsafe { Operation::on_file(&self.inner, op, kind) }
    }

    /// Writes at `offset` from several buffers, one after the other; at most 1024.
    pub fn writev_at<V: IoBufs>(&self, buffers: V, offset: u64) -> Operation<'_, Writev<V>> {
        let (op, kind) = Writev::new(self.inner.target(), buffers, offset);
        // SAFETY: the operation names array and buffers, which `kind` owns.
        unsafe { Operation::on_file(&self.inner, op, kind) }
    }

    fn plain(&self, op: aura_engine::Result<Op>) -> Operation<'_, Plain> {
        // SAFETY: no memory is named.
        unsafe { Operation::on_file(&self.inner, op, Plain) }
    }

    /// Makes durable what was written, metadata included. It covers writes that have completed
    /// before it is polled.
    pub fn sync_all(&self) -> Operation<'_, Plain> {
        self.plain(Op::fsync(self.inner.target()))
    }

    /// Makes durable what was written, and of the metadata what is needed to read it.
    pub fn sync_data(&self) -> Operation<'_, Plain> {
        self.plain(Op::fdatasync(self.inner.target()))
    }

    /// Starts write-out of `len` bytes at `offset` and waits for it (`sync_file_range` with all
    /// three flags). Neither metadata nor the device's cache are written: it is no substitute for
    /// [`sync_data`](Self::sync_data), but makes a later one short. `len` is below 4 GiB; 0 means
    /// the rest of the file.
    pub fn sync_range(&self, offset: u64, len: u64) -> Operation<'_, Plain> {
        const WRITE_AND_WAIT: u32 = libc::SYNC_FILE_RANGE_WAIT_BEFORE
            | libc::SYNC_FILE_RANGE_WRITE
            | libc::SYNC_FILE_RANGE_WAIT_AFTER;
        let (offset, len) = (signed(offset), signed(len));
        self.plain(Op::sync_file_range(self.inner.target(), offset, len, WRITE_AND_WAIT))
    }

    /// Asks for the file's metadata: what `std` has of it, and more.
    pub fn metadata(&self) -> Operation<'_, Statx> {
        self.statx(libc::STATX_BASIC_STATS | libc::STATX_BTIME)
    }

    /// Asks for the metadata named by `mask` (`libc::STATX_*`).
    pub fn statx(&self, mask: u32) -> Operation<'_, Statx> {
        let (op, kind) = Statx::new(self.inner.raw_fd(), None, 0, mask);
        // SAFETY: the operation names the answer's box, which `kind` owns, and a static path.
        unsafe { Operation::on_file(&self.inner, op, kind) }
    }

    /// Cuts the file to `len` bytes, or lengthens it by a hole. Needs Linux 6.9 (`ENOSYS` before).
    pub fn set_len(&self, len: u64) -> Operation<'_, Plain> {
        self.plain(Op::ftruncate(self.inner.target(), signed(len)))
    }

    /// Makes sure that `len` bytes at `offset` have space on the device, and lengthens the file if
    /// they are beyond its end.
    pub fn allocate(&self, offset: u64, len: u64) -> Operation<'_, Plain> {
        self.plain(Op::fallocate(self.inner.target(), 0, signed(offset), signed(len)))
    }

    /// Gives the space of `len` bytes at `offset` back; they read as zeros from then on. The
    /// file's length stays.
    pub fn punch_hole(&self, offset: u64, len: u64) -> Operation<'_, Plain> {
        const PUNCH: i32 = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        self.plain(Op::fallocate(self.inner.target(), PUNCH, signed(offset), signed(len)))
    }

    /// Closes the file and says whether that worked. Dropping the last handle closes it too, and
    /// says nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] holding `EBUSY` if there are other handles of the file, or operations that
    /// are not over yet; it is closed with the last of them then. What the kernel says: data that
    /// could not be written, with some file systems. The descriptor is gone in any case.
    pub async fn close(self) -> Result<()> {
        let engine = self.inner.engine.clone();
        let busy = |_| Error::from_raw_os_error(libc::EBUSY);
        let (op, kind) = Close::new(self.into_owned_fd().map_err(busy)?);
        // SAFETY: no memory is named, and the descriptor is `kind`'s.
        unsafe { Operation::on_engine(&engine, op, kind) }.await
    }

    /// Registers the file with the kernel, which then need not look it up and count references for
    /// every operation: its operations take the short way from here on, through all handles.
    /// Best for a few files that are used a lot. It lasts until the last handle is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] holding `EBUSY` while files are registered by
    /// [`Engine::register_files`](Engine::register_files), which share the table with these;
    /// `ENFILE` when the table is full.
    pub fn register(&self) -> Result<()> {
        if self.inner.registered.get().is_some() {
            return Ok(());
        }
        let place = self.inner.engine.register_file(self.inner.fd.as_fd());
        let place = place.map_err(Error::of_call)?;
        // Two may register at the same time: one of the places is given back.
        if let Err(place) = self.inner.registered.set(place) {
            self.inner.engine.free_file_place(place);
        }
        Ok(())
    }

    /// Registered, or not at all.
    pub(crate) fn registered(self) -> Result<Self> {
        self.register()?;
        Ok(self)
    }

    /// Whether the file is registered.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.inner.registered.get().is_some()
    }
}

/// A number as the kernel wants it; one that is too large becomes one that is refused.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(-1)
}

impl Inner {
    #[inline]
    pub(crate) fn engine(&self) -> &aura_engine::Engine {
        &self.engine
    }

    #[inline]
    pub(crate) fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// How operations name the file.
    #[inline]
    fn target(&self) -> Target {
        match self.registered.get() {
            Some(place) => place.target(),
            None => Target::Fd(self.raw_fd()),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(place) = self.registered.take() {
            self.engine.free_file_place(place);
        }
        // SAFETY: taken once: `into_owned_fd` does not drop the whole.
        let fd = unsafe { ManuallyDrop::take(&mut self.fd) };
        self.engine.close_after_queued(fd);
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.fd.as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.raw_fd()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("fd", &self.inner.raw_fd())
            .field("registered", &self.is_registered())
            .finish()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("fd", &self.raw_fd()).finish_non_exhaustive()
    }
}
