//! Taking completions off a ring's queue and accounting for them: counters, latencies, permits.
//!
//! The first of the three passes of `poll`, and all that happens to completions which a submitter
//! takes when it looks for room. Everything here runs inside the engine's gate.

use std::sync::atomic::Ordering;

use aura_ring::{Cqe, Parts};

use crate::backend::Backend;
use crate::engine::Engine;
use crate::explain;
use crate::handle::{Label, SlotName};
use crate::log::say;
use crate::poll::Poller;
use crate::repeat::Repeat;
use crate::ring::{BATCH, EngineRing, add};
use crate::slot::{Completed, LATE, REGISTERED_BUFFER};
use crate::tuner::Tuner;

/// A sleep that ends sooner was none: no device answers in that time.
const INLINE_NS: u64 = 8_000;

/// A completed operation whose callback is to be called.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    pub(crate) slot: u32,
    pub(crate) result: i32,
}

/// What became of an operation whose completion was taken.
enum Fate {
    /// Its callback is to be called.
    Over(Done),
    /// It was queued once more.
    Repeated,
    /// It is to be queued once more when there is room.
    PutOff,
    Unknown,
}

/// A batch of them. Its memory is used again and again.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Where completions are taken to: room for [`BATCH`].
    cqes: Vec<Cqe>,
    done: Vec<Done>,
    /// Some of these may be [`LATE`].
    late: bool,
    /// When they were taken.
    now_ns: u64,
}

impl<B: Backend> Engine<B> {
    /// Takes a batch off the ring's queue and accounts for it: permits are released here.
    pub(crate) fn take_batch(&self, poller: &mut Poller, index: usize, batch: &mut Batch) -> usize {
        let ring = &self.rings[index];
        // SAFETY: this thread is inside the gate, so it is the only one reaping.
        let taken = unsafe { ring.backend.reap(&mut batch.cqes) };
        if taken > 0 {
            self.account_for(poller, index, batch, taken);
        }
        taken
    }

    /// Accounts for the first `taken` completions of a batch, and lists those whose callbacks are
    /// to be called.
    pub(crate) fn account_for(
        &self,
        poller: &mut Poller,
        index: usize,
        batch: &mut Batch,
        taken: usize,
    ) {
        let ring = &self.rings[index];
        batch.done.clear();
        let now_ns = B::now_ns();
        let slept = std::mem::take(&mut poller.slept);
        if slept {
            poller.completes_inline = now_ns.saturating_sub(poller.parked_at_ns) < INLINE_NS;
        }
        poller.tuner.at_work(now_ns, slept);
        self.note_peaks(ring, poller);
        batch.now_ns = now_ns;
        let Tuner { epoch_ns, target_ns, .. } = poller.tuner;
        let mut sums = Sums { now_ns, epoch_ns, target_ns, ..Sums::default() };
        for position in 0..taken {
            let cqe = batch.cqes[position];
            match Label::decode(cqe.user_data) {
                Label::Operation(name) => match self.account(ring, name, cqe.result, &mut sums) {
                    Fate::Over(done) => batch.done.push(done),
                    Fate::Repeated => poller.repeats = true,
                    Fate::PutOff => poller.put_off.push((index, cqe)),
                    Fate::Unknown => {}
                },
                Label::Wake => {
                    poller.wake_armed[index] = false;
                    poller.woken |= self.take_wake();
                }
                Label::Cancel => {}
            }
        }
        batch.late = sums.late;
        add(&ring.completion.registered, sums.registered);
        poller.tuner.latency_sum_ns += sums.latency_ns;
        poller.tuner.samples += sums.samples;
        poller.tuner.over_target += sums.over_target;
        // Last, and with release: a submitter that sees the permits sees the slots' state too.
        let completed = ring.completion.completed.load(Ordering::Relaxed) + batch.done.len() as u64;
        ring.completion.completed.store(completed, Ordering::Release);
        self.set_pace(poller, ring, now_ns, taken);
        self.tick(poller, now_ns);
    }

    /// Before anything is accounted for: what is in flight falls only while it is.
    fn note_peaks(&self, ring: &EngineRing<B>, poller: &mut Poller) {
        let on_ring = u32::try_from(ring.in_flight()).unwrap_or(u32::MAX);
        if on_ring > ring.completion.peak.load(Ordering::Relaxed) {
            ring.completion.peak.store(on_ring, Ordering::Relaxed);
        }
        let mut in_flight = 0;
        self.active.for_each(|ring| in_flight += self.rings[ring].in_flight());
        if in_flight > self.peak_in_flight.load(Ordering::Relaxed) {
            self.peak_in_flight.store(in_flight, Ordering::Relaxed);
        }
        poller.tuner.in_flight_max = poller.tuner.in_flight_max.max(in_flight);
    }

    /// Accounts for one completion.
    #[inline]
    fn account(&self, ring: &EngineRing<B>, name: SlotName, result: i32, sums: &mut Sums) -> Fate {
        let slot = match ring.slots.get(name.slot) {
            Some(slot) if slot.is_in_flight(name.generation) => slot,
            _ => {
                say!(Error, "a completion of an unknown operation ({name:?}): {result}");
                return Fate::Unknown;
            }
        };
        if result < 0 {
            if result == -libc::EINVAL && !self.misalignment_said.load(Ordering::Relaxed) {
                // SAFETY: its completion is in our hands.
                let operation = unsafe { slot.sqe() }.parts();
                let fd = if Parts::FIXED_FILE & operation.flags == 0 { operation.fd } else { -1 };
                if let Some(misaligned) = explain::misalignment(slot.kind(), fd, &operation) {
                    say!(Warning, "{misaligned}; later ones are not reported");
                    self.misalignment_said.store(true, Ordering::Relaxed);
                }
            }
            // SAFETY: its completion is in our hands.
            match unsafe { self.repeat(ring, slot, result) } {
                Repeat::No => {}
                Repeat::Queued => return Fate::Repeated,
                Repeat::NoRoom => return Fate::PutOff,
            }
        }
        // SAFETY: as above, and this thread is the reaping one.
        let Completed { kind, flags, submitted_ns } = unsafe { slot.complete() };
        let latency_ns = sums.now_ns.saturating_sub(submitted_ns);
        ring.meters.record(kind, latency_ns, result);
        if result >= 0 && kind.transfers_data() {
            if submitted_ns >= sums.epoch_ns {
                sums.samples += 1;
                sums.over_target += u64::from(latency_ns > sums.target_ns);
                ring.histogram.record(latency_ns);
            } else {
                ring.histogram.record_cumulative_only(latency_ns);
            }
        }
        sums.latency_ns += latency_ns;
        sums.registered += u64::from(flags & REGISTERED_BUFFER != 0);
        sums.late |= flags & LATE != 0;
        Fate::Over(Done { slot: name.slot, result })
    }
}

/// What a batch adds to the counters, and what its operations are judged by.
#[derive(Default)]
struct Sums {
    now_ns: u64,
    epoch_ns: u64,
    target_ns: u64,
    registered: u64,
    late: bool,
    latency_ns: u64,
    samples: u64,
    over_target: u64,
}

impl Batch {
    pub(crate) fn new() -> Self {
        let cqes = vec![Cqe::default(); BATCH];
        Self { cqes, done: Vec::with_capacity(BATCH), late: false, now_ns: 0 }
    }

    /// One that was put off, to be accounted for now.
    pub(crate) fn of_cqe(cqe: Cqe) -> Self {
        Self { cqes: vec![cqe], done: Vec::new(), late: false, now_ns: 0 }
    }

    /// One that was accounted for earlier, to be delivered now.
    pub(crate) fn of(done: Done, now_ns: u64) -> Self {
        Self { cqes: Vec::new(), done: vec![done], late: true, now_ns }
    }

    /// When they were taken.
    pub(crate) fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Those whose callbacks are to be called.
    pub(crate) fn done(&self) -> &[Done] {
        &self.done
    }

    /// Whether some of these may be [`LATE`].
    pub(crate) fn any_late(&self) -> bool {
        self.late
    }
}
