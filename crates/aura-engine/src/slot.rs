//! Slots: where an operation lives from its submission until its callback has run.
//!
//! A slot is two cache lines: one of bookkeeping, one for the captures of the callback, so that an
//! operation of ordinary size allocates nothing. This file is `unsafe` because a [`Tenant`] of any
//! type is stored as plain bytes together with the function that knows the type.
//!
//! # Synchronization
//!
//! A slot belongs to one side at a time, and the tag says to which:
//!
//! | state | owner | leaves it by |
//! | --- | --- | --- |
//! | free | whoever holds the ring's submission lock | [`Slot::occupy`] |
//! | parked | whoever holds the lock: the operation waits for a permit | [`Slot::admit`] |
//! | in flight | nobody: the kernel has it | the completion, seen by the reaping thread |
//! | completing | the thread that runs the callback | [`Slot::retire`] |
//!
//! The hand-over from submitter to reaper goes through the kernel's queues (release of the
//! submission tail, acquire of the completion tail), back again through the submission lock. Any
//! thread may read the atomics of any slot at any time, to answer questions about a handle; it
//! checks the tag before and after, and takes the answer only if the tag named its operation.
//!
//! `word` has a protocol of its own where the tenant says so, see `awaited`.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU8, AtomicU32, Ordering};

use aura_ring::{Parts, Sqe};

use crate::handle::GENERATION_MASK;
use crate::op::OpKind;
use crate::poison;
use crate::tenant::Tenant;
use crate::{Completion, Handle};

/// Captures up to this size are stored in the slot, larger ones are boxed.
pub const INLINE_CAPTURE_BYTES: usize = 64;

const FREE: u32 = 0;
const IN_FLIGHT: u32 = 1;
const COMPLETING: u32 = 2;
const PARKED: u32 = 3;
const STATE_MASK: u32 = 3;
const STATE_BITS: u32 = 2;

/// The caller asked for the operation to be cancelled.
pub(crate) const CANCEL_ASKED: u16 = 1;
/// It uses one of the user's registered buffers.
pub(crate) const REGISTERED_BUFFER: u16 = 2;
/// The other six bits of the lower byte count how often it was handed to the kernel again.
const REPEAT_ONE: u8 = 4;
pub(crate) const REPEATS_MAX: u8 = u8::MAX / REPEAT_ONE;
/// A future waits for it, and `word` leads there.
pub(crate) const AWAITED: u16 = 0x100;
/// It is part of a chain: a cancellation may be the failure of the operation before it.
pub(crate) const CHAINED: u16 = 0x200;
/// Its memory is the pool's; noted where that is marked, see `poison`.
pub(crate) const POOLED: u16 = 0x400;
/// The kernel may look its file up late, and it is counted so.
pub(crate) const LATE: u16 = 0x800;
/// The upper byte is the upper half of `kind`, which never changes while the slot is in use.
const KIND_SHIFT: u32 = 4;

type Invoke = unsafe fn(&Slot, Option<Completion>);

#[repr(C, align(128))]
pub(crate) struct Slot {
    /// Generation and state. Written by the slot's owner only.
    tag: AtomicU32,
    /// [`OpKind`] in the lower half, `AWAITED`, `CHAINED`, `POOLED` and `LATE` in the upper.
    kind: AtomicU8,
    /// `CANCEL_ASKED` and the like, and the repeats. Written under the submission lock or by the owner.
    flags: AtomicU8,
    opcode: UnsafeCell<u8>,
    sqe_flags: UnsafeCell<u8>,
    fd: AtomicI32,
    /// In use: the index of the registered buffer. Free: the next free slot.
    buf_index_or_next: UnsafeCell<u32>,
    /// A word of the submitter's, for [`RequestInfo`]; or what the tenant makes of it.
    word: AtomicPtr<()>,
    /// Parked: the next parked slot.
    submitted_ns: UnsafeCell<u64>,
    /// Completes or drops the tenant stored in `captures`; `None` while free.
    invoke: UnsafeCell<Option<Invoke>>,
    off: UnsafeCell<u64>,
    addr: UnsafeCell<u64>,
    len: UnsafeCell<u32>,
    op_flags: UnsafeCell<u32>,
    captures: UnsafeCell<MaybeUninit<[u8; INLINE_CAPTURE_BYTES]>>,
}

const _: () = assert!(size_of::<Slot>() == 128);

// SAFETY: the fields that are not atomics are touched only by the slot's owner, see the table in
// the module's documentation; what `captures` holds is `Send` (`occupy` demands it).
unsafe impl Sync for Slot {}
// SAFETY: as above.
unsafe impl Send for Slot {}

impl Slot {
    /// Fills a free slot with an operation and its tenant.
    ///
    /// # Safety
    ///
    /// The caller holds the submission lock and the slot is free.
    #[inline]
    pub(crate) unsafe fn occupy<T: Tenant>(
        &self,
        kind: OpKind,
        sqe: &Sqe,
        flags: u16,
        now_ns: u64,
        word: *mut (),
        tenant: T,
    ) {
        let parts = sqe.parts();
        poison::lend(kind, flags, &parts);
        self.kind.store(kind as u8 | (flags >> KIND_SHIFT) as u8 & 0xf0, Ordering::Relaxed);
        self.flags.store(flags as u8, Ordering::Relaxed);
        self.fd.store(parts.fd, Ordering::Relaxed);
        self.word.store(word, Ordering::Relaxed);
        // SAFETY: a free slot belongs to the holder of the lock. The captures are written as the
        // type that `invoke` reads, at an address aligned to 64.
        unsafe {
            *self.opcode.get() = parts.opcode;
            *self.sqe_flags.get() = parts.flags;
            *self.buf_index_or_next.get() = parts.buf_index.into();
            *self.submitted_ns.get() = now_ns;
            *self.off.get() = parts.off;
            *self.addr.get() = parts.addr;
            *self.len.get() = parts.len;
            *self.op_flags.get() = parts.op_flags;
            let captures = self.captures.get();
            if const { fits_inline::<T>() } {
                captures.cast::<T>().write(tenant);
                *self.invoke.get() = Some(invoke_inline::<T>);
            } else {
                captures.cast::<Box<T>>().write(Box::new(tenant));
                *self.invoke.get() = Some(invoke_boxed::<T>);
            }
        }
        let tag = self.tag.load(Ordering::Relaxed);
        self.tag.store(tag | IN_FLIGHT, Ordering::Release);
    }

    /// Takes the tenant out of a slot again and frees the slot.
    ///
    /// # Safety
    ///
    /// The caller holds the submission lock, has just occupied the slot with a tenant of this
    /// very type, and the kernel has not been given the operation.
    pub(crate) unsafe fn vacate<T: Tenant>(&self) -> T {
        // SAFETY: the slot belongs to the caller.
        unsafe { self.give_back_memory() };
        self.tag.store(self.tag.load(Ordering::Relaxed) & !STATE_MASK, Ordering::Relaxed);
        // SAFETY: `occupy` wrote this type, in this form; it is read once, as `invoke` is cleared.
        unsafe {
            *self.invoke.get() = None;
            let captures = self.captures.get();
            if const { fits_inline::<T>() } {
                captures.cast::<T>().read()
            } else {
                *captures.cast::<Box<T>>().read()
            }
        }
    }

    /// Lets the operation wait for a permit, as the last of its queue.
    ///
    /// # Safety
    ///
    /// The caller holds the submission lock, has just occupied the slot or tried to admit it, and
    /// the kernel has not been given the operation.
    pub(crate) unsafe fn park(&self) {
        self.tag.store(self.tag.load(Ordering::Relaxed) | PARKED, Ordering::Relaxed);
    }

    /// Its turn has come: it is about to be handed to the kernel.
    ///
    /// # Safety
    ///
    /// The caller holds the submission lock, and the slot is parked.
    pub(crate) unsafe fn admit(&self, now_ns: u64) {
        // SAFETY: a parked slot belongs to the holder of the lock.
        unsafe { *self.submitted_ns.get() = now_ns };
        let tag = self.tag.load(Ordering::Relaxed);
        self.tag.store(tag ^ (PARKED ^ IN_FLIGHT), Ordering::Release);
    }

    /// The next in the queue of parked slots; for the last one whatever was there before.
    ///
    /// # Safety
    ///
    /// The caller holds the submission lock, and the slot is parked.
    pub(crate) unsafe fn next_parked(&self) -> u32 {
        // SAFETY: a parked slot belongs to the holder of the lock.
        unsafe { *self.submitted_ns.get() as u32 }
    }

    /// # Safety
    ///
    /// As [`next_parked`](Self::next_parked).
    pub(crate) unsafe fn set_next_parked(&self, next: u32) {
        // SAFETY: a parked slot belongs to the holder of the lock; it has no time yet.
        unsafe { *self.submitted_ns.get() = next.into() };
    }

    /// The kernel never gets a parked operation: from now on it counts as completed.
    ///
    /// # Safety
    ///
    /// The caller is the reaping thread, and has just taken the slot out of the queue of parked
    /// ones.
    pub(crate) unsafe fn give_up(&self) {
        let tag = self.tag.load(Ordering::Relaxed);
        self.tag.store(tag ^ (PARKED ^ COMPLETING), Ordering::Release);
    }

    /// The kernel is done with the operation; from now on it counts as completed.
    ///
    /// # Safety
    ///
    /// The caller is the reaping thread and holds the operation's completion.
    #[inline]
    pub(crate) unsafe fn complete(&self) -> Completed {
        let tag = self.tag.load(Ordering::Relaxed);
        self.tag.store(tag ^ (IN_FLIGHT | COMPLETING), Ordering::Release);
        Completed {
            kind: OpKind::from_u8(self.kind.load(Ordering::Relaxed)),
            flags: self.flags(),
            // SAFETY: the slot belongs to the caller.
            submitted_ns: unsafe { *self.submitted_ns.get() },
        }
    }

    /// Completes the tenant: runs the callback, say. A panic of the callback passes through.
    ///
    /// # Safety
    ///
    /// The caller is the reaping thread, has completed the slot, and calls this once.
    #[inline]
    pub(crate) unsafe fn run(&self, completion: Completion) {
        // SAFETY: the slot belongs to the caller; `invoke` is taken, so that the captures are
        // consumed once.
        unsafe {
            self.give_back_memory();
            if let Some(invoke) = (*self.invoke.get()).take() {
                invoke(self, Some(completion));
            }
        }
    }

    /// Frees the slot for its next use.
    ///
    /// # Safety
    ///
    /// The caller holds the submission lock, and the callback has run.
    #[inline]
    pub(crate) unsafe fn retire(&self, next: u32) {
        let generation = (self.generation() + 1) & GENERATION_MASK;
        self.tag.store(generation << STATE_BITS | FREE, Ordering::Release);
        // SAFETY: the slot passes from the reaping thread to the holder of the lock, who is the
        // same thread.
        unsafe { *self.buf_index_or_next.get() = next };
    }

    /// The next free slot, of a free one.
    ///
    /// # Safety
    ///
    /// The caller holds the submission lock, and the slot is free.
    #[inline]
    pub(crate) unsafe fn next_free(&self) -> u32 {
        // SAFETY: a free slot belongs to the holder of the lock.
        unsafe { *self.buf_index_or_next.get() }
    }

    /// # Safety
    ///
    /// As [`next_free`](Self::next_free).
    pub(crate) unsafe fn set_next_free(&self, next: u32) {
        // SAFETY: a free slot belongs to the holder of the lock.
        unsafe { *self.buf_index_or_next.get() = next };
    }

    /// Drops the tenant, if there is one, without completing it.
    ///
    /// # Safety
    ///
    /// Nobody else has the slot, for good.
    pub(crate) unsafe fn drop_tenant(&self) {
        // SAFETY: by contract; a slot that holds a tenant says so.
        unsafe {
            self.give_back_memory();
            if let Some(invoke) = (*self.invoke.get()).take() {
                invoke(self, None);
            }
        }
    }

    /// # Safety
    ///
    /// The slot belongs to the caller, and holds an operation.
    #[inline]
    unsafe fn give_back_memory(&self) {
        if cfg!(aura_poison) {
            // SAFETY: by contract.
            poison::give_back(self.kind(), self.flags(), &unsafe { self.sqe() }.parts());
        }
    }

    /// The operation again, as it was given to the kernel.
    ///
    /// # Safety
    ///
    /// The slot belongs to the caller.
    pub(crate) unsafe fn sqe(&self) -> Sqe {
        // SAFETY: the slot belongs to the caller.
        Sqe::from(unsafe {
            Parts {
                opcode: *self.opcode.get(),
                flags: *self.sqe_flags.get(),
                buf_index: *self.buf_index_or_next.get() as u16,
                fd: self.fd.load(Ordering::Relaxed),
                off: *self.off.get(),
                addr: *self.addr.get(),
                len: *self.len.get(),
                op_flags: *self.op_flags.get(),
            }
        })
    }

    /// When it was submitted.
    ///
    /// # Safety
    ///
    /// The slot belongs to the caller, or the operation is in flight and the caller holds the submission
    /// lock, under which this was written.
    pub(crate) unsafe fn submitted_ns(&self) -> u64 {
        // SAFETY: by contract.
        unsafe { *self.submitted_ns.get() }
    }

    /// How often it was handed to the kernel again.
    pub(crate) fn repeats(&self) -> u8 {
        self.flags.load(Ordering::Relaxed) / REPEAT_ONE
    }

    /// Counts one repetition more; there were fewer than [`REPEATS_MAX`].
    pub(crate) fn count_repeat(&self) {
        let flags = self.flags.load(Ordering::Relaxed);
        self.flags.store(flags + REPEAT_ONE, Ordering::Relaxed);
    }

    /// Notes whether the caller wants it cancelled, and returns what was noted before. Under the
    /// submission lock.
    pub(crate) fn ask_cancel(&self, asked: bool) -> bool {
        let flags = self.flags.load(Ordering::Relaxed);
        let bit = CANCEL_ASKED as u8;
        self.flags.store(if asked { flags | bit } else { flags & !bit }, Ordering::Relaxed);
        flags & bit != 0
    }

    #[inline]
    pub(crate) fn flags(&self) -> u16 {
        let kind = u16::from(self.kind.load(Ordering::Relaxed) & 0xf0);
        u16::from(self.flags.load(Ordering::Relaxed)) | kind << KIND_SHIFT
    }

    #[inline]
    pub(crate) fn generation(&self) -> u32 {
        self.tag.load(Ordering::Relaxed) >> STATE_BITS
    }

    /// Whether this use of the slot is in flight.
    #[inline]
    pub(crate) fn is_in_flight(&self, generation: u32) -> bool {
        self.tag.load(Ordering::Acquire) == generation << STATE_BITS | IN_FLIGHT
    }

    /// Answers a question about this use of the slot, or `None` if it is over. While the callback
    /// runs it is not over.
    pub(crate) fn ask<T>(&self, generation: u32, question: impl FnOnce(&Self) -> T) -> Option<T> {
        let before = self.tag.load(Ordering::Acquire);
        if before >> STATE_BITS != generation || before & STATE_MASK == FREE {
            return None;
        }
        let answer = question(self);
        // The fence keeps the reads of the answer before the second look at the tag.
        std::sync::atomic::fence(Ordering::Acquire);
        let after = self.tag.load(Ordering::Relaxed);
        (after >> STATE_BITS == generation).then_some(answer)
    }

    pub(crate) fn fd(&self) -> i32 {
        self.fd.load(Ordering::Relaxed)
    }

    pub(crate) fn kind(&self) -> OpKind {
        OpKind::from_u8(self.kind.load(Ordering::Relaxed))
    }

    pub(crate) fn word(&self) -> &AtomicPtr<()> {
        &self.word
    }
}

/// What the reaping thread wants to know about a completed operation.
pub(crate) struct Completed {
    pub(crate) kind: OpKind,
    pub(crate) flags: u16,
    pub(crate) submitted_ns: u64,
}

const fn fits_inline<T>() -> bool {
    size_of::<T>() <= INLINE_CAPTURE_BYTES && align_of::<T>() <= INLINE_CAPTURE_BYTES
}

/// # Safety
///
/// The slot's captures hold a `T`, which is consumed.
unsafe fn invoke_inline<T: Tenant>(slot: &Slot, completion: Option<Completion>) {
    // SAFETY: by contract.
    let tenant = unsafe { slot.captures.get().cast::<T>().read() };
    if let Some(completion) = completion {
        tenant.complete(&slot.word, completion);
    }
}

/// # Safety
///
/// The slot's captures hold a `Box<T>`, which is consumed.
unsafe fn invoke_boxed<T: Tenant>(slot: &Slot, completion: Option<Completion>) {
    // SAFETY: by contract.
    let tenant = unsafe { slot.captures.get().cast::<Box<T>>().read() };
    if let Some(completion) = completion {
        tenant.complete(&slot.word, completion);
    }
}

/// A handle's answer: what is known about an operation that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestInfo {
    /// The handle that was asked about.
    pub handle: Handle,
    /// Its descriptor, or the index of its registered file.
    pub fd: i32,
    /// What it does.
    pub kind: OpKind,
    /// The word given at submission, 0 if none.
    pub user_data: u64,
}
