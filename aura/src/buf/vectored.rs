//! Several buffers for one operation.
//!
//! This file is `unsafe` because it makes the traits' promises.

use super::{IoBuf, IoBufMut};

/// Buffers for one vectored write: an array or a vector of them.
///
/// # Safety
///
/// `each` gives the memory of every buffer, as [`IoBuf`] promises it: address, initialised bytes.
pub unsafe trait IoBufs: Send + 'static {
    /// How many buffers there are.
    fn count(&self) -> usize;

    /// Calls `with` with address and length of the data of each buffer, in order.
    fn each(&self, with: impl FnMut(*const u8, usize));
}

/// Buffers for one vectored read.
///
/// # Safety
///
/// `each_mut` gives the memory of every buffer, as [`IoBufMut`] promises it: address, room.
pub unsafe trait IoBufsMut: IoBufs {
    /// Calls `with` with address and room of each buffer, in order.
    fn each_mut(&mut self, with: impl FnMut(*mut u8, usize));

    /// Says how many bytes were read: they fill the buffers in order.
    ///
    /// # Safety
    ///
    /// So many were, and they fit.
    unsafe fn set_init(&mut self, bytes: usize);
}

/// Both traits for what is a slice of buffers, behind which the bytes stay where they are.
macro_rules! slice_of_buffers {
    ($([$($generic:tt)*] $type:ty),*) => {$(
        // SAFETY: each buffer makes the promise for itself.
        unsafe impl<B: IoBuf, $($generic)*> IoBufs for $type {
            fn count(&self) -> usize {
                self.len()
            }

            fn each(&self, mut with: impl FnMut(*const u8, usize)) {
                self.iter().for_each(|buffer| with(buffer.stable_ptr(), buffer.bytes_init()));
            }
        }

        // SAFETY: each buffer makes the promise for itself.
        unsafe impl<B: IoBufMut, $($generic)*> IoBufsMut for $type {
            fn each_mut(&mut self, mut with: impl FnMut(*mut u8, usize)) {
                for buffer in self.iter_mut() {
                    let room = buffer.bytes_total();
                    with(buffer.stable_mut_ptr(), room);
                }
            }

            unsafe fn set_init(&mut self, bytes: usize) {
                let mut left = bytes;
                for buffer in self.iter_mut() {
                    let here = left.min(buffer.bytes_total());
                    // SAFETY: the kernel fills one buffer after the other.
                    unsafe { buffer.set_init(here) };
                    left -= here;
                }
            }
        }
    )*};
}

slice_of_buffers!([const N: usize] [B; N], [] Vec<B>, [] Box<[B]>);
