//! The part of a future that the poller writes to, and the word that says who has it. The protocol
//! is described one level up.
//!
//! This file is `unsafe` for the reasons given there.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use super::Cargo;
use crate::Completion;
use crate::primitive::{AtomicPtr, AtomicU8, spin_loop};
use crate::tenant::Tenant;

/// What the poller writes to.
#[repr(C)]
pub(super) struct Node<C: Cargo> {
    pub(super) head: Head,
    pub(super) parcel: UnsafeCell<MaybeUninit<Parcel<C>>>,
}

/// The part of a node that does not depend on what is owned.
#[repr(C, align(8))]
pub(super) struct Head {
    /// `WAITING`, `READY` or `LOST`.
    pub(super) state: AtomicU8,
    pub(super) result: UnsafeCell<i32>,
    /// There while the operation has a slot. The poller copies it out and leaves the bytes as
    /// they are; whoever sees that it is done takes them for gone.
    pub(super) waker: UnsafeCell<Option<Waker>>,
}

pub(super) const WAITING: u8 = 0;
pub(super) const READY: u8 = 1;
/// The engine gave up; what the operation owns stays in its slot.
pub(super) const LOST: u8 = 2;

const TAKEN: usize = 0;
pub(super) const ABANDONED: usize = 1;
pub(super) const LOCKED: usize = 2;

/// What is in the slot: the cargo, and the keeper if the operation had to take one along.
pub(super) struct Parcel<C: Cargo> {
    pub(super) cargo: C,
    pub(super) keeper: Option<Arc<C::Keeper>>,
}

impl<C: Cargo> Tenant for Parcel<C> {
    const AWAITED: bool = true;

    #[inline]
    fn complete(self, word: &AtomicPtr<()>, completion: Completion) {
        let waiting = take(word);
        if waiting.addr() & ABANDONED != 0 {
            let keeper = waiting.map_addr(|address| address & !ABANDONED);
            // SAFETY: `abandon` made it from an `Arc` of this type.
            let keeper =
                (!keeper.is_null()).then(|| unsafe { Arc::from_raw(keeper.cast::<C::Keeper>()) });
            self.cargo.abandoned(completion.result);
            drop((keeper, self.keeper));
            return;
        }
        let node = waiting.cast::<Node<C>>();
        // SAFETY: the word held the address of a node, which is not dropped before `state` says
        // that this is done; taking the word made it ours.
        unsafe {
            (*(*node).parcel.get()).write(self);
            finish(node.cast(), completion.result, READY);
        }
    }
}

/// Takes the slot's word: what it leads to is the caller's now.
#[inline]
fn take(word: &AtomicPtr<()>) -> *mut () {
    let taken = std::ptr::without_provenance_mut(TAKEN);
    loop {
        let present = word.load(Ordering::Relaxed);
        if present.addr() == LOCKED {
            spin_loop();
        } else if word
            .compare_exchange_weak(present, taken, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
        {
            return present;
        }
    }
}

/// Tells a future that its operation is over.
///
/// # Safety
///
/// The caller has taken the word that led to this head; it does not use the node afterwards.
#[inline]
unsafe fn finish(head: *mut Head, result: i32, state: u8) {
    // SAFETY: by contract; the waker is copied out once, and whoever sees `state` forgets it.
    let waker = unsafe {
        *(*head).result.get() = result;
        let waker = (*head).waker.get().read();
        (*head).state.store(state, Ordering::Release);
        waker
    };
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Whether the future of the operation with this word has been dropped.
pub(crate) fn is_abandoned(word: &AtomicPtr<()>) -> bool {
    word.load(Ordering::Relaxed).addr() & ABANDONED != 0
}

/// A future whose operation stays in the kernel, but that is to end all the same.
pub(crate) struct GivenUp(*mut Head);

/// Parts an operation from its future; what the operation owns stays in the slot. By the thread
/// inside the gate, under the ring's lock.
pub(crate) fn give_up_on(word: &AtomicPtr<()>) -> Option<GivenUp> {
    let waiting = take(word);
    if waiting.addr() == TAKEN || waiting.addr() & ABANDONED != 0 {
        word.store(waiting, Ordering::Release);
        return None;
    }
    word.store(std::ptr::without_provenance_mut(ABANDONED), Ordering::Release);
    Some(GivenUp(waiting.cast()))
}

impl GivenUp {
    /// Tells the future. Without the lock, because it is woken.
    pub(crate) fn tell(self) {
        // SAFETY: the word was taken, and led to a node, which begins with its head.
        unsafe { finish(self.0, -libc::ESHUTDOWN, LOST) };
    }
}
