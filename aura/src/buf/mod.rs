//! Memory that operations own: which types can be handed to one, and parts of them.
//!
//! This file is `unsafe` because the kernel uses the memory while nobody in this process looks: an
//! implementation promises where it is.

mod impls;
mod slice;
mod vectored;

use std::ops::{Bound, RangeBounds};

pub use slice::Slice;
pub use vectored::{IoBufs, IoBufsMut};

/// A buffer that an operation can own and read from: written to a file, say.
///
/// Implemented for `Vec<u8>`, `Box<[u8]>`, `Arc<[u8]>`, `&'static [u8]`, `&'static str`, `String`,
/// [`Buffer`](crate::Buffer), parts of all these ([`Slice`]), and with the feature `bytes` for
/// `Bytes` and `BytesMut`.
///
/// # Safety
///
/// As long as the value exists and is not changed, `stable_ptr` is the address of `bytes_total`
/// bytes of which the first `bytes_init` are initialised. Moving the value does not move the bytes.
pub unsafe trait IoBuf: Send + 'static {
    /// The address of the bytes.
    fn stable_ptr(&self) -> *const u8;

    /// How many bytes, from the start, hold data. So many are written.
    fn bytes_init(&self) -> usize;

    /// How many bytes there is room for. So many are read at most.
    fn bytes_total(&self) -> usize;

    /// A part of the buffer, to do an operation on that part alone. It owns the whole buffer, which
    /// [`Slice::into_inner`] gives back.
    ///
    /// ```
    /// use aura::IoBuf;
    /// let part = vec![1, 2, 3, 4].slice(1..3);
    /// assert_eq!(part[..], [2, 3]);
    /// assert_eq!(part.into_inner(), [1, 2, 3, 4]);
    /// ```
    ///
    /// # Panics
    ///
    /// If the range begins after the data, ends after the room, or ends before it begins.
    fn slice(self, range: impl RangeBounds<usize>) -> Slice<Self>
    where
        Self: Sized,
    {
        let begin = match range.start_bound() {
            Bound::Included(begin) => *begin,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last + 1,
            Bound::Excluded(end) => *end,
            Bound::Unbounded => self.bytes_total(),
        };
        Slice::new(self, begin, end)
    }
}

/// A buffer that an operation can own and write to: read from a file, say.
///
/// A read fills it from the start and uses all of [`bytes_total`](IoBuf::bytes_total): of a
/// `Vec<u8>` its *capacity*. To read less, read into a [`slice`](IoBuf::slice).
///
/// # Safety
///
/// As for [`IoBuf`]; `stable_mut_ptr` is the same address, and all `bytes_total` bytes may be
/// written to: nobody else has them.
pub unsafe trait IoBufMut: IoBuf {
    /// The address of the bytes, to write to.
    fn stable_mut_ptr(&mut self) -> *mut u8;

    /// Says that the first `bytes` are initialised now. Never makes it fewer than there were.
    ///
    /// # Safety
    ///
    /// They are, and they are no more than `bytes_total`.
    unsafe fn set_init(&mut self, bytes: usize);
}
