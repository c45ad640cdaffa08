//! Wakers that cost one atomic operation: one bit for each future of a set.
//!
//! This file is `unsafe` because wakers are made of raw pointers.
//!
//! The bits are in blocks of 64, and a waker is the address of its block plus the number of its
//! bit: a block is aligned to 64 bytes, so the sum tells both. Cloning and dropping such a waker
//! does nothing at all. That is sound because blocks are never freed: when a set is dropped, its
//! blocks wait for the next set. A waker that outlives its future rings a bell that may by then be
//! another future's, which is polled once too often, as every future must expect.
//!
//! # Synchronization
//!
//! A waker sets its bit and then, unless `notified` was set already, wakes the task. The task
//! leaves its waker, clears `notified`, and then takes the bits. All sequentially consistent, so
//! that a bit which the task does not find has woken it, or will.

use std::ptr::NonNull;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::primitive::{AtomicBool, AtomicU64};

const BITS: usize = 64;

/// The bells of one set.
#[derive(Debug)]
pub(super) struct Bells {
    house: &'static House,
    /// The house's blocks, as far as this set uses them.
    blocks: Vec<&'static Block>,
}

/// Where bells are: never freed, and used by one set after the other.
#[derive(Debug)]
struct House {
    /// The task was woken since it last left its waker.
    notified: AtomicBool,
    task: Mutex<Option<Waker>>,
    /// All blocks, the used and the spare.
    blocks: Mutex<Vec<&'static Block>>,
}

#[derive(Debug)]
#[repr(align(64))]
struct Block {
    rung: AtomicU64,
    house: &'static House,
}

const _: () = assert!(align_of::<Block>() == BITS);

/// Houses that no set uses.
static EMPTY_HOUSES: Mutex<Vec<&'static House>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bells {
    pub(super) fn new() -> Self {
        let house = lock(&EMPTY_HOUSES).pop().unwrap_or_else(|| {
            Box::leak(Box::new(House {
                notified: AtomicBool::new(false),
                task: Mutex::new(None),
                blocks: Mutex::new(Vec::new()),
            }))
        });
        Self { house, blocks: Vec::new() }
    }

    /// Makes sure that there is a bell of this number.
    pub(super) fn make_room(&mut self, number: usize) {
        while self.blocks.len() <= number / BITS {
            let mut all = lock(&self.house.blocks);
            if all.len() == self.blocks.len() {
                let block = Block { rung: AtomicU64::new(0), house: self.house };
                all.push(Box::leak(Box::new(block)));
            }
            self.blocks.push(all[self.blocks.len()]);
        }
    }

    /// Rings a bell, as its waker does.
    pub(super) fn ring(&self, number: usize) {
        self.blocks[number / BITS].ring(number % BITS);
    }

    /// Makes bells wake this task from now on.
    #[inline]
    pub(super) fn listen(&self, task: &Waker) {
        let alike = lock(&self.house.task).as_ref().is_some_and(|present| present.will_wake(task));
        if !alike {
            // Cloned and dropped without the lock: both may be anybody's code.
            let fresh = Some(task.clone());
            let old = std::mem::replace(&mut *lock(&self.house.task), fresh);
            drop(old);
        }
        self.house.notified.store(false, Ordering::SeqCst);
    }

    /// The waker of a bell, borrowed: it is worth nothing, so that it need not be dropped.
    #[inline]
    pub(super) fn waker(&self, number: usize) -> Waker {
        let block = std::ptr::from_ref(self.blocks[number / BITS]).cast::<()>();
        // SAFETY: the sum stays inside the block, which is never freed; see the table's functions.
        unsafe { Waker::new(block.byte_add(number % BITS), &TABLE) }
    }
}

impl Drop for Bells {
    fn drop(&mut self) {
        let task = lock(&self.house.task).take();
        for block in &self.blocks {
            block.rung.store(0, Ordering::Relaxed);
        }
        lock(&EMPTY_HOUSES).push(self.house);
        drop(task);
    }
}

impl Block {
    #[inline]
    fn ring(&self, bit: usize) {
        let mask = 1 << bit;
        // Always written, even if it rings already: only so does the task that takes the bit see
        // what came before this.
        let rang = self.rung.fetch_or(mask, Ordering::SeqCst) & mask != 0;
        if !rang && !self.house.notified.load(Ordering::SeqCst) {
            self.house.notify();
        }
    }
}

impl House {
    fn notify(&self) {
        if !self.notified.swap(true, Ordering::SeqCst) {
            // Taken out of the lock: a waker may do anything.
            let task = lock(&self.task).clone();
            if let Some(task) = task {
                task.wake();
            }
        }
    }
}

/// Bells that were found rung and are being answered.
#[derive(Debug, Default)]
pub(super) struct Rung {
    /// Where the next block is taken from.
    block: usize,
    /// Blocks to be looked at in this round.
    left: usize,
    /// The number of the first bell of the block being answered, and which of its bells rang.
    first: usize,
    bits: u64,
}

impl Rung {
    /// Begins a round: every block is looked at once, from where the last one stopped.
    #[inline]
    pub(super) fn begin(&mut self, bells: &Bells) {
        self.left = bells.blocks.len();
    }

    /// The number of the next one, or `None` at the end of the round.
    #[inline]
    pub(super) fn next(&mut self, bells: &Bells) -> Option<usize> {
        while self.bits == 0 {
            self.left = self.left.checked_sub(1)?;
            if self.block >= bells.blocks.len() {
                self.block = 0;
            }
            let block = bells.blocks[self.block];
            self.first = self.block * BITS;
            self.block += 1;
            if block.rung.load(Ordering::SeqCst) != 0 {
                self.bits = block.rung.swap(0, Ordering::SeqCst);
            }
        }
        let bit = self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        Some(self.first + bit)
    }
}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, |_| ());

fn clone(bell: *const ()) -> RawWaker {
    RawWaker::new(bell, &TABLE)
}

#[inline]
fn wake(bell: *const ()) {
    let block = bell.map_addr(|address| address & !(BITS - 1)).cast::<Block>();
    // SAFETY: `Bells::waker` made it of a block that is never freed.
    let block = unsafe { NonNull::new_unchecked(block.cast_mut()).as_ref() };
    block.ring(bell.addr() % BITS);
}
