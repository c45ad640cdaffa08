//! Memory that the kernel may write to, marked as out of bounds for AddressSanitizer.
//!
//! What a future reads into, and any buffer of the pool that is read into, belongs to the operation from
//! its submission until its completion is delivered. With `--cfg aura_poison` in `RUSTFLAGS`, beside
//! `-Zsanitizer=address`, whoever touches it meanwhile is stopped with a report, be it the library or
//! `unsafe` code of its user. (The kernel does not ask the sanitizer.) Other memory of callbacks is not
//! marked: their callers may have reasons to share it between operations. Without the `cfg` nothing of
//! this is compiled.
//!
//! This file is `unsafe` because it calls the sanitizer's run-time library.

use aura_ring::Parts;

use crate::backend::Backend;
use crate::engine::Engine;
use crate::op::{Op, OpKind};
use crate::slot::{AWAITED, POOLED};

impl<B: Backend> Engine<B> {
    /// The flag that says whether an operation's memory is of the pool.
    #[inline]
    pub(crate) fn pooled(&self, op: &Op) -> u16 {
        let (address, _) = op.sqe.memory();
        let memory = std::ptr::without_provenance(address);
        let is_pooled = cfg!(aura_poison) && self.pool.slab_of(memory).is_some();
        if is_pooled { POOLED } else { 0 }
    }
}

/// From here on the memory is the operation's.
#[inline]
pub(crate) fn lend(kind: OpKind, flags: u16, parts: &Parts) {
    mark_if_read(kind, flags, parts, true);
}

/// From here on it is its owner's again.
#[inline]
pub(crate) fn give_back(kind: OpKind, flags: u16, parts: &Parts) {
    mark_if_read(kind, flags, parts, false);
}

/// Vectored reads name their memory in an array, and are left out.
#[inline]
fn mark_if_read(kind: OpKind, flags: u16, parts: &Parts, poisoned: bool) {
    let is_read = matches!(kind, OpKind::Read | OpKind::ReadFixed);
    if cfg!(aura_poison) && is_read && flags & (AWAITED | POOLED) != 0 {
        mark(parts, poisoned);
    }
}

#[cfg(not(aura_poison))]
fn mark(_parts: &Parts, _poisoned: bool) {}

#[cfg(aura_poison)]
fn mark(parts: &Parts, poisoned: bool) {
    unsafe extern "C" {
        fn __asan_poison_memory_region(start: *const (), bytes: usize);
        fn __asan_unpoison_memory_region(start: *const (), bytes: usize);
    }
    let (start, bytes) = (parts.addr as *const (), parts.len as usize);
    // SAFETY: the memory is the operation's own: nobody else relies on its marks.
    unsafe {
        if poisoned {
            __asan_poison_memory_region(start, bytes);
        } else {
            __asan_unpoison_memory_region(start, bytes);
        }
    }
}
