//! A part of a buffer, which owns the whole of it.
//!
//! This file is `unsafe` because it implements the buffer traits.

use std::ops::{Deref, DerefMut};

use super::{IoBuf, IoBufMut};

/// A part of a buffer, made by [`IoBuf::slice`]. It owns the buffer and dereferences to the bytes
/// of the part that are initialised.
///
/// ```
/// use aura::IoBuf;
/// let room = Vec::<u8>::with_capacity(8192).slice(..4096);
/// assert_eq!((room.bytes_init(), room.bytes_total()), (0, 4096));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice<B> {
    buffer: B,
    begin: usize,
    end: usize,
}

impl<B: IoBuf> Slice<B> {
    pub(crate) fn new(buffer: B, begin: usize, end: usize) -> Self {
        let (init, total) = (buffer.bytes_init(), buffer.bytes_total());
        assert!(begin <= end, "a slice cannot begin at {begin} and end at {end}");
        assert!(end <= total, "a slice to {end} of a buffer with room for {total} bytes");
        assert!(begin <= init, "a slice from {begin} of a buffer with {init} initialised bytes");
        Self { buffer, begin, end }
    }

    /// The whole buffer.
    #[must_use]
    pub fn into_inner(self) -> B {
        self.buffer
    }

    /// The whole buffer, to look at.
    #[must_use]
    pub fn get_ref(&self) -> &B {
        &self.buffer
    }

    /// Where the part begins in the buffer.
    #[must_use]
    pub fn begin(&self) -> usize {
        self.begin
    }

    /// Where the part ends in the buffer.
    #[must_use]
    pub fn end(&self) -> usize {
        self.end
    }
}

// SAFETY: it owns the buffer, whose promise covers the part: `begin` and `end` are inside it.
unsafe impl<B: IoBuf> IoBuf for Slice<B> {
    fn stable_ptr(&self) -> *const u8 {
        // SAFETY: inside the buffer.
        unsafe { self.buffer.stable_ptr().add(self.begin) }
    }

    fn bytes_init(&self) -> usize {
        self.buffer.bytes_init().clamp(self.begin, self.end) - self.begin
    }

    fn bytes_total(&self) -> usize {
        self.end - self.begin
    }
}

// SAFETY: as above.
unsafe impl<B: IoBufMut> IoBufMut for Slice<B> {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        // SAFETY: inside the buffer.
        unsafe { self.buffer.stable_mut_ptr().add(self.begin) }
    }

    unsafe fn set_init(&mut self, bytes: usize) {
        // SAFETY: what is before the part is initialised, as `new` made sure; the rest the caller
        // promises.
        unsafe { self.buffer.set_init(self.begin + bytes) };
    }
}

impl<B: IoBuf> Deref for Slice<B> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: that many bytes are initialised, and nobody changes them: the buffer is ours.
        unsafe { std::slice::from_raw_parts(self.stable_ptr(), self.bytes_init()) }
    }
}

impl<B: IoBufMut> DerefMut for Slice<B> {
    fn deref_mut(&mut self) -> &mut [u8] {
        let len = self.bytes_init();
        // SAFETY: that many bytes are initialised, and they are ours alone.
        unsafe { std::slice::from_raw_parts_mut(self.stable_mut_ptr(), len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_of_a_slice_is_counted_from_its_start() {
        let outer = vec![0u8, 1, 2, 3, 4, 5].slice(1..5);
        let inner = outer.slice(1..=2);
        assert_eq!(inner[..], [2, 3]);
        assert_eq!(inner.into_inner().into_inner(), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn what_is_read_into_a_slice_grows_the_vector_behind_it() {
        let mut vector = Vec::with_capacity(16);
        vector.extend_from_slice(&[1, 2]);
        let mut part = vector.slice(2..10);
        assert_eq!((part.bytes_init(), part.bytes_total()), (0, 8));
        // SAFETY: inside the part.
        unsafe {
            part.stable_mut_ptr().write_bytes(7, 3);
            part.set_init(3);
        }
        part[0] = 9;
        assert_eq!(part.into_inner(), [1, 2, 9, 7, 7]);
    }

    #[test]
    #[should_panic(expected = "initialised bytes")]
    fn a_slice_cannot_skip_what_is_not_initialised() {
        let _ = Vec::<u8>::with_capacity(16).slice(1..);
    }

    #[test]
    #[should_panic(expected = "room for 4 bytes")]
    fn a_slice_cannot_end_outside() {
        let _ = Box::<[u8]>::from([0; 4]).slice(..5);
    }
}
