//! Settings that can be changed while the engine runs.
//!
//! # Synchronization
//!
//! Any thread writes a wish into `Published`; the thread inside the gate takes it up when it next
//! closes a window, so that the controller is touched by one thread only. Relaxed: a wish carries
//! nothing with it.

use std::sync::atomic::Ordering;

use crate::backend::Backend;
use crate::engine::Engine;
use crate::error::{Error, Result};

impl<B: Backend> Engine<B> {
    /// Changes the floor of the in-flight limit. It takes effect at the end of the controller's
    /// present window; without a controller, never.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for 0, and above what all rings together can have in flight.
    pub fn set_min_in_flight(&self, limit: u32) -> Result<()> {
        if limit == 0 || limit > self.entries() {
            return Err(Error::Invalid("min_in_flight must be 1 to the queue depth of all rings"));
        }
        self.published.new_min_limit.store(limit, Ordering::Relaxed);
        Ok(())
    }

    /// Fixes how many queued operations make a batch worth handing over, from now on; `None`
    /// leaves it to the controller again, from its next decision on.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for 0, and above the queue depth.
    pub fn set_batch_threshold(&self, operations: Option<u32>) -> Result<()> {
        let depth = self.rings[0].backend.entries();
        if operations.is_some_and(|operations| !(1..=depth).contains(&operations)) {
            return Err(Error::Invalid("the batch threshold must be 1 to the queue depth"));
        }
        self.published.fixed_batch.store(operations.unwrap_or(0), Ordering::Relaxed);
        let Some(operations) = operations else { return Ok(()) };
        self.published.batch.store(operations, Ordering::Relaxed);
        for ring in &self.rings {
            ring.submission.set_batch(operations);
        }
        Ok(())
    }

    fn entries(&self) -> u32 {
        self.rings.iter().map(|ring| ring.backend.entries()).sum()
    }
}
