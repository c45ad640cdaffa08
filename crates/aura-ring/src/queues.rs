//! The two queues that are shared with the kernel, in mappings of our own.
//!
//! The `io-uring` crate sets the ring up and has its own views of the queues. Those belong to one
//! thread each and copy an entry as a whole; here every word is an atomic that any thread may
//! read, and an entry is written field by field straight into the queue. On small operations that
//! is worth a dozen nanoseconds: a copy of 64 bytes that were just written in smaller pieces waits
//! for all of them to leave the store buffer.
//!
//! This file is `unsafe` because the queues are memory shared with the kernel.
//!
//! # Synchronization
//!
//! | word | written by | paired with |
//! | --- | --- | --- |
//! | submission tail | the pushing end, release | the kernel's acquire before it reads entries |
//! | submission head | the kernel, release (entries are copied) | acquire in `push` |
//! | completion tail | the kernel, release (`smp_store_release`) | acquire in `reap` |
//! | completion head | the reaping end, release | the kernel's acquire before it reuses entries |
//!
//! An entry between head and tail belongs to the reader of its queue, any other to the writer.

use std::io;
use std::mem::offset_of;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use io_uring::{IoUring, Parameters};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::cqe::Cqe;
use crate::sqe::Sqe;

/// `IORING_SQ_CQ_OVERFLOW`: completions wait in the kernel for room in the queue.
pub(crate) const SQ_CQ_OVERFLOW: u32 = 1 << 1;
/// `IORING_SQ_TASKRUN`: work waits for its thread to enter the kernel.
pub(crate) const SQ_TASKRUN: u32 = 1 << 2;

/// Offset of the mapping that holds the words of both queues and the completions.
const IORING_OFF_SQ_RING: u64 = 0;
/// Offset of the mapping that holds the submission queue's entries.
const IORING_OFF_SQES: u64 = 0x1000_0000;

/// `struct io_uring_params`, as far as it is needed.
#[repr(C)]
struct Params {
    sq_entries: u32,
    cq_entries: u32,
    other: [u32; 8],
    sq: QueueOffsets,
    cq: QueueOffsets,
}

/// `struct io_sqring_offsets` and `struct io_cqring_offsets`, which begin alike.
#[repr(C)]
struct QueueOffsets {
    head: u32,
    tail: u32,
    ring_mask: u32,
    ring_entries: u32,
    /// Submission: flags. Completion: overflow counter.
    flags: u32,
    /// Submission: dropped counter. Completion: the entries.
    entries: u32,
    other: [u32; 4],
}

const _: () = assert!(size_of::<Parameters>() == size_of::<Params>());
const _: () = assert!(align_of::<Parameters>() >= align_of::<Params>());
const _: () = assert!(offset_of!(Params, sq) == 40 && offset_of!(Params, cq) == 80);

/// Both queues of one ring.
#[derive(Debug)]
pub(crate) struct Queues {
    /// Only held: the pointers below lead into it.
    _rings: Mapping,
    sqes: Mapping,
    sq_head: NonNull<AtomicU32>,
    sq_tail: NonNull<AtomicU32>,
    sq_flags: NonNull<AtomicU32>,
    sq_entries: u32,
    cq_head: NonNull<AtomicU32>,
    cq_tail: NonNull<AtomicU32>,
    cqes: NonNull<Cqe>,
    cq_mask: u32,
}

// SAFETY: the mappings belong to the process and not to a thread, and live as long as `Queues`.
unsafe impl Send for Queues {}
// SAFETY: through a shared reference words are reached as atomics; entries only by the `unsafe`
// functions, whose contract is that each end has one thread.
unsafe impl Sync for Queues {}

impl Queues {
    pub(crate) fn map(uring: &IoUring) -> io::Result<Self> {
        if !uring.params().is_feature_single_mmap() {
            // Before Linux 5.4 the queues have a mapping each. Such kernels are too old anyway.
            return Err(io::Error::from_raw_os_error(libc::ENOSYS));
        }
        // SAFETY: `Parameters` is a transparent wrapper of `struct io_uring_params`, integers
        // without padding, whose size, alignment and offsets are asserted above.
        let params = unsafe { &*std::ptr::from_ref(uring.params()).cast::<Params>() };
        let (sq, cq) = (&params.sq, &params.cq);
        // The words and the completions; the array of indices behind them is not needed here,
        // because the `io-uring` crate made it the identity.
        let rings_len = cq.entries as usize + params.cq_entries as usize * size_of::<Cqe>();
        let sqes_len = params.sq_entries as usize * size_of::<Sqe>();
        // SAFETY: `uring` has the descriptor open during this call.
        let fd = unsafe { BorrowedFd::borrow_raw(uring.as_raw_fd()) };
        let rings = Mapping::new(fd, IORING_OFF_SQ_RING, rings_len)?;
        let sqes = Mapping::new(fd, IORING_OFF_SQES, sqes_len)?;
        Ok(Self {
            sq_head: rings.at(sq.head),
            sq_tail: rings.at(sq.tail),
            sq_flags: rings.at(sq.flags),
            sq_entries: params.sq_entries,
            cq_head: rings.at(cq.head),
            cq_tail: rings.at(cq.tail),
            cqes: rings.at(cq.entries),
            cq_mask: params.cq_entries - 1,
            _rings: rings,
            sqes,
        })
    }

    /// How many entries were ever pushed, modulo 2³².
    #[inline]
    pub(crate) fn sq_tail(&self) -> u32 {
        word(&self.sq_tail).load(Ordering::Acquire)
    }

    /// How many entries the kernel has taken, modulo 2³².
    #[inline]
    pub(crate) fn sq_head(&self) -> u32 {
        word(&self.sq_head).load(Ordering::Acquire)
    }

    /// `IORING_SQ_*`, as the kernel has set them.
    #[inline]
    pub(crate) fn sq_flags(&self) -> u32 {
        word(&self.sq_flags).load(Ordering::Acquire)
    }

    /// How many completions were taken off the queue, modulo 2³².
    #[inline]
    pub(crate) fn cq_head(&self) -> u32 {
        word(&self.cq_head).load(Ordering::Acquire)
    }

    /// How many completions the kernel has put into the queue, modulo 2³².
    #[inline]
    pub(crate) fn cq_tail(&self) -> u32 {
        word(&self.cq_tail).load(Ordering::Acquire)
    }

    /// Writes an entry and publishes it; `false` when the queue is full.
    ///
    /// # Safety
    ///
    /// One thread pushes at a time.
    #[inline]
    pub(crate) unsafe fn push(&self, sqe: &Sqe, user_data: u64) -> bool {
        // SAFETY: by contract.
        unsafe { self.push_each(std::iter::once((sqe, user_data))) }
    }

    /// Writes entries and publishes them together; `false` when there is no room for all.
    ///
    /// # Safety
    ///
    /// One thread pushes at a time.
    #[inline]
    pub(crate) unsafe fn push_all(&self, sqes: &[Sqe]) -> bool {
        // SAFETY: by contract.
        unsafe { self.push_each(sqes.iter().map(|sqe| (sqe, sqe.label()))) }
    }

    #[inline]
    unsafe fn push_each<'a>(&self, sqes: impl ExactSizeIterator<Item = (&'a Sqe, u64)>) -> bool {
        // Nobody else writes the tail.
        let tail = word(&self.sq_tail).load(Ordering::Relaxed);
        let room = self.sq_entries - tail.wrapping_sub(self.sq_head());
        let count = sqes.len();
        if count > room as usize {
            return false;
        }
        for ((sqe, user_data), position) in sqes.zip(0u32..) {
            let index = (tail.wrapping_add(position) & (self.sq_entries - 1)) as usize;
            // SAFETY: the mapping has `sq_entries` entries, and those behind the tail are the
            // pushing end's until it is published.
            unsafe { sqe.write_to(self.sqes.start.cast::<Sqe>().add(index).as_ptr(), user_data) };
        }
        word(&self.sq_tail).store(tail.wrapping_add(count as u32), Ordering::Release);
        true
    }

    /// Takes completions, oldest first, and returns how many.
    ///
    /// # Safety
    ///
    /// One thread reaps at a time.
    #[inline]
    pub(crate) unsafe fn reap(&self, out: &mut [Cqe]) -> usize {
        // Nobody else writes the head.
        let head = word(&self.cq_head).load(Ordering::Relaxed);
        let ready = self.cq_tail().wrapping_sub(head);
        let taken = out.len().min(ready as usize);
        for (place, position) in out[..taken].iter_mut().zip(0u32..) {
            let index = (head.wrapping_add(position) & self.cq_mask) as usize;
            // SAFETY: the mapping has `cq_mask + 1` completions, and those between head and tail
            // are the reaping end's until the head is published.
            *place = unsafe { self.cqes.add(index).read() };
        }
        if taken > 0 {
            word(&self.cq_head).store(head.wrapping_add(taken as u32), Ordering::Release);
        }
        taken
    }
}

#[inline]
fn word(at: &NonNull<AtomicU32>) -> &AtomicU32 {
    // SAFETY: made by `Mapping::at`, and the mapping lives as long as the `Queues` that hold the
    // pointer.
    unsafe { at.as_ref() }
}

/// A part of the ring's memory, shared with the kernel.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

impl Mapping {
    fn new(fd: BorrowedFd<'_>, offset: u64, len: usize) -> io::Result<Self> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let shared = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice disturbs no other.
        let start = unsafe { mmap(std::ptr::null_mut(), len, access, shared, fd, offset)? };
        let start = NonNull::new(start.cast()).expect("a mapping is never at address zero");
        Ok(Self { start, len })
    }

    /// The place `offset` bytes into the mapping.
    fn at<T>(&self, offset: u32) -> NonNull<T> {
        let offset = offset as usize;
        assert!(offset + size_of::<T>() <= self.len && offset.is_multiple_of(align_of::<T>()));
        // SAFETY: inside the mapping, as just asserted.
        unsafe { self.start.add(offset).cast() }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: nothing refers to the mapping any more. Unmapping what was mapped cannot fail.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}
