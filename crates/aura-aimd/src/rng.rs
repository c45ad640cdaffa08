//! A seeded source of jitter.

/// SplitMix64 (Steele, Lea and Flood, 2014): one word of state, and good enough to keep two
/// controllers out of step.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.next() >> 63 == 1
    }

    /// `value` times something uniform in 0.75..1.25.
    pub(crate) fn jitter(&mut self, value: u64) -> u64 {
        let share = (self.next() >> 32) as f64 / (1u64 << 32) as f64;
        (value as f64 * (0.75 + 0.5 * share)) as u64
    }
}
