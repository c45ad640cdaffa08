//! The engine: what it is made of, its creation, its state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use aura_bufpool::{Pool, PoolOptions};
use aura_ring::{Cause, Ring, RingConfig};

use crate::attention::{ActiveRings, Attention};
use crate::backend::Backend;
use crate::clock;
use crate::config::Config;
use crate::directory;
use crate::drive::Drivers;
use crate::errands::Errand;
use crate::error::{Error, Result};
use crate::files::Leftover;
use crate::flusher::Flusher;
use crate::gate::Gate;
use crate::late::Held;
use crate::lock::Door;
use crate::log::say;
use crate::poll::Poller;
use crate::resources::Resources;
use crate::ring::EngineRing;
use crate::select::Selector;
use crate::slabs::Slabs;
use crate::sleep::Bed;
use crate::to_do::ToDo;
use crate::tuner::{self, NewTarget, Published, Tuner};

/// Rings, slots, controller, pool and histograms, composed: the whole of asynchronous file I/O on
/// this machine, for any number of submitting threads and one processing thread at a time.
///
/// # Synchronization
///
/// Submitters take the lock of one ring. Processing completions happens inside `gate`. The two
/// meet in `attention` and `active`, whose protocol is described in `attention`. Everything else
/// is read-only after creation, or relaxed counters.
pub struct Engine<B: Backend = Ring> {
    pub(crate) id: u16,
    pub(crate) rings: Box<[EngineRing<B>]>,
    pub(crate) selector: Selector,
    pub(crate) door: Door,
    pub(crate) gate: Gate<Poller>,
    pub(crate) attention: Attention,
    pub(crate) active: ActiveRings,
    pub(crate) resources: Resources,
    pub(crate) leftovers: ToDo<Leftover>,
    pub(crate) held: ToDo<Held>,
    pub(crate) published: Published,
    pub(crate) drivers: Drivers,
    pub(crate) errands: ToDo<Errand>,
    /// When the batch was taken whose callbacks are running, 0 when none are. By the poller.
    pub(crate) dispatching_ns: AtomicU64,
    /// Submissions that went to another ring than the CPU's own.
    pub(crate) spills: AtomicU64,
    pub(crate) callback_panics: AtomicU64,
    /// A misaligned direct operation was explained in the log.
    pub(crate) misalignment_said: AtomicBool,
    /// The most that was ever in flight on all rings together. By the poller.
    pub(crate) peak_in_flight: AtomicU64,
    /// The first `errno` that made a ring unusable, 0 while all is well. Written once.
    fatal: AtomicI32,
    /// No new operations. Set once, before anything is torn down.
    closing: AtomicBool,
    /// What was in flight has had its time to complete and to be cancelled.
    pub(crate) settled: AtomicBool,
    pub(crate) stopping: AtomicBool,
    pub(crate) bed: Bed,
    pub(crate) flusher: Flusher,
    pub(crate) pool: Pool,
    pub(crate) slabs: Arc<Slabs>,
    config: Config,
    pub(crate) created_ns: u64,
    /// The same moment in nanoseconds since 1970.
    pub(crate) created_unix_ns: u64,
}

impl<B: Backend> Engine<B> {
    /// Creates an engine.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] naming the setting that makes no sense; [`Error::Setup`] naming why the
    /// kernel refused a ring, and the remedy; [`Error::Os`] for memory and descriptors.
    pub fn create(config: &Config) -> Result<Arc<Self>> {
        config.validate()?;
        let count = config.ring_count.map_or_else(cpus, |count| count as usize);
        let ring_config = RingConfig {
            entries: config.queue_depth,
            sqpoll_idle: config.sqpoll_idle,
            // With several rings the poller may sleep in epoll, where the kernel's cooperation would
            // look like an interruption.
            one_thread: config.single_thread && count == 1,
            thread_bound: config.thread_bound,
            // An operation, the wake-up and a cancellation: one more than the kernel's two for depth 1.
            cq_entries: (config.queue_depth == 1).then_some(4),
        };
        let rings = create_rings::<B>(count, &ring_config, config)?;
        let now_ns = B::now_ns();
        let depth = rings[0].backend.entries();
        let tuner = Tuner::new(config, rings.len(), depth, now_ns)?;
        let slabs = Slabs::new();
        let engine = Self {
            id: 0,
            selector: Selector::new(config.ring_select, rings.len()),
            door: Door::new(config).map_err(Error::os("mapping a page"))?,
            // SAFETY: with `single_thread`, `Door` lets a single thread into the engine.
            gate: unsafe { Gate::new(Poller::new(tuner, rings.len()), config.single_thread) },
            attention: Attention::default(),
            active: ActiveRings::new(rings.len()),
            resources: Resources::default(),
            leftovers: ToDo::default(),
            held: ToDo::default(),
            published: Published::default(),
            drivers: Drivers::default(),
            errands: ToDo::default(),
            dispatching_ns: AtomicU64::new(0),
            spills: AtomicU64::new(0),
            callback_panics: AtomicU64::new(0),
            misalignment_said: AtomicBool::new(false),
            peak_in_flight: AtomicU64::new(0),
            fatal: AtomicI32::new(0),
            closing: AtomicBool::new(false),
            settled: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            bed: Bed::new()?,
            flusher: Flusher::default(),
            pool: make_pool(config, slabs.clone())?,
            slabs: slabs.clone(),
            config: config.clone(),
            created_ns: now_ns,
            created_unix_ns: clock::unix_ns(),
            rings,
        };
        engine.report_degradations();
        engine.start_limits();
        let engine = directory::enter(engine)?;
        slabs.belong_to(&engine);
        Ok(engine)
    }

    /// Limits and phase before the first window.
    fn start_limits(&self) {
        let entries: u32 = self.rings.iter().map(|ring| ring.backend.entries()).sum();
        let first = self.gate.try_enter().and_then(|poller| {
            self.published.announce_target(poller.tuner.target_ns);
            poller.tuner.first()
        });
        if let Some(decision) = first {
            self.published.announce(&decision);
            return;
        }
        // Without a controller: what was asked for, or whatever fits.
        let fixed = self.config.initial_in_flight.unwrap_or(entries);
        let alike = vec![0; self.rings.len()];
        for (ring, share) in self.rings.iter().zip(tuner::shares(fixed, &alike)) {
            ring.submission.limit.store(share, Ordering::Relaxed);
        }
        self.published.limit.store(fixed, Ordering::Relaxed);
        self.published.batch.store(crate::ring::BATCH as u32, Ordering::Relaxed);
        self.published.phase.store(aura_aimd::Phase::Steady as i32, Ordering::Relaxed);
    }

    fn report_degradations(&self) {
        if let Some(errno) = self.rings[0].backend.sqpoll_refused() {
            let error = std::io::Error::from_raw_os_error(errno);
            say!(Warning, "no submission polling ({error}); submitting by system call instead");
        }
    }

    /// The number in this engine's handles.
    #[must_use]
    pub fn id(&self) -> u16 {
        self.id
    }

    /// How many rings it has.
    #[must_use]
    pub fn ring_count(&self) -> usize {
        self.rings.len()
    }

    /// The settings it was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The pool of aligned buffers.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// When it was created, in nanoseconds of `CLOCK_MONOTONIC`.
    #[must_use]
    pub fn created_ns(&self) -> u64 {
        self.created_ns
    }

    /// Operations in flight on all rings.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.rings.iter().map(EngineRing::in_flight).sum()
    }

    /// Operations that the caller still has to process completions for: those in flight, and those
    /// that have completed at the limit and wait for a `poll` to call them back.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.rings.iter().map(EngineRing::pending).sum()
    }

    /// Operations on all rings that are in flight, or whose callbacks have not returned.
    pub(crate) fn outstanding(&self) -> u64 {
        self.rings.iter().map(EngineRing::outstanding).sum()
    }

    /// Changes the latency target while the engine runs; `None` goes back to the automatic
    /// ceiling. It takes effect at the end of the controller's present window.
    pub fn set_target_p99(&self, target: Option<Duration>) {
        *tuner::lock(&self.published.new_target) = Some(NewTarget(target.map(clock::ns)));
    }

    /// The `errno` that made the engine unusable, or `None` while it works. Once there is one, new
    /// operations are refused with [`Error::Shutdown`].
    #[must_use]
    pub fn fatal_error(&self) -> Option<i32> {
        Some(self.fatal.load(Ordering::Acquire)).filter(|errno| *errno != 0)
    }

    /// By the thread inside the gate, when it has found nothing to process.
    pub(crate) fn check_fatal(&self) -> Result<()> {
        match self.fatal_error() {
            None => Ok(()),
            Some(errno) => {
                // Nobody will hear of what is in flight any more.
                self.give_up_awaited();
                let source = std::io::Error::from_raw_os_error(errno);
                Err(Error::Os { attempted: "the engine has a fatal error", source })
            }
        }
    }

    /// Remembers the first error after which a ring cannot be used any more.
    #[cold]
    pub(crate) fn latch_fatal(&self, error: &std::io::Error) {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        if self.fatal.compare_exchange(0, errno, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            say!(Error, "io_uring_enter: {error}; the engine takes no more operations");
            self.wake(); // To hear of it.
        }
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closing.load(Ordering::Relaxed) || self.fatal.load(Ordering::Relaxed) != 0
    }

    /// Refuses operations from now on; whether this is the first call.
    pub(crate) fn close(&self) -> bool {
        !self.closing.swap(true, Ordering::SeqCst)
    }
}

/// Fewer than wanted if the number is of our own choosing and the memory that may be locked is
/// used up: on a machine with many CPUs the usual limit is not enough for a ring each.
fn create_rings<B: Backend>(
    count: usize,
    ring_config: &RingConfig,
    config: &Config,
) -> Result<Box<[EngineRing<B>]>> {
    let mut rings = Vec::with_capacity(count);
    while rings.len() < count {
        match EngineRing::new(ring_config, config.single_thread) {
            Ok(ring) => rings.push(ring),
            Err(Error::Setup(error))
                if config.ring_count.is_none()
                    && !rings.is_empty()
                    && matches!(error.cause(), Cause::LockedMemory { .. }) =>
            {
                say!(Warning, "{} rings instead of {count}: {error}", rings.len());
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(rings.into())
}

/// CPUs that the process may run on.
fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(crate::handle::MAX_RINGS)
}

fn make_pool(config: &Config, slabs: Arc<Slabs>) -> Result<Pool> {
    let mut options = PoolOptions::new().observer(slabs);
    if let Some(alignment) = config.buffer_alignment {
        options = options.alignment(alignment);
    }
    Pool::new(options).map_err(|error| match error {
        aura_bufpool::CreateError::Reserve(source) => {
            Error::Os { attempted: "reserving address space for buffers", source }
        }
        _ => Error::Invalid("buffer_alignment is not one that the pool can give"),
    })
}

impl<B: Backend> std::fmt::Debug for Engine<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("id", &self.id)
            .field("rings", &self.rings.len())
            .field("in_flight", &self.in_flight())
            .field("fatal", &self.fatal_error())
            .finish_non_exhaustive()
    }
}
