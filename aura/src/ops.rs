//! The kinds of [`Operation`]s: what each owns while it is in flight, and what
//! comes out.
//!
//! These types have no use by themselves; they are here because the methods of
//! [`File`] name them: a `read_at` returns an `Operation<'_, ops::Read<B>>`.

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::Arc;

use aura_engine::{MAX_IOVECS, MAX_TRANSFER_BYTES, Memory, Op, Target};
use libc::iovec;

use crate::buf::{IoBuf, IoBufMut, IoBufs, IoBufsMut};
use crate::error::{Error, Result};
use crate::file::{File, Metadata};
use crate::op_error::OpError;
#[cfg(doc)]
use crate::operation::Operation;
use crate::operation::sealed::Kind;

/// Bytes moved and the buffer, or the error and the buffer.
pub type Moved<B> = Result<(usize, B), OpError<B>>;

fn moved<K, B>(result: Result<usize>, kind: Option<K>, open: impl FnOnce(K) -> B) -> Moved<B> {
    match (result, kind.map(open)) {
        (Ok(bytes), Some(buffer)) => Ok((bytes, buffer)),
        (Err(error), buffer) => Err(OpError::new(error, buffer)),
        (Ok(_), None) => Err(OpError::new(Error::from_raw_os_error(libc::ESHUTDOWN), None)),
    }
}

/// A read into a buffer. Its output is the number of bytes and the buffer.
#[derive(Debug)]
pub struct Read<B>(B);

impl<B: IoBufMut> Read<B> {
    #[inline]
    pub(crate) fn new(
        target: Target,
        mut buffer: B,
        offset: u64,
    ) -> (aura_engine::Result<Op>, Self) {
        let len = buffer.bytes_total().min(MAX_TRANSFER_BYTES);
        let memory = Memory::Address(buffer.stable_mut_ptr());
        (Op::read(target, memory, len, file_offset(offset)), Self(buffer))
    }
}

impl<B: IoBufMut> Kind for Read<B> {
    type Output = Moved<B>;

    #[inline]
    fn finish(result: Result<usize>, kind: Option<Self>) -> Moved<B> {
        let mut done = moved(result, kind, |kind| kind.0)?;
        // SAFETY: the kernel has written so many bytes, and was told how much room there is.
        unsafe { done.1.set_init(done.0) };
        Ok(done)
    }
}

/// A write from a buffer. Its output is the number of bytes and the buffer.
#[derive(Debug)]
pub struct Write<B>(B);

impl<B: IoBuf> Write<B> {
    #[inline]
    pub(crate) fn new(target: Target, buffer: B, offset: u64) -> (aura_engine::Result<Op>, Self) {
        let len = buffer.bytes_init().min(MAX_TRANSFER_BYTES);
        let memory = Memory::Address(buffer.stable_ptr().cast_mut());
        (Op::write(target, memory, len, file_offset(offset)), Self(buffer))
    }
}

impl<B: IoBuf> Kind for Write<B> {
    type Output = Moved<B>;

    #[inline]
    fn finish(result: Result<usize>, kind: Option<Self>) -> Moved<B> {
        moved(result, kind, |kind| kind.0)
    }
}

/// An offset as the kernel wants it; one that no file has becomes one that is refused.
fn file_offset(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(-1)
}

/// The buffers of a vectored operation and the array that leads the kernel to them.
#[derive(Debug)]
struct Vectored<V> {
    /// Read by the kernel.
    _array: Box<[iovec]>,
    buffers: V,
}

// SAFETY: the array leads to the buffers, which are `Send`.
unsafe impl<V: Send> Send for Vectored<V> {}

/// A read into several buffers. Its output is the number of bytes and the buffers.
#[derive(Debug)]
pub struct Readv<V>(Vectored<V>);

impl<V: IoBufsMut> Readv<V> {
    pub(crate) fn new(
        target: Target,
        mut buffers: V,
        offset: u64,
    ) -> (aura_engine::Result<Op>, Self) {
        let mut array = Vec::with_capacity(buffers.count());
        buffers.each_mut(|base, len| array.push(iovec { iov_base: base.cast(), iov_len: len }));
        let array = array.into_boxed_slice();
        let op = Op::readv(target, array.as_ptr(), array.len(), file_offset(offset));
        (op, Self(Vectored { _array: array, buffers }))
    }
}

impl<V: IoBufsMut> Kind for Readv<V> {
    type Output = Moved<V>;

    fn finish(result: Result<usize>, kind: Option<Self>) -> Moved<V> {
        let mut done = moved(result, kind, |kind| kind.0.buffers)?;
        // SAFETY: the kernel has written so many bytes, into one buffer after the other.
        unsafe { done.1.set_init(done.0) };
        Ok(done)
    }
}

/// A write from several buffers. Its output is the number of bytes and the buffers.
#[derive(Debug)]
pub struct Writev<V>(Vectored<V>);

impl<V: IoBufs> Writev<V> {
    pub(crate) fn new(target: Target, buffers: V, offset: u64) -> (aura_engine::Result<Op>, Self) {
        let mut array = Vec::with_capacity(buffers.count());
        buffers.each(|base, len| {
            array.push(iovec { iov_base: base.cast_mut().cast(), iov_len: len });
        });
        let array = array.into_boxed_slice();
        let op = Op::writev(target, array.as_ptr(), array.len(), file_offset(offset));
        (op, Self(Vectored { _array: array, buffers }))
    }
}

impl<V: IoBufs> Kind for Writev<V> {
    type Output = Moved<V>;

    fn finish(result: Result<usize>, kind: Option<Self>) -> Moved<V> {
        moved(result, kind, |kind| kind.0.buffers)
    }
}

/// How many buffers one vectored operation takes.
pub const MAX_BUFFERS: usize = MAX_IOVECS;

/// An operation that owns nothing, and says only whether it worked.
#[derive(Debug)]
pub struct Plain;

impl Kind for Plain {
    type Output = Result<()>;

    fn finish(result: Result<usize>, _kind: Option<Self>) -> Result<()> {
        result.map(drop)
    }
}

/// Asks for metadata.
#[derive(Debug)]
pub struct Statx {
    answer: Box<libc::statx>,
    path: Option<CString>,
}

impl Statx {
    /// Of the open file itself, or of what the path leads to.
    pub(crate) fn new(
        dirfd: i32,
        path: Option<CString>,
        flags: i32,
        mask: u32,
    ) -> (aura_engine::Result<Op>, Self) {
        // SAFETY: the structure is made of integers.
        let mut answer = Box::new(unsafe { std::mem::zeroed::<libc::statx>() });
        let (name, flags) = match &path {
            Some(path) => (path.as_c_str(), flags),
            None => (c"", flags | libc::AT_EMPTY_PATH),
        };
        let op = Op::statx(dirfd, name, flags, mask, &raw mut *answer);
        (op, Self { answer, path })
    }
}

impl Kind for Statx {
    type Output = Result<Metadata>;

    fn finish(result: Result<usize>, kind: Option<Self>) -> Result<Metadata> {
        result?;
        let kind = kind.ok_or_else(|| Error::from_raw_os_error(libc::ESHUTDOWN))?;
        drop(kind.path);
        Ok(Metadata::new(*kind.answer))
    }
}

/// Opens a file. Its output is the [`File`].
#[derive(Debug)]
pub struct Open {
    pub(crate) path: CString,
    pub(crate) engine: Arc<aura_engine::Engine>,
    pub(crate) register: bool,
}

impl Kind for Open {
    type Output = Result<File>;

    fn finish(result: Result<usize>, kind: Option<Self>) -> Result<File> {
        let fd = result?;
        // SAFETY: the kernel has just opened it for us.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        let kind = kind.ok_or_else(|| Error::from_raw_os_error(libc::ESHUTDOWN))?;
        drop(kind.path);
        let file = File::new(kind.engine, fd);
        if kind.register { file.registered() } else { Ok(file) }
    }

    fn abandoned(self, result: i32) {
        if result >= 0 {
            // SAFETY: the kernel has just opened it, and nobody else knows of it.
            drop(unsafe { OwnedFd::from_raw_fd(result) });
        }
    }
}

/// Closes a file.
#[derive(Debug)]
pub struct Close(OwnedFd);

impl Close {
    pub(crate) fn new(fd: OwnedFd) -> (aura_engine::Result<Op>, Self) {
        (Op::close(fd.as_raw_fd()), Self(fd))
    }

    /// The kernel has closed the descriptor, whatever else it says; unless it never got that far.
    fn forget_closed(self, not_tried: bool) {
        if !not_tried {
            let _ = self.0.into_raw_fd();
        }
    }
}

impl Kind for Close {
    type Output = Result<()>;

    fn finish(result: Result<usize>, kind: Option<Self>) -> Result<()> {
        let not_tried = matches!(
            result,
            Err(Error::Cancelled | Error::Submission(_) | Error::InvalidArgument(_))
        );
        if let Some(kind) = kind {
            kind.forget_closed(not_tried);
        }
        result.map(drop)
    }

    fn abandoned(self, result: i32) {
        // What was dismissed or cancelled never got to the kernel.
        self.forget_closed(matches!(-result, libc::ECANCELED | libc::ESHUTDOWN));
    }
}
