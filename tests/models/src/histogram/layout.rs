//! Two slots instead of hundreds: each is a place more where threads could take turns.

pub(crate) const BUCKETS: usize = 1;
pub(crate) const OVERFLOW_SLOT: usize = BUCKETS;
pub(crate) const SLOTS: usize = BUCKETS + 1;
pub(crate) const NS_PER_US: u64 = 1000;
pub(crate) const MAX_TRACKED_US: u32 = 1;

pub(crate) const fn slot_of_ns(latency_ns: u64) -> usize {
    (latency_ns >= NS_PER_US) as usize
}

pub(crate) const fn slot_lower_ns(slot: usize) -> u64 {
    slot as u64 * NS_PER_US
}
