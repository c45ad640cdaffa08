//! How many queued operations are worth a system call at the moment.
//!
//! Large batches save processor time, but a device works at nothing while one is being collected: where
//! completions come in bursts, as they do from virtual disks, handing over thirty reads at once leaves it
//! idle for as long as thirty submissions take (0.85 of the throughput at depth 32 on a virtio disk). So
//! after a sleep that ended in a burst, and unless the kernel has enough left to do, the first operation is
//! handed over at once and the others in small portions.
//!
//! Where operations complete as they are handed over, nothing is idle, and batches stay large.

use std::sync::atomic::Ordering;

use crate::backend::Backend;
use crate::engine::Engine;
use crate::poll::Poller;
use crate::ring::EngineRing;

/// The time that a read from the page cache takes at most. A sleep that handed over so and so many
/// operations and was no longer than that for each was none: they were carried out meanwhile.
const CACHED_NS: u64 = 3_000;
/// Where there was one completion only, the call that sleeps hands over what replaces it.
const LEAST_BURST: u64 = 2;
/// Parts in which a burst is replaced.
const PORTIONS: u64 = 16;
/// A system call for fewer costs more processor time than it gives the device.
const LEAST_PORTION: u64 = 2;
/// So many portions left in the kernel keep a device busy meanwhile.
const PLENTY: u64 = 16;

impl<B: Backend> Engine<B> {
    /// After completions of a ring were accounted for: how many operations are worth handing over until
    /// the next.
    #[inline]
    pub(crate) fn set_pace(
        &self,
        poller: &Poller,
        ring: &EngineRing<B>,
        now_ns: u64,
        taken: usize,
    ) {
        let (submission, completion) = (&ring.submission, &ring.completion);
        let submitted = submission.submitted.load(Ordering::Relaxed);
        let most = submission.batch_threshold.load(Ordering::Relaxed);
        if completion.slept_at_ns.load(Ordering::Relaxed) != poller.parked_at_ns {
            completion.slept_at_ns.store(poller.parked_at_ns, Ordering::Relaxed);
            completion.submitted_at_wake.store(submitted, Ordering::Relaxed);
            match self.portion_after_sleep(poller, ring, now_ns, taken as u64) {
                Some(portion) => submission.set_pace(1, portion.min(most)),
                None => submission.set_pace(most, most),
            }
        } else if submission.batch_later.load(Ordering::Relaxed) < most {
            // Nothing is left of what was handed over since: the kernel waits for us, not for a device.
            let has_submitted = submitted != completion.submitted_at_wake.load(Ordering::Relaxed);
            if has_submitted && ring.in_flight() <= u64::from(ring.backend.queued()) {
                submission.set_pace(most, most);
            }
        }
    }

    /// How many to hand over at a time after a burst; none if that is not worth it.
    fn portion_after_sleep(
        &self,
        poller: &Poller,
        ring: &EngineRing<B>,
        now_ns: u64,
        taken: u64,
    ) -> Option<u32> {
        let slept_ns = now_ns.saturating_sub(poller.parked_at_ns);
        let was_inline = slept_ns < u64::from(poller.queued_at_sleep) * CACHED_NS;
        let is_fixed = self.published.fixed_batch.load(Ordering::Relaxed) != 0;
        if is_fixed || was_inline || taken < LEAST_BURST {
            return None;
        }
        let portion = (taken / PORTIONS).max(LEAST_PORTION);
        (ring.in_flight() < PLENTY * portion).then_some(portion as u32)
    }
}
