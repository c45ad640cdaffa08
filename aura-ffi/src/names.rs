//! Engines by name: an `aura_engine_t *` is a number that is looked up, never an address.
//!
//! So NULL, forged values and engines that are gone are recognised. The number also makes no valid
//! address, so that C code which does follow it finds out at once.
//!
//! # Synchronization
//!
//! [`entry`](crate::entry) says how names are given, found and taken back; after that the engine is
//! dropped. Nothing keeps a thread that has just looked a name up from using the engine
//! while another destroys it: the header demands that threads are joined first, as counting every
//! use would cost every operation two locked instructions. Calls that may sleep do count
//! ([`Engine::sleeping`]), so that one which is still asleep is not left in freed memory.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::entry::Entry;
use crate::errno::Refusal;
use crate::header::aura_engine_t;

/// Engines alive at the same time have different ids below this.
const ENGINES: usize = 1 << ID_BITS;
const ID_BITS: u32 = 12;
const ID_SHIFT: u32 = 4;
const GENERATION_SHIFT: u32 = 16;
/// No address of user space or of the kernel has these upper bits, on any 64-bit machine with up
/// to 56 bits of addresses.
const NO_ADDRESS: usize = 0x5a << 56;

/// The pointers are from `Arc::into_raw`.
static ENTRIES: [Entry<aura_engine::Engine>; ENGINES] = [const { Entry::new() }; ENGINES];

/// Makes names different although ids are used again.
static GENERATION: AtomicU32 = AtomicU32::new(1);

/// An engine that was looked up.
#[derive(Clone, Copy)]
pub(crate) struct Engine {
    entry: &'static Entry<aura_engine::Engine>,
    name: usize,
    engine: *const aura_engine::Engine,
}

/// Gives a new engine its name.
pub(crate) fn enter(engine: Arc<aura_engine::Engine>) -> *mut aura_engine_t {
    let id = usize::from(engine.id());
    let generation = GENERATION.fetch_add(1, Ordering::Relaxed) as usize;
    let name = NO_ADDRESS | generation << GENERATION_SHIFT | id << ID_SHIFT;
    ENTRIES[id].publish(name, Arc::into_raw(engine));
    std::ptr::without_provenance_mut(name)
}

/// The engine with this name.
#[inline]
pub(crate) fn find(name: *const aura_engine_t) -> Result<Engine, Refusal> {
    let name = name.addr();
    let entry = &ENTRIES[name >> ID_SHIFT & (ENGINES - 1)];
    let engine = entry.find(name).ok_or(Refusal::NO_ENGINE)?;
    Ok(Engine { entry, name, engine })
}

/// As [`find`], for the path of every operation: a reference comes back in a register.
#[inline]
pub(crate) fn engine<'a>(name: *const aura_engine_t) -> Option<&'a aura_engine::Engine> {
    let name = name.addr();
    let engine = ENTRIES[name >> ID_SHIFT & (ENGINES - 1)].find(name)?;
    // SAFETY: as in `Engine::deref`.
    unsafe { engine.as_ref() }
}

impl Deref for Engine {
    type Target = aura_engine::Engine;

    #[inline]
    fn deref(&self) -> &aura_engine::Engine {
        // SAFETY: the entry owns a count while it has its name, and the caller's word is that no
        // engine is destroyed while another thread uses it.
        unsafe { &*self.engine }
    }
}

impl Engine {
    /// Keeps the engine's memory for the time of a call that may sleep.
    pub(crate) fn sleeping(&self) -> Arc<aura_engine::Engine> {
        // SAFETY: from `Arc::into_raw`, and alive as in `deref`.
        unsafe {
            Arc::increment_strong_count(self.engine);
            Arc::from_raw(self.engine)
        }
    }

    /// Notes that the engine is to end; `false` if that was noted before.
    pub(crate) fn begin_ending(&self) -> bool {
        self.entry.begin_ending()
    }

    /// Takes the name back, and hands out the count that went with it.
    ///
    /// # Safety
    ///
    /// Called once for each engine, by whoever `begin_ending` told that it is the first.
    pub(crate) unsafe fn withdraw(self) -> Arc<aura_engine::Engine> {
        self.entry.withdraw();
        // SAFETY: the count that `enter` left, taken once.
        unsafe { Arc::from_raw(self.engine) }
    }

    /// Runs a call that may run callbacks, and afterwards the end of the engine if one of them asked
    /// for it.
    pub(crate) fn processing<T>(self, call: impl FnOnce(&aura_engine::Engine) -> T) -> T {
        let outer = PROCESSING.get();
        let here = Processing { name: self.name, outer, end_asked: Cell::new(false) };
        PROCESSING.set(&raw const here);
        let result = call(&self);
        PROCESSING.set(outer);
        if here.end_asked.get() {
            crate::life::end(self);
        }
        result
    }

    /// Inside [`processing`](Self::processing) of this engine on this thread: has the engine ended
    /// when the outermost such call returns. `false` elsewhere.
    pub(crate) fn end_when_processed(&self) -> bool {
        let mut outermost = None;
        let mut next = PROCESSING.get();
        // SAFETY: the list is made of frames of this thread that have not returned.
        while let Some(frame) = unsafe { next.as_ref() } {
            if frame.name == self.name {
                outermost = Some(frame);
            }
            next = frame.outer;
        }
        outermost.inspect(|frame| frame.end_asked.set(true)).is_some()
    }
}

/// A call on this thread's stack that processes completions.
struct Processing {
    name: usize,
    outer: *const Processing,
    end_asked: Cell<bool>,
}

thread_local! {
    static PROCESSING: Cell<*const Processing> = const { Cell::new(std::ptr::null()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_finds_its_engine_until_it_is_withdrawn_and_is_never_given_again() {
        let config = aura_engine::Config { ring_count: Some(1), ..Default::default() };
        let create = || aura_engine::Engine::create(&config).expect("the kernel has io_uring");
        let (first, second) = (enter(create()), enter(create()));
        assert_ne!(first, second);
        let found = find(first).expect("alive");
        assert_eq!(found.ring_count(), 1);
        assert!(found.begin_ending() && !found.begin_ending());
        // SAFETY: once.
        drop(unsafe { found.withdraw() });
        assert!(find(first).is_err());
        let third = enter(create());
        assert_ne!(first, third);
        for name in [second, third] {
            // SAFETY: once each.
            drop(unsafe { find(name).expect("alive").withdraw() });
        }
    }

    #[test]
    fn what_was_never_a_name_finds_nothing() {
        for bits in [0, 1, 16, usize::MAX, NO_ADDRESS, NO_ADDRESS | 1 << ID_SHIFT] {
            assert!(find(std::ptr::without_provenance(bits)).is_err(), "{bits:#x}");
        }
        let on_stack = 0u8;
        assert!(find((&raw const on_stack).cast()).is_err());
    }
}
