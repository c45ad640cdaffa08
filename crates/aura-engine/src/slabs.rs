//! The pool's slabs as registered buffers: direct reads and writes of memory in a slab that is used a
//! lot become the fixed form by themselves, for which the kernel neither looks up nor pins pages.
//! Through the page cache that is no gain: there are no pages to pin, and finding the place in the
//! registered memory costs 2 % of a 4 KiB read (Linux 6.18).
//!
//! Registering pins all pages of a slab, and costs more than many operations gain. So a slab is
//! registered with a ring when that ring has used it [`USES`] times, by the poller, if the limit of
//! locked memory leaves room; else operations stay as they are.
//!
//! This file is `unsafe` because the kernel goes on using what is registered.
//!
//! # Synchronization
//!
//! `Fixed::places` has one entry per slab: how often it was used, or [`REGISTERED`]. It is written
//! by submitters under the ring's submission lock, and by whoever holds `Slabs::alive`, who alone
//! writes `REGISTERED` and back. An operation finds `REGISTERED` only if its memory is in a buffer
//! in use, so the slab stays alive; before a slab's memory goes, the pool asks
//! ([`SlabObserver::slab_retiring`]), and that takes the slab out of every ring's table first.
//! `alive` is held while registering, so a slab cannot go meanwhile.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use aura_bufpool::{Retire, SlabObserver, SlabRef};
use aura_ring::Sqe;
use aura_ring::register::MAX_BUFFERS;
use rustix::process::{Resource, getrlimit};

use crate::backend::Backend;
use crate::engine::Engine;
use crate::log::say;
use crate::op::{Op, OpKind};
use crate::resources::MAX_USER_BUFFERS;
use crate::ring::EngineRing;

/// Places for slabs in a ring's table of buffers.
const PLACES: usize = (MAX_BUFFERS - MAX_USER_BUFFERS) as usize;
/// So often a ring uses a slab before it is registered.
const USES: u8 = 64;
const REGISTERED: u8 = u8::MAX;
/// Larger slabs are a buffer each; moving so much at once costs more than pinning it.
const LARGEST_SLAB_BYTES: usize = 16 << 20;
/// The most that all rings of an engine pin.
const MOST_PINNED_BYTES: usize = 1 << 30;
/// The part of the limit of locked memory that slabs may use; rings need some of it, too.
const LOCKED_SHARE: u64 = 4;

/// What a ring knows about slabs.
#[derive(Debug)]
pub(crate) struct Fixed {
    places: Box<[AtomicU8]>,
    /// Slabs that were used often enough. Few at a time; written by submitters.
    wanted: Mutex<Vec<SlabRef>>,
    any_wanted: AtomicBool,
}

impl Default for Fixed {
    fn default() -> Self {
        Self {
            places: (0..PLACES).map(|_| AtomicU8::new(0)).collect(),
            wanted: Mutex::default(),
            any_wanted: AtomicBool::new(false),
        }
    }
}

impl Fixed {
    /// The index in the ring's table of the buffer that the memory is in, if there is one. Counts
    /// a use if there is none. Under the submission lock.
    #[inline]
    pub(crate) fn index_of(&self, slab: SlabRef, address: usize, len: usize) -> Option<u16> {
        let place = self.places.get(slab.index as usize)?;
        match place.load(Ordering::Relaxed) {
            REGISTERED => (address - slab.base + len <= slab.len)
                .then_some((MAX_USER_BUFFERS + slab.index) as u16),
            USES => None,
            uses => {
                place.store(uses + 1, Ordering::Relaxed);
                if uses + 1 == USES {
                    self.want(slab);
                }
                None
            }
        }
    }

    #[cold]
    fn want(&self, slab: SlabRef) {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).push(slab);
        self.any_wanted.store(true, Ordering::Release);
    }

    fn take_wanted(&self) -> Vec<SlabRef> {
        self.any_wanted.store(false, Ordering::Relaxed);
        std::mem::take(&mut self.wanted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[inline]
    pub(crate) fn any_wanted(&self) -> bool {
        self.any_wanted.load(Ordering::Relaxed)
    }
}

/// What the engine knows about slabs, shared with the pool, which may outlive it.
pub(crate) struct Slabs {
    alive: Mutex<Alive>,
    engine: OnceLock<Weak<dyn Rings>>,
}

/// What the pool's observer wants of an engine, whatever its rings are.
trait Rings: Send + Sync {
    /// Takes a slab out of the tables of all rings that have it; `false` if that cannot be done.
    fn withdraw(&self, index: u32) -> bool;
}

#[derive(Debug, Default)]
struct Alive {
    slabs: BTreeMap<u32, SlabRef>,
    pinned_bytes: usize,
    /// The kernel has refused, or the limit was reached: no more attempts.
    refused: bool,
}

impl Slabs {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { alive: Mutex::default(), engine: OnceLock::new() })
    }

    /// Says which engine's rings slabs are registered with.
    pub(crate) fn belong_to<B: Backend>(&self, engine: &Arc<Engine<B>>) {
        let engine: Weak<dyn Rings> = Arc::downgrade(engine) as _;
        assert!(self.engine.set(engine).is_ok(), "an engine has slabs of its own");
    }

    fn alive(&self) -> std::sync::MutexGuard<'_, Alive> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Backend> Rings for Engine<B> {
    fn withdraw(&self, index: u32) -> bool {
        let holds = |ring: &&EngineRing<B>| {
            let place = &ring.fixed.places[index as usize];
            place.load(Ordering::Relaxed) == REGISTERED
        };
        // A ring of a single-threaded engine is touched by its owner only.
        if self.rings.iter().any(|ring| holds(&ring)) && self.door.check().is_err() {
            return false;
        }
        self.rings.iter().filter(holds).all(|ring| {
            let cleared = ring.backend.clear_buffers(MAX_USER_BUFFERS + index, 1).is_ok();
            if cleared {
                ring.fixed.places[index as usize].store(0, Ordering::Relaxed);
            }
            cleared
        })
    }
}

impl SlabObserver for Slabs {
    fn slab_created(&self, index: u32, base: usize, len: usize) {
        if (index as usize) < PLACES && len <= LARGEST_SLAB_BYTES {
            self.alive().slabs.insert(index, SlabRef { index, base, len });
        }
    }

    fn slab_retiring(&self, index: u32, _base: usize, _len: usize) -> Retire {
        // Without the engine there are no rings, and the kernel has let go of everything. If this is
        // the last hold on it, it ends when the lock is released: it has slabs to part with, too.
        let engine = self.engine.get().and_then(Weak::upgrade);
        let mut alive = self.alive();
        if !alive.slabs.contains_key(&index) {
            return Retire::GiveBack;
        }
        if engine.as_ref().is_some_and(|engine| !engine.withdraw(index)) {
            return Retire::Keep;
        }
        if let Some(slab) = alive.slabs.remove(&index) {
            alive.pinned_bytes = alive.pinned_bytes.saturating_sub(slab.len);
        }
        Retire::GiveBack
    }
}

impl<B: Backend> Engine<B> {
    /// The registered form of a read or write, if its memory is in a registered slab. Under the
    /// ring's submission lock.
    #[inline]
    pub(crate) fn in_slab(&self, ring: &EngineRing<B>, op: &Op) -> Option<Sqe> {
        if !op.direct || !matches!(op.kind, OpKind::Read | OpKind::Write) {
            return None;
        }
        let (address, len) = op.sqe.memory();
        let slab = self.pool.slab_of(std::ptr::without_provenance(address))?;
        let index = ring.fixed.index_of(slab, address, len)?;
        Some(op.sqe.in_registered_buffer(index))
    }

    /// Registers what a ring wants registered. By the poller.
    #[cold]
    pub(crate) fn register_wanted(&self, ring: &EngineRing<B>) {
        let mut alive = self.slabs.alive();
        for slab in ring.fixed.take_wanted() {
            // It may have gone, and another come under its number: that one begins to count anew.
            if alive.slabs.get(&slab.index) != Some(&slab) {
                ring.fixed.places[slab.index as usize].store(0, Ordering::Relaxed);
                continue;
            }
            if alive.refused || alive.pinned_bytes + slab.len > most_pinned_bytes() {
                alive.refused = true;
                return;
            }
            if let Err(error) = self.register_slab(ring, slab) {
                say!(Info, "pool buffers are used without registering them: {error}");
                alive.refused = true;
                return;
            }
            alive.pinned_bytes += slab.len;
            ring.fixed.places[slab.index as usize].store(REGISTERED, Ordering::Relaxed);
        }
    }

    fn register_slab(&self, ring: &EngineRing<B>, slab: SlabRef) -> crate::Result<()> {
        self.make_buffer_tables(&mut self.lifecycle())?;
        let base = std::ptr::with_exposed_provenance_mut(slab.base);
        let memory = libc::iovec { iov_base: base, iov_len: slab.len };
        // SAFETY: the slab is alive, and before its memory goes it is withdrawn from the table;
        // both under the lock that the caller holds.
        unsafe { ring.backend.update_buffers(MAX_USER_BUFFERS + slab.index, &[memory]) }
            .map_err(crate::Error::os("registering a slab of the pool"))
    }

    /// Slabs registered with this ring.
    #[must_use]
    pub fn registered_slabs(&self, ring: usize) -> usize {
        let places = self.rings.get(ring).map_or(&[][..], |ring| &ring.fixed.places);
        places.iter().filter(|place| place.load(Ordering::Relaxed) == REGISTERED).count()
    }
}

/// How much may be pinned. Whoever may lock any amount of memory usually has no limit set.
fn most_pinned_bytes() -> usize {
    if rustix::process::geteuid().is_root() {
        return MOST_PINNED_BYTES;
    }
    let allowed = getrlimit(Resource::Memlock).current.unwrap_or(u64::MAX);
    usize::try_from(allowed / LOCKED_SHARE).unwrap_or(usize::MAX).min(MOST_PINNED_BYTES)
}

impl std::fmt::Debug for Slabs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slabs").field("alive", &self.alive).finish_non_exhaustive()
    }
}
