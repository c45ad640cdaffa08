//! What was given to one engine, to be held against what the engine says of itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aura::Engine;

use crate::shift::Shift;
use crate::tally::Came;

/// The operations of one shift on one engine.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) shift: Arc<Shift>,
    /// Operations that the engine has accepted. Relaxed, as all here: read when workers are joined.
    accepted: AtomicU64,
    /// Futures dropped halfway: the engine may have carried their operations out or not.
    abandoned: AtomicU64,
    panics: AtomicU64,
    /// What the engine had done before.
    completed_before: u64,
    panics_before: u64,
}

/// How long an engine may take for what is in flight when all have stopped submitting. Long: the machine
/// may be busy with others.
const DRAIN_MS: i32 = 60_000;

impl Account {
    pub(crate) fn open(shift: &Arc<Shift>, engine: &Engine) -> aura::Result<Arc<Self>> {
        let stats = engine.stats()?;
        Ok(Arc::new(Self {
            shift: shift.clone(),
            accepted: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            completed_before: stats.ops_completed() as u64,
            panics_before: stats.callback_panics(),
        }))
    }

    pub(crate) fn accept(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn abandon(&self, number: usize) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
        self.shift.enter(number, Came::Abandoned);
    }

    pub(crate) fn panic(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits for all that is in flight, and compares.
    pub(crate) fn close(&self, engine: &Engine) -> aura::Result<()> {
        let finding = |what: String| self.shift.tally.finding(what);
        if let Err(error) = engine.drain(DRAIN_MS) {
            finding(format!("{} operations do not end: {error}", engine.pending_count()));
        }
        let stats = engine.stats()?;
        let completed = stats.ops_completed() as u64 - self.completed_before;
        let accepted = self.accepted.load(Ordering::Relaxed);
        let at_most = accepted + self.abandoned.load(Ordering::Relaxed);
        if !(accepted..=at_most).contains(&completed) {
            finding(format!(
                "the engine says that {completed} operations completed, of {accepted} accepted and \
                 {} abandoned",
                at_most - accepted
            ));
        }
        let (panics, heard) =
            (stats.callback_panics() - self.panics_before, self.panics.load(Ordering::Relaxed));
        if panics != heard {
            finding(format!("the engine counts {panics} panics of callbacks, there were {heard}"));
        }
        if stats.current_in_flight() != 0 {
            finding(format!("{} in flight after draining", stats.current_in_flight()));
        }
        let pool = engine.buffer_stats()?;
        if pool.total_buffers() != 0 || pool.total_allocated_bytes() != 0 {
            finding(format!(
                "{} buffers ({} bytes) of the pool are handed out, and nobody has them",
                pool.total_buffers(),
                pool.total_allocated_bytes()
            ));
        }
        match engine.get_fatal_error()? {
            0 => {}
            errno => finding(format!("the engine broke: errno {errno}")),
        }
        Ok(())
    }
}
