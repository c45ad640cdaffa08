//! The buffer traits for the types that people have.
//!
//! This file is `unsafe` because it makes the traits' promises for them.

use std::sync::Arc;

use super::{IoBuf, IoBufMut};
use crate::Buffer;

/// For types that are a slice of bytes on the heap (or static): the slice says everything.
macro_rules! whole_slice {
    ($($type:ty),*) => {$(
        // SAFETY: the bytes are not in the value but behind it, and stay there when it moves.
        unsafe impl IoBuf for $type {
            #[inline]
            fn stable_ptr(&self) -> *const u8 {
                self.as_ptr()
            }

            #[inline]
            fn bytes_init(&self) -> usize {
                self.len()
            }

            #[inline]
            fn bytes_total(&self) -> usize {
                self.len()
            }
        }
    )*};
}

whole_slice!(Box<[u8]>, Arc<[u8]>, &'static [u8], &'static str, Buffer);

// SAFETY: the box has its bytes alone; all of them are initialised.
unsafe impl IoBufMut for Box<[u8]> {
    #[inline]
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    #[inline]
    unsafe fn set_init(&mut self, _bytes: usize) {}
}

// SAFETY: as above.
unsafe impl IoBufMut for Buffer {
    #[inline]
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    #[inline]
    unsafe fn set_init(&mut self, _bytes: usize) {}
}

/// For types that keep bytes on the heap and grow: all of the capacity is room.
macro_rules! growing {
    ($type:ty) => {
        // SAFETY: the bytes are on the heap and move only when it grows, which it does not while
        // nobody changes it.
        unsafe impl IoBuf for $type {
            #[inline]
            fn stable_ptr(&self) -> *const u8 {
                self.as_ptr()
            }

            #[inline]
            fn bytes_init(&self) -> usize {
                self.len()
            }

            #[inline]
            fn bytes_total(&self) -> usize {
                self.capacity()
            }
        }

        // SAFETY: as above; up to its capacity it has the bytes alone.
        unsafe impl IoBufMut for $type {
            #[inline]
            fn stable_mut_ptr(&mut self) -> *mut u8 {
                self.as_mut_ptr()
            }

            #[inline]
            unsafe fn set_init(&mut self, bytes: usize) {
                if bytes > self.len() {
                    // SAFETY: the caller's promise.
                    unsafe { self.set_len(bytes) };
                }
            }
        }
    };
}

growing!(Vec<u8>);

// SAFETY: as for the vector that it is. Text is only read from: what a file holds may be none.
unsafe impl IoBuf for String {
    #[inline]
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    #[inline]
    fn bytes_init(&self) -> usize {
        self.len()
    }

    #[inline]
    fn bytes_total(&self) -> usize {
        self.len()
    }
}

#[cfg(feature = "bytes")]
whole_slice!(bytes::Bytes);

#[cfg(feature = "bytes")]
growing!(bytes::BytesMut);
