//! The words of the queues that any thread may read at any time.
//!
//! The `io-uring` crate reaches its queues through views that belong to one thread each: making one
//! reads the head or the tail without an atomic, which races with the thread that owns that end.
//! What is asked without owning an end is therefore read here, from a mapping of our own of the
//! page in which the kernel keeps these words.
//!
//! This file is `unsafe` because the page is memory shared with the kernel.
//!
//! # Synchronization
//!
//! All words are only read here. Acquire pairs with the kernel's release (`smp_store_release` of
//! the tail) or with that of the thread which reaps (the head).

use std::ffi::c_void;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use io_uring::{IoUring, Parameters};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// `IORING_SQ_CQ_OVERFLOW`: completions wait in the kernel for room in the queue.
pub(crate) const SQ_CQ_OVERFLOW: u32 = 1 << 1;
/// `IORING_SQ_TASKRUN`: work waits for its thread to enter the kernel.
pub(crate) const SQ_TASKRUN: u32 = 1 << 2;

/// Offset of the mapping that holds the words of both queues.
const IORING_OFF_SQ_RING: u64 = 0;

// Where `struct io_uring_params` has the offsets of the words, counted in words of 32 bits: ten
// of its own, then `struct io_sqring_offsets` (ten), then `struct io_cqring_offsets` (ten).
const SQ_OFF_FLAGS: usize = 10 + 4;
const CQ_OFF_HEAD: usize = 20;
const CQ_OFF_TAIL: usize = 20 + 1;
type ParamsWords = [u32; 30];
const _: () = assert!(size_of::<Parameters>() == size_of::<ParamsWords>());
const _: () = assert!(align_of::<Parameters>() >= align_of::<ParamsWords>());

/// A mapping of the page that holds the words.
#[derive(Debug)]
pub(crate) struct Words {
    page: NonNull<c_void>,
    len: usize,
    sq_flags: NonNull<AtomicU32>,
    cq_head: NonNull<AtomicU32>,
    cq_tail: NonNull<AtomicU32>,
}

// SAFETY: the mapping belongs to the process and not to a thread, and lives as long as `Words`.
unsafe impl Send for Words {}
// SAFETY: all that is done through a shared reference is atomic loads.
unsafe impl Sync for Words {}

impl Words {
    pub(crate) fn map(uring: &IoUring) -> io::Result<Self> {
        if !uring.params().is_feature_single_mmap() {
            // Before Linux 5.4 the queues have a mapping each. Such kernels are too old anyway.
            return Err(io::Error::from_raw_os_error(libc::ENOSYS));
        }
        // SAFETY: `Parameters` is a transparent wrapper of `struct io_uring_params`, which is made
        // of 30 words without padding (two pairs of them are a `u64`); size and alignment are
        // asserted above.
        let params = unsafe { &*std::ptr::from_ref(uring.params()).cast::<ParamsWords>() };
        let offsets = [SQ_OFF_FLAGS, CQ_OFF_HEAD, CQ_OFF_TAIL].map(|at| params[at] as usize);
        let len = rustix::param::page_size();
        // The kernel has them at the start of `struct io_rings`, in front of the entries.
        assert!(offsets.iter().all(|offset| offset + 4 <= len && offset % 4 == 0));

        // SAFETY: `uring` has the descriptor open during this call.
        let fd = unsafe { BorrowedFd::borrow_raw(uring.as_raw_fd()) };
        // SAFETY: a new mapping at an address of the kernel's choice disturbs no other.
        let page = unsafe {
            let (read, shared) = (ProtFlags::READ, MapFlags::SHARED | MapFlags::POPULATE);
            mmap(std::ptr::null_mut(), len, read, shared, fd, IORING_OFF_SQ_RING)?
        };
        let page = NonNull::new(page).expect("a mapping is never at address zero");
        // SAFETY: the offsets are inside the mapping, and aligned as the page is.
        let [sq_flags, cq_head, cq_tail] =
            offsets.map(|offset| unsafe { page.byte_add(offset).cast() });
        Ok(Self { page, len, sq_flags, cq_head, cq_tail })
    }

    /// `IORING_SQ_*`, as the kernel has set them.
    #[inline]
    pub(crate) fn sq_flags(&self) -> u32 {
        // SAFETY: the mapping lives as long as `self`.
        unsafe { self.sq_flags.as_ref() }.load(Ordering::Acquire)
    }

    /// How many completions were taken off the queue, modulo 2³².
    #[inline]
    pub(crate) fn cq_head(&self) -> u32 {
        // SAFETY: the mapping lives as long as `self`.
        unsafe { self.cq_head.as_ref() }.load(Ordering::Acquire)
    }

    /// How many completions the kernel has put into the queue, modulo 2³².
    #[inline]
    pub(crate) fn cq_tail(&self) -> u32 {
        // SAFETY: the mapping lives as long as `self`.
        unsafe { self.cq_tail.as_ref() }.load(Ordering::Acquire)
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: nothing refers to the mapping any more. Unmapping what was mapped cannot fail.
        let _ = unsafe { munmap(self.page.as_ptr(), self.len) };
    }
}
