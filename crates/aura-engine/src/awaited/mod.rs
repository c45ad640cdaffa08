//! Operations that a future waits for, without an allocation: what the operation owns lives in its
//! slot while the kernel may use it, and moves into the future when it is over.
//!
//! This file is `unsafe` because the poller writes into a future that another thread may be
//! polling or dropping. The future is pinned from its first poll until it is dropped, so its
//! address is good for as long as it has not been dropped; who may touch it is settled by the word
//! of the slot, which outlives both.
//!
//! # Synchronization
//!
//! | the slot's word | who has it | the future's memory is |
//! | --- | --- | --- |
//! | address of the [`Node`] | nobody | the future's; the poller or the drop may take it |
//! | [`LOCKED`] | the future, replacing its waker | the future's |
//! | [`TAKEN`] | the poller, handing over | the poller's until it stores `state` |
//! | odd: [`ABANDONED`] and perhaps a keeper | nobody | gone |
//!
//! The word changes by compare-and-swap with acquire and release. `state` is stored by the poller
//! with release as its last access to the future, and loaded by the future with acquire; after
//! that the slot may be another operation's. A future whose compare-and-swap fails knows that the
//! poller is handing over, and waits for `state`, which takes it a few instructions.

mod node;

use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomPinned;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};

use aura_ring::Ring;

use node::{ABANDONED, Head, LOCKED, Node, Parcel, READY, WAITING};
pub(crate) use node::{GivenUp, give_up_on, is_abandoned};

use crate::backend::Backend;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::explain::{self, Misalignment};
use crate::handle::SlotName;
use crate::op::Op;
use crate::ring::PushEnd;
use crate::slot::Slot;
use crate::submit::{AtLimit, Refusal};

/// What an awaited operation owns: a buffer, a path.
pub trait Cargo: Send + 'static {
    /// What must outlive the operation and is not its own: the file. The future borrows it; if the
    /// future is dropped first, the operation keeps it alive itself. `()` for nothing.
    type Keeper: Send + Sync + 'static;

    /// The operation is over, and its future was dropped before. Undo what it did if its result
    /// would be lost otherwise: close a descriptor.
    fn abandoned(self, result: i32)
    where
        Self: Sized,
    {
        let _ = result;
    }
}

/// How an awaited operation ended.
#[derive(Debug)]
pub struct Outcome<C> {
    /// What the kernel said: bytes or a descriptor.
    pub result: Result<i32, Failure>,
    /// What the operation owned. `None` if the engine ended with the operation still in the
    /// kernel, which then has the memory for good.
    pub cargo: Option<C>,
}

/// Why an awaited operation failed.
#[derive(Debug)]
pub enum Failure {
    /// The engine did not take it.
    Refused(Error),
    /// The kernel's answer: an `errno`.
    Kernel(i32),
    /// The kernel's answer was `EINVAL`, and this is why.
    Misaligned(Misalignment),
}

/// An operation to be awaited: the pinned core of a future. It is submitted when it is first
/// polled.
///
/// Dropping it asks the kernel to cancel the operation; what the operation owns is freed when it
/// is over.
pub struct Awaited<'e, C: Cargo, B: Backend = Ring> {
    engine: &'e Engine<B>,
    keeper: Option<&'e Arc<C::Keeper>>,
    /// The descriptor, for explanations; -1 for none.
    fd: RawFd,
    op: Result<Op, Cell<Option<Error>>>,
    /// What it does at the limit.
    may_wait: bool,
    stage: Cell<Stage>,
    node: Node<C>,
    _pinned: PhantomPinned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The cargo is in the node.
    New,
    /// As `New`; there was not even a slot to wait in.
    Outside,
    /// It has a slot; the cargo is there.
    Submitted { ring: usize, name: SlotName },
    /// The outcome was handed out.
    Over,
}

// SAFETY: what it owns is `Send` (`Cargo` demands it), the engine and the keeper are shared by
// reference and `Sync`; the cells are touched as the module's documentation says.
unsafe impl<C: Cargo, B: Backend> Send for Awaited<'_, C, B> {}

impl<'e, C: Cargo, B: Backend> Awaited<'e, C, B> {
    /// An operation that is not submitted yet. An error in `op` comes out at the first poll.
    ///
    /// # Safety
    ///
    /// The memory that the operation names belongs to `cargo`, at an address that does not change
    /// when `cargo` moves, and may be used by the kernel as the operation says. Its descriptor, or
    /// registered file, stays what it is as long as the keeper lives; beside which stands the
    /// descriptor, for explanations.
    #[inline]
    pub unsafe fn new(
        engine: &'e Engine<B>,
        op: Result<Op>,
        cargo: C,
        keeper: Option<(&'e Arc<C::Keeper>, RawFd)>,
    ) -> Self {
        const { assert!(align_of::<Node<C>>() >= 8 && align_of::<C::Keeper>() <= 16) };
        let head = Head {
            state: AtomicU8::new(WAITING),
            result: UnsafeCell::new(0),
            waker: UnsafeCell::new(None),
        };
        let parcel = UnsafeCell::new(MaybeUninit::new(Parcel { cargo, keeper: None }));
        let (keeper, fd) = keeper.unzip();
        Self {
            engine,
            keeper,
            fd: fd.unwrap_or(-1),
            op: op.map_err(|error| Cell::new(Some(error))),
            may_wait: true,
            stage: Cell::new(Stage::New),
            node: Node { head, parcel },
            _pinned: PhantomPinned,
        }
    }

    /// The engine it is for.
    #[must_use]
    pub fn engine(&self) -> &'e Engine<B> {
        self.engine
    }

    /// Whether it has been submitted (or parked at the limit) and is not over.
    #[must_use]
    pub fn is_submitted(&self) -> bool {
        matches!(self.stage.get(), Stage::Submitted { .. })
    }

    /// Submits the operation, unless that was done, and says whether it is over. At the limit it
    /// waits for its turn.
    ///
    /// # Panics
    ///
    /// When it is polled again after it was ready.
    #[inline]
    pub fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome<C>> {
        let this = self.into_ref().get_ref();
        match this.stage.get() {
            Stage::New => this.submit(context.waker()),
            Stage::Outside if this.engine.is_given_up() => this.refused(Error::Shutdown),
            Stage::Outside => this.submit(context.waker()),
            Stage::Submitted { ring, name } => this.look(ring, name, context.waker()),
            Stage::Over => panic!("an operation was polled after it was ready"),
        }
    }

    /// Whether the operation, once submitted, is over, so that [`poll`](Self::poll) is ready; if not,
    /// this task is woken when it is. The outcome stays where it is.
    #[inline]
    pub fn poll_over(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.into_ref().get_ref();
        match this.stage.get() {
            Stage::Submitted { ring, name }
                if this.node.head.state.load(Ordering::Acquire) == WAITING
                    && this.have_woken(ring, name, context.waker()).is_ok() =>
            {
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// Makes it fail with [`Error::AtLimit`] at the limit, instead of waiting for its turn.
    #[must_use]
    pub fn or_refuse(mut self) -> Self {
        self.may_wait = false;
        self
    }

    /// Submits operations that were not yet, under one lock and on one ring, so that they reach
    /// the kernel together. What is refused says so when it is polled, as what belongs to another
    /// engine is submitted then.
    pub fn submit_together<'a>(operations: impl Iterator<Item = Pin<&'a mut Self>>, waker: &Waker)
    where
        Self: 'a,
    {
        let fresh = |this: &Self| this.stage.get() == Stage::New && this.op.is_ok();
        // Somebody else's code, and the checks may take locks, too: all that comes first.
        let ready: Vec<_> = operations
            .map(|operation| operation.into_ref().get_ref())
            .filter(|this| fresh(this) && this.may_submit().is_ok())
            .inspect(|this| this.set_waker(waker.clone()))
            .collect();
        let Some(engine) = ready.first().map(|this| this.engine) else { return };
        engine.note_awaited();
        let index = engine.choose_ring();
        let mut end = engine.lock_to_place(index);
        for this in ready.iter().filter(|this| std::ptr::eq(engine, this.engine)) {
            let _ = this.place(index, &mut end);
        }
        engine.leave(index, end);
    }

    fn may_submit(&self) -> Result<()> {
        match &self.op {
            Ok(op) => self.engine.may_submit(op),
            Err(error) => Err(error.take().unwrap_or(Error::Shutdown)),
        }
    }

    /// Leaves a waker in the node. Only while no slot has the node.
    #[inline]
    fn set_waker(&self, waker: Waker) {
        // SAFETY: without a slot nobody else reaches the node.
        drop(unsafe { (*self.node.head.waker.get()).replace(waker) });
    }

    #[inline]
    fn submit(&self, waker: &Waker) -> Poll<Outcome<C>> {
        if let Err(error) = self.may_submit() {
            return self.refused(error);
        }
        let engine = self.engine;
        engine.note_awaited();
        self.set_waker(waker.clone());
        let index = engine.choose_ring();
        let mut end = engine.lock_to_place(index);
        let mut placed = self.place(index, &mut end);
        if matches!(placed, Err(Refusal::NoRoom)) && !self.may_wait {
            drop(end);
            engine.make_room(index);
            end = engine.rings[index].lock();
            placed = self.place(index, &mut end);
        }
        match placed {
            Ok(()) => {
                engine.leave(index, end);
                Poll::Pending
            }
            // Under the lock: who gives up on those outside does so first, and then takes it.
            Err(Refusal::NoRoom) if self.may_wait && !engine.is_given_up() => {
                // Not even a slot to wait in: come again when one is freed.
                self.stage.set(Stage::Outside);
                // SAFETY: no slot has the node.
                if let Some(waker) = unsafe { (*self.node.head.waker.get()).take() } {
                    end.parked.wait_outside(waker);
                }
                Poll::Pending
            }
            Err(refusal) => {
                drop(end);
                self.refused(match refusal {
                    Refusal::NoRoom if engine.is_given_up() => Error::Shutdown,
                    Refusal::NoRoom => Error::AtLimit,
                    Refusal::Final(error) => error,
                })
            }
        }
    }

    /// Moves the cargo into a slot, unless that is refused. Calls nobody else's code, because the
    /// ring is locked.
    #[inline]
    fn place(&self, index: usize, end: &mut PushEnd) -> Result<(), Refusal> {
        let Ok(op) = &self.op else { return Err(Refusal::Final(Error::Shutdown)) };
        // SAFETY: nothing else uses the node: it has no slot. The parcel is initialised, moves into
        // the slot, and is put back if that is refused.
        let parcel = unsafe { (*self.node.parcel.get()).assume_init_read() };
        let keep = |parcel: &mut Parcel<C>| parcel.keeper = self.keeper.cloned();
        let at_limit = if self.may_wait { AtLimit::Park(&keep) } else { AtLimit::Refuse };
        // SAFETY: the memory is the parcel's, which stays in the slot until the operation is over,
        // and the descriptor open: by the borrow of the keeper while this lives, by a keeper of the
        // operation's own afterwards.
        match unsafe { self.engine.place(index, end, op, self.word(), parcel, at_limit) } {
            Ok(name) => {
                self.stage.set(Stage::Submitted { ring: index, name });
                Ok(())
            }
            Err((refusal, parcel)) => {
                // SAFETY: as above: no slot has the node.
                unsafe { (*self.node.parcel.get()).write(parcel) };
                Err(refusal)
            }
        }
    }

    #[cold]
    fn refused(&self, error: Error) -> Poll<Outcome<C>> {
        self.stage.set(Stage::Over);
        // SAFETY: it has no slot, so the parcel is here; it is read once, as the stage changes.
        let parcel = unsafe { (*self.node.parcel.get()).assume_init_read() };
        Poll::Ready(Outcome { result: Err(Failure::Refused(error)), cargo: Some(parcel.cargo) })
    }

    #[inline]
    fn look(&self, ring: usize, name: SlotName, waker: &Waker) -> Poll<Outcome<C>> {
        let state = match self.node.head.state.load(Ordering::Acquire) {
            WAITING => match self.have_woken(ring, name, waker) {
                Ok(()) => return Poll::Pending,
                Err(state) => state,
            },
            over => over,
        };
        self.stage.set(Stage::Over);
        // SAFETY: the poller is done with the node, as `state` says, and wrote what it says. The
        // waker it has taken with it.
        let (result, cargo) = unsafe {
            self.node.head.waker.get().write(None);
            let result = *self.node.head.result.get();
            let parcel = &*self.node.parcel.get();
            (result, (state == READY).then(|| parcel.assume_init_read().cargo))
        };
        let result = match result {
            bytes @ 0.. => Ok(bytes),
            error if -error == libc::ECANCELED && self.engine.is_given_up() => {
                Err(Failure::Refused(Error::Shutdown))
            }
            error if -error == libc::ESHUTDOWN => Err(Failure::Refused(Error::Shutdown)),
            error => Err(self.explain(-error)),
        };
        Poll::Ready(Outcome { result, cargo })
    }

    #[cold]
    fn explain(&self, errno: i32) -> Failure {
        let misaligned = || {
            let op = self.op.as_ref().ok().filter(|_| errno == libc::EINVAL)?;
            explain::misalignment(op.kind, self.fd, &op.sqe.parts())
        };
        misaligned().map_or(Failure::Kernel(errno), Failure::Misaligned)
    }

    /// Makes the operation wake this task, or returns the state if it is over by now.
    fn have_woken(&self, ring: usize, name: SlotName, waker: &Waker) -> Result<(), u8> {
        // SAFETY: left here before the slot was taken. The poller may be copying it out at this
        // moment, but nobody changes these bytes; whether two wakers are alike is told from them.
        let present = unsafe { (*self.node.head.waker.get()).as_ref() };
        if present.is_some_and(|present| present.will_wake(waker)) {
            return Ok(());
        }
        let fresh = Some(waker.clone()); // Somebody else's code, so before the word is locked.
        let slot = self.slot(ring, name);
        let locked = std::ptr::without_provenance_mut(LOCKED);
        let word = self.word();
        if slot.word().compare_exchange(word, locked, Ordering::Acquire, Ordering::Relaxed).is_err()
        {
            return Err(self.await_state());
        }
        // SAFETY: with the word locked the poller waits.
        let old = unsafe { std::mem::replace(&mut *self.node.head.waker.get(), fresh) };
        slot.word().store(word, Ordering::Release);
        drop(old);
        Ok(())
    }

    /// Waits for a poller that is handing over at this moment.
    fn await_state(&self) -> u8 {
        let mut turns = 0_u32;
        loop {
            match self.node.head.state.load(Ordering::Acquire) {
                WAITING if turns < 100 => std::hint::spin_loop(),
                WAITING => std::thread::yield_now(),
                state => return state,
            }
            turns += 1;
        }
    }

    fn word(&self) -> *mut () {
        std::ptr::from_ref(&self.node).cast_mut().cast()
    }

    fn slot(&self, ring: usize, name: SlotName) -> &'e Slot {
        self.engine.rings[ring].slots.get(name.slot).expect("it was given this slot")
    }

    /// Leaves the operation to itself: it frees what it owns when it is over.
    fn abandon(&self, ring: usize, name: SlotName) {
        let keeper = self.keeper.map_or(std::ptr::null(), |keeper| Arc::into_raw(keeper.clone()));
        let abandoned = keeper.cast::<()>().cast_mut().map_addr(|address| address | ABANDONED);
        let left = self.slot(ring, name).word().compare_exchange(
            self.word(),
            abandoned,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        if left.is_ok() {
            // Nobody reaches the node any more; the waker goes with it.
            self.engine.cancel_abandoned(ring, name);
            return;
        }
        // SAFETY: the keeper as it was turned into a pointer above, not used otherwise.
        drop((!keeper.is_null()).then(|| unsafe { Arc::from_raw(keeper) }));
        let state = self.await_state();
        // SAFETY: the poller is done with the node. It has taken the waker with it, and put the
        // parcel here if it says so; that is taken once.
        let over = unsafe {
            self.node.head.waker.get().write(None);
            let parcel = &*self.node.parcel.get();
            (state == READY).then(|| (parcel.assume_init_read(), *self.node.head.result.get()))
        };
        // It is over, and nobody has heard of it: as if it had been abandoned before.
        if let Some((parcel, result)) = over {
            parcel.cargo.abandoned(result);
        }
    }
}

impl<C: Cargo, B: Backend> Drop for Awaited<'_, C, B> {
    fn drop(&mut self) {
        match self.stage.get() {
            // SAFETY: it has no slot, so the parcel is here.
            Stage::New | Stage::Outside => unsafe {
                (*self.node.parcel.get()).assume_init_drop();
            },
            Stage::Submitted { ring, name } => self.abandon(ring, name),
            Stage::Over => {}
        }
    }
}

impl<C: Cargo, B: Backend> std::fmt::Debug for Awaited<'_, C, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Awaited").field("stage", &self.stage.get()).finish_non_exhaustive()
    }
}
