//! What an entry does not tell, but its layout, which is the kernel's, does.
//!
//! This file is `unsafe` because it reads an entry's bytes.

use aura_ring::Sqe;

const IO_LINK: u8 = 1 << 2;

/// `user_data`.
pub(crate) fn label_of(sqe: &Sqe) -> u64 {
    assert_eq!(size_of::<Sqe>(), 64);
    // SAFETY: `Sqe` is `struct io_uring_sqe`: 64 bytes, with `user_data` at offset 32.
    unsafe { std::ptr::from_ref(sqe).byte_add(32).cast::<u64>().read_unaligned() }
}

/// Whether the next operation waits for this one.
pub(crate) fn is_linked(sqe: &Sqe) -> bool {
    // SAFETY: as above, with `flags` at offset 1.
    let flags = unsafe { std::ptr::from_ref(sqe).cast::<u8>().add(1).read() };
    flags & IO_LINK != 0
}
