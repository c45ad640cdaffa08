//! Holding a depth that a search asks for.

use super::{Io, LOOK_AROUND_MS};
use crate::run::failure::Failure;
use crate::run::worker::fixed_options;

impl Io<'_> {
    /// From now on so many I/Os are in flight, whatever the controller would say: the first time, another
    /// engine takes over, which has none.
    #[cold]
    pub(super) fn hold(&mut self, depth: u32) -> Result<(), Failure> {
        if !self.is_held {
            while self.queue.in_flight() > 0 {
                self.queue.wait(LOOK_AROUND_MS).map_err(Failure::of_engine)?;
                self.reap()?;
            }
            let options = fixed_options(self.depth_max);
            let queue = self.queue.successor(options).map_err(Failure::of_engine)?;
            self.slots_before = self.queue.slots();
            self.queue = queue;
            self.contexts.clear();
            self.idle.clear();
            self.is_held = true;
        }
        self.depth = depth;
        Ok(())
    }

    /// The most I/Os that were in flight.
    pub(in crate::run) fn peak_in_flight(&self) -> u32 {
        self.queue.slots().max(self.slots_before)
    }
}
