//! The pool proper: takes buffers from the thread cache, the shards or a new slab, and puts them back.
//!
//! Unsafe code is here only to state that the states may begin as zero bytes.
//!
//! # Synchronization
//!
//! `states` has two words per 4 KiB of arena, used for the first unit of every buffer. Both are zero
//! while the buffer is free; while it is in use, one holds the requested size: `raw` if a caller has
//! the bare pointer, `owned` if a `PoolBuffer` has it.
//!
//! * Free to in use is a relaxed store by the thread that took the buffer out of a cache or shard, and
//!   so has it to itself. The buffer reaches other threads only through the caller.
//! * `raw` to free is an exchange with zero, because nothing else tells which of two threads that free
//!   the same pointer at once may put it in a list. That makes up more than half of the cost of a pair;
//!   a load and a store would detect only frees that follow each other, and a buffer could then be
//!   handed out twice. Relaxed: only its atomicity is needed; the next user is ordered after the last
//!   one by the cache's owner or by the shard's lock.
//! * `owned` to free is a store: nobody else may. It is a word of its own so that the exchange above
//!   cannot hurt a buffer that became a `PoolBuffer`'s in the meantime.
//!
//! The rest is constant, or synchronised where it is defined.

use std::{
    io,
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

use crate::{
    arena::Arena,
    cache::{Batch, ThreadCache},
    class::{Class, MAX_BUFFER_BYTES, MIN_BUFFER_BYTES, UNIT_SHIFT},
    counters::{Change, Ledger, PoolStats},
    error::{AllocError, CreateError, FreeError},
    observer::SlabObserver,
    options::PoolOptions,
    reclaim::Limits,
    shard::{Shard, Tally},
    slab::SlabMap,
    table::{Table, ZeroValid},
};

/// Who a buffer is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A caller who has the bare pointer.
    Raw,
    /// A `PoolBuffer`.
    Buffer,
}

/// The state of one buffer; see the module's `Synchronization`.
#[derive(Debug)]
#[repr(align(8))] // one line for both words
struct State {
    raw: AtomicU32,
    owned: AtomicU32,
}

// SAFETY: only atomic integers, and no drop.
unsafe impl ZeroValid for State {}

/// A buffer on its way back: out of its user's hands, in no list yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Returned {
    unit: u32,
    class: Class,
    requested: usize,
}

#[derive(Debug)]
pub(crate) struct Depot {
    pub(crate) map: SlabMap,
    states: Table<State>,
    /// No class below this many bytes is used, for the alignment's sake.
    floor_bytes: usize,
    pub(crate) shards: Box<[Shard]>,
    pub(crate) observer: Option<Arc<dyn SlabObserver>>,
    pub(crate) limits: Limits,
    pub(crate) tally: Tally,
    pub(crate) ledger: Ledger,
    /// Coarse clock before which idle slabs are not looked for. Any thread reads and writes; relaxed,
    /// two threads that look at once do no harm.
    pub(crate) next_reap_ms: AtomicU64,
    /// Coarse clock before which surplus slabs are not offered again after one was kept.
    pub(crate) refused_until_ms: AtomicU64,
}

impl Depot {
    pub(crate) fn new(options: &PoolOptions) -> Result<Self, CreateError> {
        options.validate()?;
        let mut reserve = options.reserve_rounded();
        let (map, states) = loop {
            match reserve_all(reserve) {
                Ok(reserved) => break reserved,
                Err(_) if reserve > MAX_BUFFER_BYTES => reserve /= 2,
                Err(error) => return Err(CreateError::Reserve(error)),
            }
        };
        Ok(Self {
            map,
            states,
            floor_bytes: options.alignment.max(MIN_BUFFER_BYTES),
            shards: (0..options.shards).map(|_| Shard::new()).collect(),
            observer: options.observer.clone(),
            limits: Limits::new(options),
            tally: Tally::default(),
            ledger: Ledger::default(),
            next_reap_ms: AtomicU64::new(0),
            refused_until_ms: AtomicU64::new(0),
        })
    }

    /// The class that serves a request.
    #[inline]
    pub(crate) fn class_of(&self, size: usize) -> Result<Class, AllocError> {
        // One compare for both ends: zero wraps around.
        if size.wrapping_sub(1) >= MAX_BUFFER_BYTES {
            return Err(AllocError::of_size(size));
        }
        Ok(Class::of(size, self.floor_bytes))
    }

    /// The usual way to a buffer: from the calling thread's stock.
    #[inline]
    pub(crate) fn take_cached(
        &self,
        cache: &ThreadCache,
        class: Class,
        size: usize,
        holder: Holder,
    ) -> Option<NonNull<u8>> {
        let unit = cache.pop(class)?;
        cache.count_taken(class.bytes(), size);
        Some(self.hand_out(unit, size, holder))
    }

    /// The other ways: a batch from the shards or a new slab, of which the cache gets the rest.
    #[cold]
    pub(crate) fn take_slow(
        &self,
        cache: Option<&ThreadCache>,
        home: usize,
        class: Class,
        size: usize,
        holder: Holder,
    ) -> Result<NonNull<u8>, AllocError> {
        let Some(cache) = cache else {
            let mut batch = Batch::new();
            let unit = self.refill(home, class, 1, &mut batch).map_err(AllocError::OutOfMemory)?;
            self.ledger.settle(Change::taken(class.bytes(), size));
            return Ok(self.hand_out(unit, size, holder));
        };
        // The cache may well have stock: with many pools the quick lookup misses it now and then.
        if let Some(buffer) = self.take_cached(cache, class, size, holder) {
            return Ok(buffer);
        }
        let mut batch = Batch::new();
        let unit =
            self.refill(home, class, class.batch(), &mut batch).map_err(AllocError::OutOfMemory)?;
        // Highest address first, so that the stock hands out ascending addresses. An observer may
        // have used this very cache meanwhile; what does not fit goes back to the shards.
        let mut rest = Batch::new();
        while let Some(unit) = batch.pop() {
            if !cache.push(class, unit) {
                rest.push(unit);
            }
        }
        self.put_back(rest.as_slice(), true);
        cache.count_taken(class.bytes(), size);
        let buffer = self.hand_out(unit, size, holder);
        cache.settle(&self.ledger);
        self.reap_if_due();
        Ok(buffer)
    }

    /// Checks that a pointer is a buffer handed out by pointer, and marks it free: exactly one caller
    /// gets it, however many try. `None` if it had to be given back at once.
    #[inline]
    pub(crate) fn reclaim(&self, pointer: NonNull<u8>) -> Result<Option<Returned>, FreeError> {
        let address = pointer.as_ptr().addr();
        let offset = self.map.arena.offset_of(address).ok_or(FreeError::Foreign)?;
        // The class comes from the slab and not from the size in the state, so that what follows need
        // not wait for the exchange.
        let (_, class) = self.map.lookup(offset).ok_or(FreeError::Foreign)?;
        // Slabs are aligned to their length, so a buffer starts at multiples of its size.
        if address & (class.bytes() - 1) != 0 {
            return Err(FreeError::Foreign);
        }
        let unit = offset >> UNIT_SHIFT;
        let requested = self.states[unit].raw.swap(0, Relaxed) as usize;
        if requested == 0 {
            return Err(self.why_not(unit));
        }
        let returned = Returned { unit: unit as u32, class, requested };
        if Class::of(requested, self.floor_bytes) != class {
            self.give_reclassed(returned);
            return Ok(None);
        }
        Ok(Some(returned))
    }

    /// The same for the buffer of a `PoolBuffer`, which need not be checked.
    #[inline]
    pub(crate) fn reclaim_owned(&self, pointer: NonNull<u8>, requested: usize) -> Returned {
        let offset = pointer.as_ptr().addr() - self.map.arena.pointer(0).as_ptr().addr();
        let unit = offset >> UNIT_SHIFT;
        debug_assert_eq!(self.states[unit].owned.load(Relaxed) as usize, requested);
        self.states[unit].owned.store(0, Relaxed);
        Returned { unit: unit as u32, class: Class::of(requested, self.floor_bytes), requested }
    }

    /// The usual way back. Answers `false` when the cache is full.
    #[inline]
    #[must_use]
    pub(crate) fn give_cached(&self, cache: &ThreadCache, returned: Returned) -> bool {
        let Returned { unit, class, requested } = returned;
        let kept = cache.push(class, unit);
        if kept {
            cache.count_given(class.bytes(), requested);
        }
        kept
    }

    /// The other ways back: half of the cache's stock makes room, or the buffer goes to its shard.
    #[cold]
    pub(crate) fn give_slow(&self, cache: Option<&ThreadCache>, returned: Returned) {
        let Returned { unit, class, requested } = returned;
        let Some(cache) = cache else {
            self.ledger.settle(Change::given(class.bytes(), requested));
            return self.put_back(&[unit], true);
        };
        if self.give_cached(cache, returned) {
            return;
        }
        cache.count_given(class.bytes(), requested);
        cache.settle(&self.ledger);
        let surplus = cache.drain(class, class.batch());
        if !cache.push(class, unit) {
            self.put_back(&[unit], true);
        }
        self.put_back(surplus.as_slice(), true);
        self.reap_if_due();
    }

    /// Empties a cache into the shards, at the end of its thread or to trim.
    pub(crate) fn empty(&self, cache: &ThreadCache, may_release: bool) {
        cache.settle(&self.ledger);
        for class in Class::all() {
            self.put_back(cache.drain(class, class.cache_cap()).as_slice(), may_release);
        }
    }

    /// Requested and full size of a buffer in use, by its first byte.
    pub(crate) fn sizes(&self, pointer: NonNull<u8>) -> Option<(usize, usize)> {
        let address = pointer.as_ptr().addr();
        let offset = self.map.arena.offset_of(address)?;
        let state = &self.states[offset >> UNIT_SHIFT];
        let size = state.raw.load(Relaxed) | state.owned.load(Relaxed);
        if size == 0 || address & (MIN_BUFFER_BYTES - 1) != 0 {
            return None;
        }
        let requested = size as usize;
        Some((requested, self.capacity_for(requested)))
    }

    pub(crate) fn capacity_for(&self, requested: usize) -> usize {
        Class::of(requested, self.floor_bytes).bytes()
    }

    /// Statistics from the ledger and the given caches, which the caller keeps from settling for good.
    pub(crate) fn stats<'a>(&self, caches: impl Iterator<Item = &'a ThreadCache>) -> PoolStats {
        let live = &self.ledger.live;
        let mut sum = Change {
            buffers: live.buffers.load(Relaxed),
            bytes: live.bytes.load(Relaxed),
            requested: live.requested.load(Relaxed),
            ..Change::default()
        };
        let (settled_buffers, settled_bytes) = (sum.buffers, sum.bytes);
        let mut peak_buffers = self.ledger.peak_buffers.load(Relaxed);
        let mut peak_bytes = self.ledger.peak_bytes.load(Relaxed);
        let (mut cached_bytes, mut thread_caches) = (0, 0);
        for cache in caches {
            let change = cache.change();
            sum.buffers += change.buffers;
            sum.bytes += change.bytes;
            sum.requested += change.requested;
            peak_buffers = peak_buffers.max(settled_buffers + change.peak_buffers);
            peak_bytes = peak_bytes.max(settled_bytes + change.peak_bytes);
            cached_bytes += cache.stock_bytes();
            thread_caches += 1;
        }
        // Below zero only while other threads are at work; a snapshot should not show that.
        let clamp = |value: i64| value.max(0) as usize;
        PoolStats {
            allocated_bytes: clamp(sum.bytes),
            requested_bytes: clamp(sum.requested),
            allocated_buffers: clamp(sum.buffers),
            high_water_bytes: clamp(peak_bytes.max(sum.bytes)),
            high_water_buffers: clamp(peak_buffers.max(sum.buffers)),
            cached_bytes,
            idle_bytes: self.tally.all(),
            committed_bytes: self.map.committed_bytes(),
            reserved_bytes: self.map.arena.len(),
            slabs: self.map.count(),
            slabs_retired: self.map.retired(),
            shard_count: self.shards.len(),
            thread_caches,
        }
    }

    #[inline]
    fn hand_out(&self, unit: u32, size: usize, holder: Holder) -> NonNull<u8> {
        let state = &self.states[unit as usize];
        debug_assert_eq!(
            state.raw.load(Relaxed) | state.owned.load(Relaxed),
            0,
            "{unit} is in use"
        );
        let word = if holder == Holder::Buffer { &state.owned } else { &state.raw };
        word.store(size as u32, Relaxed);
        self.map.arena.pointer((unit as usize) << UNIT_SHIFT)
    }

    /// The size in the state decides. The slab can only say otherwise if the pointer was freed before,
    /// and its slab was given back and made anew for another class between lookup and exchange.
    #[cold]
    fn give_reclassed(&self, returned: Returned) {
        let class = Class::of(returned.requested, self.floor_bytes);
        self.give_slow(None, Returned { class, ..returned });
    }

    #[cold]
    fn why_not(&self, unit: usize) -> FreeError {
        let owned = self.states[unit].owned.load(Relaxed) != 0;
        if owned { FreeError::Owned } else { FreeError::DoubleFree }
    }

    /// One buffer for the caller, and up to `want - 1` more in `batch`: from the home shard, else from
    /// the others, else from a new slab. Stealing before growing keeps memory bounded when buffers
    /// wander between threads.
    fn refill(&self, home: usize, class: Class, want: usize, batch: &mut Batch) -> io::Result<u32> {
        let count = self.shards.len();
        for at in 0..count {
            let shard = &self.shards[(home + at) & (count - 1)];
            if shard.may_have(class) {
                shard.lock(&self.map, &self.tally).take(class, want, batch);
            }
            if !batch.is_empty() {
                return Ok(batch.shift());
            }
        }
        let home = home & (count - 1);
        let index = self.map.make(class, home).or_else(|error| {
            // Idle memory of other sizes may be all that is in the way.
            if self.trim() > 0 { self.map.make(class, home) } else { Err(error) }
        })?;
        self.announce(index);
        let slab = self.map.get(index);
        let mut free = class.full_mask();
        while free != 0 && batch.len() < want {
            batch.push(slab.unit_of(free.trailing_zeros()));
            free &= free - 1;
        }
        if free != 0 {
            self.shards[home].lock(&self.map, &self.tally).admit(index, free, 0);
        }
        Ok(batch.shift())
    }
}

/// The arena and its tables, all or nothing.
fn reserve_all(bytes: usize) -> io::Result<(SlabMap, Table<State>)> {
    let map = SlabMap::new(Arena::reserve(bytes)?)?;
    Ok((map, Table::new(bytes >> UNIT_SHIFT)?))
}
