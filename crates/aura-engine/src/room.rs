//! Making room for a submission that found none: without calling anybody back, and without
//! exceeding the engine's limit.

use std::sync::atomic::Ordering;

use crate::account::Batch;
use crate::backend::Backend;
use crate::engine::Engine;
use crate::poll::{Poller, Visit};
use crate::ring::EngineRing;

impl<B: Backend> Engine<B> {
    /// Takes completions off a ring's queue to make room for a submitter, without calling back:
    /// the submitter may hold locks that the callbacks want.
    pub(crate) fn make_room(&self, index: usize) {
        self.flush_ring(index);
        let mut visit = self.gate.try_enter().map(|inside| self.visit(inside));
        if let Some(poller) = visit.as_mut().map(Visit::poller)
            && poller.stash.is_empty()
        {
            let mut batch = std::mem::take(&mut poller.batch);
            if self.take_batch(poller, index, &mut batch) > 0 {
                poller.stash.extend(batch.done().iter().map(|done| (index, *done)));
            }
            poller.batch = batch;
            if !poller.stash.is_empty() && self.attention.is_poll_fd_in_use() {
                // Their arrival in the queue announced them to whoever watches the descriptor;
                // now that they left the queue, something else has to.
                self.wake();
            }
        }
        drop(visit);
        self.borrow_share(index);
    }

    pub(crate) fn deliver_stash(&self, poller: &mut Poller) -> usize {
        if poller.stash.is_empty() {
            return 0;
        }
        let stash = std::mem::take(&mut poller.stash);
        for (index, done) in &stash {
            self.deliver(*index, &Batch::of(*done, B::now_ns()));
        }
        stash.len()
    }

    /// Lets a ring at its share have half of what other rings do not use of theirs, until shares
    /// are dealt out anew. The sum stays the same.
    pub(crate) fn borrow_share(&self, index: usize) {
        if self.rings.len() == 1 {
            return;
        }
        let ring = &self.rings[index];
        let limit = |ring: &EngineRing<B>| ring.submission.limit.load(Ordering::Relaxed);
        let mut wanted = ring.backend.entries().saturating_sub(limit(ring));
        if u64::from(limit(ring)) > ring.in_flight() {
            return;
        }
        let mut borrowed = 0;
        for other in self.rings.iter().filter(|other| !std::ptr::eq(*other, ring)) {
            let _writer = other.lock();
            let unused = u64::from(limit(other)).saturating_sub(other.in_flight());
            let lent = (unused.div_ceil(2) as u32).min(wanted);
            other.submission.limit.store(limit(other) - lent, Ordering::Relaxed);
            (borrowed, wanted) = (borrowed + lent, wanted - lent);
        }
        let _writer = ring.lock();
        ring.submission.limit.store(limit(ring) + borrowed, Ordering::Relaxed);
    }
}
