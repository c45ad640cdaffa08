//! What is being controlled: the trait, and an operation as a device sees it.

use crate::rng::Rng;

/// One operation as a device sees it.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Names the operation until the device has finished it.
    pub id: u32,
    /// Size in bytes.
    pub bytes: u32,
}

/// Something that takes operations and finishes them later. Implement it to bring a device of your
/// own.
///
/// The simulation calls [`advance`](Self::advance) when the clock has reached
/// [`next_event_ns`](Self::next_event_ns), never later, and between two such moments only
/// [`submit`](Self::submit). All chance comes from the generator that is passed in, so that a seed
/// repeats a run.
pub trait Device {
    /// Takes an operation at time `now_ns`.
    fn submit(&mut self, now_ns: u64, operation: Operation, rng: &mut Rng);
    /// When something will happen next; `u64::MAX` for never.
    fn next_event_ns(&self) -> u64;
    /// Lets everything due at `now_ns` happen and appends the ids of finished operations.
    fn advance(&mut self, now_ns: u64, rng: &mut Rng, done: &mut Vec<u32>);
}
