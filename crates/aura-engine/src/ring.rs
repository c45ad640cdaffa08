//! One ring of the engine: the kernel's queues, the slots of its operations, its counters.
//!
//! # Synchronization
//!
//! The submission side is used under `push`, the completion side by the thread inside the
//! engine's gate. Each counter has one writing side and is never changed by read-modify-write;
//! what is in flight is the difference of two of them. Everybody may read them.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aura_histogram::LatencyHistogram;
use aura_ring::{RingConfig, Sqe};

use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::given_away::{FileName, GivenAway};
use crate::handle::MAX_SLOTS;
use crate::late::Late;
use crate::lock::{Guard, Guarded};
use crate::metrics::Meters;
use crate::parked::Parked;
use crate::slabs::Fixed;
use crate::slots::{FreeSlots, Slots};

/// Completions taken and processed at a time. More would lengthen the time between a completion
/// and its time stamp, fewer would read the clock more often.
pub(crate) const BATCH: usize = 64;

/// Awaitables that wait for a permit in a slot of this ring, each; more wait outside. Their slots
/// are resident only when used.
const MAX_PARKED: usize = 16 << 10;

pub(crate) struct EngineRing<B> {
    pub(crate) backend: B,
    pub(crate) slots: Slots,
    pub(crate) submission: Submission,
    pub(crate) completion: Completions,
    pub(crate) histogram: LatencyHistogram,
    pub(crate) meters: Meters,
    pub(crate) fixed: Fixed,
}

/// What submitters write, on cache lines of its own.
#[repr(align(128))]
pub(crate) struct Submission {
    push: Guarded<PushEnd>,
    /// User operations ever submitted. Written under `push`.
    pub(crate) submitted: AtomicU64,
    /// Those of them that use registered buffers. Written under `push`.
    pub(crate) registered: AtomicU64,
    /// How many may be in flight: this ring's share of the engine's limit, at most its entries.
    /// Written under `push`, when shares are dealt or borrowed.
    pub(crate) limit: AtomicU32,
    /// Queued operations that make a batch worth handing over. Written with `limit`.
    pub(crate) batch_threshold: AtomicU32,
    /// What makes the next one, and those after it: fewer, while the kernel has little to work at.
    /// See `pace`.
    pub(crate) batch_next: AtomicU32,
    pub(crate) batch_later: AtomicU32,
    /// Submissions that found the limit reached. Written under `push`.
    pub(crate) gated: AtomicU64,
    /// How many of them wait in the queue of parked operations. Written under `push`.
    pub(crate) parked: AtomicU64,
}

/// What the poller writes, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Completions {
    /// User operations ever completed, which gives their permits back.
    pub(crate) completed: AtomicU64,
    /// Those of them that are being called back, or have been: not those that were taken off the queue
    /// to make room. Counted before their callbacks run.
    pub(crate) called: AtomicU64,
    /// Those of them whose callbacks have returned.
    pub(crate) delivered: AtomicU64,
    /// Those of them that used registered buffers.
    pub(crate) registered: AtomicU64,
    /// The most that was ever in flight; exact, because in-flight falls only while it is updated.
    pub(crate) peak: AtomicU32,
    /// Throughput of the last window as `f64` bits, bytes per second.
    pub(crate) throughput_bps: AtomicU64,
    /// When the sleep began that the poller last woke up from with completions of this ring.
    pub(crate) slept_at_ns: AtomicU64,
    /// `submitted` at that moment.
    pub(crate) submitted_at_wake: AtomicU64,
    /// Visits in a row that found the ring idle; a ring is not struck off the active ones at the
    /// first, or a program that keeps one operation in flight would pay for it each time.
    pub(crate) idle_visits: AtomicU32,
}

/// Guarded by the submission lock.
#[derive(Debug)]
pub(crate) struct PushEnd {
    pub(crate) free: FreeSlots,
    pub(crate) parked: Parked,
    /// Operations queued since the last hand-over.
    pub(crate) batched: Batched,
    /// When the first of them was queued; all of them count as submitted then. Never falls.
    pub(crate) opened_ns: u64,
    pub(crate) given_away: GivenAway,
    pub(crate) late: Late,
}

/// A count of queued operations, which changes under the submission lock only.
///
/// An atomic without need of one: in optimised builds of rustc 1.95 the store of a plain integer was
/// left out where `push_own` was inlined into a long function, and the operation never handed over
/// (a test repeats that: `a_failure_that_repeating_does_not_mend_is_reported`, optimised). Relaxed
/// loads and stores cost the same.
#[derive(Debug, Default)]
pub(crate) struct Batched {
    count: AtomicU32,
    /// The flusher was told of them.
    told: AtomicBool,
}

impl PushEnd {
    /// Tells what is queued next its time, if that is the first of a batch.
    #[inline]
    pub(crate) fn open_batch(&mut self, clock_ns: impl FnOnce() -> u64) {
        if self.batched.get() == 0 {
            self.opened_ns = self.opened_ns.max(clock_ns());
        }
    }
}

impl Submission {
    /// Sets what makes a batch worth handing over. See `pace` for what becomes of it.
    pub(crate) fn set_batch(&self, operations: u32) {
        self.batch_threshold.store(operations, Ordering::Relaxed);
        self.set_pace(operations, operations);
    }

    /// Sets what makes the next batch, and those after it.
    pub(crate) fn set_pace(&self, next: u32, later: u32) {
        self.batch_next.store(next, Ordering::Relaxed);
        self.batch_later.store(later, Ordering::Relaxed);
    }
}

impl Batched {
    #[inline]
    pub(crate) fn get(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn set(&self, count: u32) {
        self.count.store(count, Ordering::Relaxed);
        self.told.store(false, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn add(&self, count: u32) {
        self.count.store(self.get() + count, Ordering::Relaxed);
    }

    /// Sets it to zero and returns what it was: the caller takes responsibility for as many.
    #[inline]
    pub(crate) fn take(&self) -> u32 {
        let count = self.get();
        self.set(0);
        count
    }

    /// Whether the flusher has to be told of them, which the caller does then.
    pub(crate) fn begin_telling(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }
}

/// Adds to a counter that has one writer at a time.
#[inline]
pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
}

/// What came of handing over.
pub(crate) enum HandedOver {
    All,
    /// The kernel has no memory or wants completions reaped first: try again later.
    Later,
}

impl<B: Backend> EngineRing<B> {
    pub(crate) fn new(config: &RingConfig, unlocked: bool) -> Result<Self> {
        let backend = B::create(config)?;
        let entries = backend.entries();
        // Slots are freed in bulk after a batch of callbacks, while in-flight falls before it.
        let slots = (entries as usize + 2 * BATCH + MAX_PARKED).min(MAX_SLOTS);
        let (slots, free) = Slots::new(slots).map_err(Error::os("mapping the slots"))?;
        let push = PushEnd {
            free,
            parked: Parked::default(),
            batched: Batched::default(),
            opened_ns: 0,
            given_away: GivenAway::default(),
            late: Late::default(),
        };
        Ok(Self {
            backend,
            slots,
            submission: Submission {
                // SAFETY: with `unlocked`, `Door` lets a single thread into the engine, and
                // no function here calls back while it holds the guard.
                push: unsafe { Guarded::new(push, unlocked) },
                submitted: AtomicU64::new(0),
                registered: AtomicU64::new(0),
                limit: AtomicU32::new(entries),
                batch_threshold: AtomicU32::new(BATCH as u32),
                batch_next: AtomicU32::new(BATCH as u32),
                batch_later: AtomicU32::new(BATCH as u32),
                gated: AtomicU64::new(0),
                parked: AtomicU64::new(0),
            },
            completion: Completions::default(),
            histogram: LatencyHistogram::new(),
            meters: Meters::default(),
            fixed: Fixed::default(),
        })
    }

    #[inline]
    pub(crate) fn lock(&self) -> Guard<'_, PushEnd> {
        self.submission.push.lock()
    }

    /// User operations in flight.
    #[inline]
    pub(crate) fn in_flight(&self) -> u64 {
        let completed = self.completion.completed.load(Ordering::Acquire);
        // Read second, so that the difference is never negative.
        self.submission.submitted.load(Ordering::Acquire).saturating_sub(completed)
    }

    /// User operations whose callbacks have not begun.
    pub(crate) fn pending(&self) -> u64 {
        let called = self.completion.called.load(Ordering::Acquire);
        // Read second, as above.
        self.submission.submitted.load(Ordering::Acquire).saturating_sub(called)
    }

    /// Whether the limit allows one more. Under the lock, or it may be old news.
    #[inline]
    pub(crate) fn has_permit(&self) -> bool {
        self.in_flight() < u64::from(self.submission.limit.load(Ordering::Relaxed))
    }

    /// User operations in flight, or whose callbacks have not returned, or that wait for a permit.
    pub(crate) fn outstanding(&self) -> u64 {
        let delivered = self.completion.delivered.load(Ordering::Acquire);
        let submitted = self.submission.submitted.load(Ordering::Acquire);
        submitted.saturating_sub(delivered) + self.submission.parked.load(Ordering::Acquire)
    }

    /// User operations on registered buffers in flight.
    pub(crate) fn registered_in_flight(&self) -> u64 {
        let completed = self.completion.registered.load(Ordering::Acquire);
        self.submission.registered.load(Ordering::Acquire).saturating_sub(completed)
    }

    /// The file that has this name is about to get another one, or none: what is in flight on it must not
    /// be repeated any more.
    pub(crate) fn give_away(&self, name: FileName) {
        let mut end = self.lock();
        if self.in_flight() == 0 {
            end.given_away.forget();
            return;
        }
        let now_ns = end.opened_ns;
        end.opened_ns += 1; // What is submitted from now on is later.
        end.given_away.note(name, now_ns, &self.slots);
    }

    /// Queues an operation of the engine's own, or one again that was taken before. `false` when
    /// there is no room.
    ///
    /// # Safety
    ///
    /// As [`Backend::push`]; the guard is this ring's.
    pub(crate) unsafe fn push_own(&self, end: &mut PushEnd, sqe: &Sqe) -> bool {
        // SAFETY: the guard excludes other pushers, the caller vouches for the memory.
        let pushed = unsafe { self.backend.push(sqe) }.is_ok();
        end.batched.add(u32::from(pushed));
        pushed
    }

    /// Hands over what is queued, if anything is.
    #[inline]
    pub(crate) fn flush(&self) -> io::Result<HandedOver> {
        let end = self.lock();
        let queued = end.batched.take();
        if queued == 0 {
            return Ok(HandedOver::All);
        }
        drop(end); // The kernel may execute operations right away; others must not wait for that.
        self.hand_over(queued)
    }

    /// Hands over `queued` operations, for which the caller has taken responsibility by setting
    /// `batched` to zero.
    #[inline]
    pub(crate) fn hand_over(&self, queued: u32) -> io::Result<HandedOver> {
        match self.backend.submit() {
            Ok(taken) if taken >= queued => return Ok(HandedOver::All),
            // Fewer: somebody else handed them over in between, or the kernel stopped early.
            Ok(_) => {}
            Err(error) if is_temporary(&error) => {}
            Err(error) => return Err(error),
        }
        self.count_queued()
    }

    /// Hands over until the kernel has taken everything that was queued when this was called,
    /// whoever had taken responsibility for it. `false` if it does not for a second.
    pub(crate) fn empty_queue(&self) -> io::Result<bool> {
        let patience = Instant::now() + Duration::from_secs(1);
        while self.backend.queued() > 0 {
            match self.backend.submit() {
                Err(error) if !is_temporary(&error) => return Err(error),
                // Nothing taken: another thread is at it, or the kernel has no memory just now.
                Ok(0) | Err(_) if Instant::now() > patience => return Ok(false),
                Ok(0) | Err(_) => std::thread::sleep(Duration::from_micros(20)),
                Ok(_) => {}
            }
        }
        Ok(true)
    }

    /// Sets `batched` to what really is queued, after something went differently than planned.
    pub(crate) fn count_queued(&self) -> io::Result<HandedOver> {
        let end = self.lock();
        end.batched.set(self.backend.queued());
        Ok(if end.batched.get() == 0 { HandedOver::All } else { HandedOver::Later })
    }
}

/// Whether the kernel will take the same call later.
pub(crate) fn is_temporary(error: &io::Error) -> bool {
    let errno = error.raw_os_error();
    matches!(errno, Some(libc::EAGAIN | libc::EBUSY | libc::EINTR | libc::ENOMEM))
}
