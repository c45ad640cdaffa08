//! The engine: submitting operations, processing their completions, registering resources.
//!
//! This file has `unsafe` functions where an operation names memory that the caller must keep.

use std::ffi::CStr;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use aura_engine::{Op, Target};

use crate::buffer::{Buffer, BufferRef};
use crate::callback::adapt;
use crate::error::{Error, Result};
use crate::options::{self, Options};
use crate::request::RequestHandle;
use crate::stats::{BufferStats, Histogram, RingStats, Stats};

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
        match self.inner.pool().buffer(size) {
            Ok(buffer) => Ok(Buffer::new(buffer)),
            Err(error) => Err(Error::BufferAlloc(error.into())),
        }
    }
}

/// # Operations on data
///
/// The callback hears the bytes transferred, [`Error::Cancelled`], or the kernel's error. It runs
/// exactly once, inside a call that processes completions and never inside these functions; if one
/// of these returns an error, it is dropped without being called.
///
/// All of them fail with [`Error::InvalidArgument`] for an argument that makes no sense, and with
/// [`Error::Submission`] holding `EAGAIN` at the in-flight limit (process completions, then try
/// again) or `ESHUTDOWN`.
impl Engine {
    /// Reads `len` bytes at `offset` into `buf`. Fewer bytes mean the end of the file, or that the
    /// kernel had no more at hand.
    ///
    /// # Errors
    ///
    /// See above. With a registered buffer also `ENOENT` when none are registered,
    /// [`Error::InvalidArgument`] for a place outside it, and [`Error::Io`] holding `EBUSY` while
    /// they are being unregistered.
    ///
    /// # Safety
    ///
    /// The memory stays valid, and is not used otherwise, until the callback begins.
    pub unsafe fn read<F>(
        &self,
        fd: RawFd,
        buf: BufferRef,
        len: usize,
        offset: i64,
        callback: F,
    ) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        // SAFETY: the caller's promise.
        unsafe { self.submit(Op::read(Target::Fd(fd), buf.memory, len, offset), callback) }
    }

    /// Writes `len` bytes from `buf` at `offset`. Fewer bytes written mean a full device, a limit,
    /// or a signal; the rest can be written by another call.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    ///
    /// # Safety
    ///
    /// The memory stays valid, and is not changed, until the callback begins.
    pub unsafe fn write<F>(
        &self,
        fd: RawFd,
        buf: BufferRef,
        len: usize,
        offset: i64,
        callback: F,
    ) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        // SAFETY: the caller's promise.
        unsafe { self.submit(Op::write(Target::Fd(fd), buf.memory, len, offset), callback) }
    }

    /// Reads at `offset` into several buffers, one after the other; at most 1024.
    ///
    /// # Errors
    ///
    /// See above.
    ///
    /// # Safety
    ///
    /// The array **and** the buffers stay valid, and are not used otherwise, until the callback
    /// begins.
    pub unsafe fn readv<F>(
        &self,
        fd: RawFd,
        iov: &[libc::iovec],
        offset: i64,
        callback: F,
    ) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        let op = Op::readv(Target::Fd(fd), iov.as_ptr(), iov.len(), offset);
        // SAFETY: the caller's promise.
        unsafe { self.submit(op, callback) }
    }

    /// Writes at `offset` from several buffers, one after the other; at most 1024.
    ///
    /// # Errors
    ///
    /// See above.
    ///
    /// # Safety
    ///
    /// The array **and** the buffers stay valid, and are not changed, until the callback begins.
    pub unsafe fn writev<F>(
        &self,
        fd: RawFd,
        iov: &[libc::iovec],
        offset: i64,
        callback: F,
    ) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        let op = Op::writev(Target::Fd(fd), iov.as_ptr(), iov.len(), offset);
        // SAFETY: the caller's promise.
        unsafe { self.submit(op, callback) }
    }

    /// Makes what was written durable, metadata included. It covers writes that have completed,
    /// not those in flight.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn fsync<F>(&self, fd: RawFd, callback: F) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        // SAFETY: no memory is named.
        unsafe { self.submit(Op::fsync(Target::Fd(fd)), callback) }
    }

    /// Makes what was written durable, without metadata that reading does not need.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn fdatasync<F>(&self, fd: RawFd, callback: F) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        // SAFETY: no memory is named.
        unsafe { self.submit(Op::fdatasync(Target::Fd(fd)), callback) }
    }

    /// Does nothing, through the kernel and back. Measures a round trip; the result is 0.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn nop<F>(&self, callback: F) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        // SAFETY: no memory is named.
        unsafe { self.submit(Ok(Op::nop()), callback) }
    }

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

/// # Operations on files
///
/// The same rules as for operations on data. Paths are copied.
impl Engine {
    /// Opens `pathname` relative to `dirfd` (or `libc::AT_FDCWD`); the result is the new
    /// descriptor. `flags` are `libc::O_*`; `mode` is for files that are created.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn openat<F>(
        &self,
        dirfd: RawFd,
        pathname: &CStr,
        flags: i32,
        mode: u32,
        callback: F,
    ) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        let path = pathname.to_owned();
        let op = Op::openat(dirfd, &path, flags, mode);
        let keeping_path = move |result| {
            drop(path);
            callback(result);
        };
        // SAFETY: the callback owns the path, whose bytes do not move with it.
        unsafe { self.submit(op, keeping_path) }
    }

    /// Closes a descriptor, after all operations on it that were submitted before have reached the
    /// kernel.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn close<F>(&self, fd: RawFd, callback: F) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        // SAFETY: no memory is named.
        unsafe { self.submit(Op::close(fd), callback) }
    }

    /// Fetches metadata of `pathname` relative to `dirfd` into `statxbuf`. `flags` are
    /// `libc::AT_*`, `mask` is `libc::STATX_*`.
    ///
    /// # Errors
    ///
    /// See above.
    ///
    /// # Safety
    ///
    /// `statxbuf` stays valid, and is not used otherwise, until the callback begins.
    pub unsafe fn statx<F>(
        &self,
        dirfd: RawFd,
        pathname: &CStr,
        flags: i32,
        mask: u32,
        statxbuf: *mut libc::statx,
        callback: F,
    ) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        let path = pathname.to_owned();
        let op = Op::statx(dirfd, &path, flags, mask, statxbuf);
        let keeping_path = move |result| {
            drop(path);
            callback(result);
        };
        // SAFETY: the callback owns the path; the caller keeps the buffer.
        unsafe { self.submit(op, keeping_path) }
    }

    /// Allocates (mode 0), punches, zeroes or shifts `len` bytes at `offset`; modes are
    /// `libc::FALLOC_FL_*`.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn fallocate<F>(
        &self,
        fd: RawFd,
        mode: i32,
        offset: i64,
        len: i64,
        callback: F,
    ) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        // SAFETY: no memory is named.
        unsafe { self.submit(Op::fallocate(Target::Fd(fd), mode, offset, len), callback) }
    }

    /// Sets the file's length. Linux 6.9 or later; before, [`Error::Submission`] holds `ENOSYS`.
    ///
    /// # Errors
    ///
    /// See above.
    pub fn ftruncate<F>(&self, fd: RawFd, length: i64, callback: F) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        // SAFETY: no memory is named.
        unsafe { self.submit(Op::ftruncate(Target::Fd(fd), length), callback) }
    }

    /// Starts or awaits write-out of `nbytes` at `offset` (0: to the end of the file), by
    /// `libc::SYNC_FILE_RANGE_*`. Makes nothing durable: that is for [`fsync`](Self::fsync).
    ///
    /// # Errors
    ///
    /// See above.
    pub fn sync_file_range<F>(
        &self,
        fd: RawFd,
        offset: i64,
        nbytes: i64,
        flags: u32,
        callback: F,
    ) -> Result<RequestHandle>
    where
        F: FnOnce(Result<usize>) + Send + 'static,
    {
        let op = Op::sync_file_range(Target::Fd(fd), offset, nbytes, flags);
        // SAFETY: no memory is named.
        unsafe { self.submit(op, callback) }
    }
}

/// # Cancelling
impl Engine {
    /// Asks the kernel to cancel an operation. Its callback runs in any case, with
    /// [`Error::Cancelled`] if the kernel could stop it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] with `EALREADY` when its callback has begun, with `EBUSY` when the queue has
    /// no room; [`Error::InvalidArgument`] for a request of another engine; [`Error::Submission`]
    /// with `ESHUTDOWN`.
    pub fn cancel_request(&self, request: &RequestHandle) -> Result<()> {
        self.inner.cancel(request.handle).map_err(Error::of_call)
    }

    /// As [`cancel_request`](Self::cancel_request).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// None is needed any more: a request that is over is recognised.
    pub unsafe fn cancel(&self, request: &RequestHandle) -> Result<()> {
        self.cancel_request(request)
    }
}

/// # Processing completions
///
/// One thread at a time; the others wait their turn. Not in callbacks of the same engine: there
/// these fail with [`Error::Io`] holding `EDEADLK`.
impl Engine {
    /// A descriptor that is readable as long as there is something for [`poll`](Self::poll) to do,
    /// for `epoll`, `poll` or `select`; level-triggered. It belongs to the engine.
    ///
    /// Once it has been asked for, operations submitted outside callbacks reach the kernel at
    /// once.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when it cannot be created (`EMFILE`).
    pub fn poll_fd(&self) -> Result<RawFd> {
        self.inner.poll_fd().map_err(Error::of_call)
    }

    /// Processes what has completed, without waiting; returns how many operations. 0 also when
    /// another thread is at it.
    ///
    /// # Errors
    ///
    /// The engine's fatal error, once everything that completed before it was delivered.
    pub fn poll(&self) -> Result<usize> {
        self.inner.poll().map_err(Error::of_call)
    }

    /// Waits until at least one operation has completed, or for `timeout_ms` (-1: no limit, 0: as
    /// [`poll`](Self::poll)), and returns how many were processed. Operations that other threads
    /// submit meanwhile are seen.
    ///
    /// With -1 and nothing in flight there is nothing to wait for, and it returns 0. It also
    /// returns 0 when [`stop`](Self::stop) is called. Signals do not end it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] with `ETIMEDOUT` when time runs out with operations in flight;
    /// [`Error::InvalidArgument`] for a timeout below -1; the engine's fatal error.
    pub fn wait(&self, timeout_ms: i32) -> Result<usize> {
        self.inner.wait(timeout(timeout_ms)?).map_err(Error::of_call)
    }

    /// Runs the event loop on this thread until [`stop`](Self::stop) is called, then delivers what
    /// is in flight, for ten seconds at most.
    pub fn run(&self) {
        self.inner.run();
    }

    /// Ends [`run`](Self::run), and a [`wait`](Self::wait) that sleeps. From any thread, also from
    /// callbacks and signal handlers.
    pub fn stop(&self) {
        self.inner.stop();
    }

    /// Processes completions until nothing is in flight, or for `timeout_ms` (-1: no limit, 0:
    /// once, without waiting); returns how many were processed. What is submitted meanwhile is
    /// waited for too.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn drain(&self, timeout_ms: i32) -> Result<usize> {
        self.inner.drain(timeout(timeout_ms)?).map_err(Error::of_call)
    }

    /// Hands over what is queued without waiting for a batch to fill.
    ///
    /// Seldom needed: `poll`, `wait` and a full batch do it. It is for a thread that submits and
    /// then does something else, while no other thread processes completions.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] from a thread that does not own a single-threaded engine.
    pub fn flush(&self) -> Result<()> {
        self.inner.flush().map_err(Error::of_call)
    }
}

/// # Registered buffers and files
///
/// These calls must not be made at the same time; submitting goes on meanwhile.
impl Engine {
    /// Registers buffers: the kernel pins them once instead of at every operation. Name them with
    /// [`BufferRef::fixed`]. At most 12 288.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for none, too many, an empty one, or two that overlap;
    /// [`Error::Io`] with `EBUSY` while others are registered or being unregistered, `ENOMEM`
    /// above `RLIMIT_MEMLOCK`.
    ///
    /// # Safety
    ///
    /// The memory stays valid, at the same address, until
    /// [`unregister_buffers`](Self::unregister_buffers) has returned outside a callback, or
    /// registering again works, or the engine is dropped.
    pub unsafe fn register_buffers(&self, buffers: &[&mut [u8]]) -> Result<()> {
        let iovs: Vec<libc::iovec> = buffers
            .iter()
            .map(|buffer| libc::iovec {
                iov_base: buffer.as_ptr().cast_mut().cast(),
                iov_len: buffer.len(),
            })
            .collect();
        // SAFETY: the caller's promise.
        unsafe { self.inner.register_buffers(&iovs) }.map_err(Error::of_call)
    }

    /// Unregisters the buffers, and waits until no operation uses them; callbacks may run
    /// meanwhile. In a callback it does not wait, as
    /// [`request_unregister_buffers`](Self::request_unregister_buffers).
    ///
    /// # Errors
    ///
    /// [`Error::Submission`] with `ENOENT` when none are registered.
    pub fn unregister_buffers(&self) -> Result<()> {
        self.inner.unregister_buffers().map_err(Error::of_call)
    }

    /// Refuses new operations on the registered buffers (`EBUSY`) and unregisters them when the
    /// last one in flight is done, some time later inside a call that processes completions. For
    /// callbacks.
    ///
    /// # Errors
    ///
    /// [`Error::Submission`] with `ENOENT` when none are registered.
    pub fn request_unregister_buffers(&self) -> Result<()> {
        self.inner.request_unregister_buffers().map_err(Error::of_call)
    }

    /// Registers files with the kernel; -1 is an empty place. At most 32 768.
    ///
    /// Operations on a descriptor keep using the descriptor: a registered file lives on when its
    /// descriptor is closed, and the number may by then be another file's.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for none, too many or a number below -1; [`Error::Io`] with
    /// `EBUSY` while others are registered, `EBADF` for one that is not open.
    pub fn register_files(&self, fds: &[RawFd]) -> Result<()> {
        self.inner.register_files(fds).map_err(Error::of_call)
    }

    /// Replaces the registered file at `index`; -1 empties the place. Operations submitted before
    /// use the file that was there.
    ///
    /// # Errors
    ///
    /// [`Error::Submission`] with `ENOENT` when none are registered, [`Error::InvalidArgument`]
    /// for an index outside the table, [`Error::Io`] with `EBADF`. After an error of the kernel
    /// rings may differ: unregister and register again.
    pub fn update_file(&self, index: i32, fd: RawFd) -> Result<()> {
        self.inner.update_file(index, fd).map_err(Error::of_call)
    }

    /// Unregisters the files. Operations in flight keep theirs, so nothing is waited for.
    ///
    /// # Errors
    ///
    /// [`Error::Submission`] with `ENOENT` when none are registered.
    pub fn unregister_files(&self) -> Result<()> {
        self.inner.unregister_files().map_err(Error::of_call)
    }

    /// As [`unregister_files`](Self::unregister_files), which never waits; safe in callbacks.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn request_unregister_files(&self) -> Result<()> {
        self.unregister_files()
    }
}

/// # Statistics and state
///
/// From any thread at any time.
impl Engine {
    /// Totals over all rings.
    ///
    /// # Errors
    ///
    /// None at present.
    pub fn stats(&self) -> Result<Stats> {
        Ok(Stats::new(self.inner.stats()))
    }

    /// Number of rings.
    #[must_use]
    pub fn ring_count(&self) -> i32 {
        self.inner.ring_count() as i32
    }

    /// One ring, from 0 to [`ring_count`](Self::ring_count)` - 1`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] when there is no such ring.
    pub fn ring_stats(&self, ring: i32) -> Result<RingStats> {
        let stats = ring_index(ring).and_then(|ring| self.inner.ring_stats(ring));
        stats.map(RingStats::new).ok_or(NO_SUCH_RING)
    }

    /// Recent latencies of one ring.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] when there is no such ring.
    pub fn histogram(&self, ring: i32) -> Result<Histogram> {
        let histogram = ring_index(ring).and_then(|ring| self.inner.histogram(ring));
        histogram.map(Histogram::new).ok_or(NO_SUCH_RING)
    }

    /// The buffer pool.
    ///
    /// # Errors
    ///
    /// None at present.
    pub fn buffer_stats(&self) -> Result<BufferStats> {
        Ok(BufferStats::new(self.inner.pool_stats()))
    }

    /// 0 while all is well, otherwise the `errno` that made the engine unusable. All submissions
    /// then fail with `ESHUTDOWN`.
    ///
    /// # Errors
    ///
    /// None at present.
    pub fn get_fatal_error(&self) -> Result<i32> {
        Ok(self.inner.fatal_error().unwrap_or(0))
    }

    /// Operations in flight.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        self.inner.in_flight() as usize
    }

    /// Changes the latency target while the engine runs; 0 is "automatic". It takes effect at the
    /// end of the controller's present window, within a second of activity.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for a negative, infinite or absurd latency.
    pub fn set_max_p99_latency_ms(&self, latency: f64) -> Result<()> {
        self.inner.set_target_p99(options::target(latency)?);
        Ok(())
    }
}

const NO_SUCH_RING: Error = Error::InvalidArgument("there is no ring with this index");

fn ring_index(ring: i32) -> Option<usize> {
    usize::try_from(ring).ok()
}

fn timeout(timeout_ms: i32) -> Result<Option<Duration>> {
    match timeout_ms {
        -1 => Ok(None),
        ms => match u64::try_from(ms) {
            Ok(ms) => Ok(Some(Duration::from_millis(ms))),
            Err(_) => Err(Error::InvalidArgument("a timeout below -1 ms")),
        },
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.inner.shutdown();
    }
}
