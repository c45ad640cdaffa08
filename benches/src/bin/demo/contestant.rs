//! Who takes part.

use std::time::Duration;

use aura::Options;
use aura_bench::units;

/// One configuration of the comparison.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// Who decides how many reads are in flight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// The engine, told nothing.
    Adaptive,
    /// The engine, told the p99 to stay under.
    Target(Duration),
    /// The caller, who holds this depth; the engine's controller is off.
    Fixed(usize),
}

/// The depths that people choose: none, what a disk's queue takes, and plenty.
const FIXED_DEPTHS: [usize; 3] = [1, 32, 128];

impl Contestant {
    pub(crate) fn all(target_p99: Duration) -> Vec<Self> {
        let target = units::latency(target_p99.as_nanos() as u64);
        let adaptive = Self { name: "no setting".into(), kind: Kind::Adaptive };
        let target = Self { name: format!("target {target}"), kind: Kind::Target(target_p99) };
        let fixed = FIXED_DEPTHS
            .map(|depth| Self { name: format!("fixed {depth}"), kind: Kind::Fixed(depth) });
        [adaptive, target].into_iter().chain(fixed).collect()
    }

    /// What the engine is told.
    pub(crate) fn options(&self) -> Options {
        match self.kind {
            Kind::Adaptive => Options::new(),
            Kind::Target(p99) => Options::new().max_p99_latency_ms(p99.as_secs_f64() * 1e3),
            Kind::Fixed(_) => Options::new().disable_adaptive(true),
        }
    }

    /// The depth that the caller holds; without one, as much as the engine takes.
    pub(crate) fn depth(&self) -> Option<usize> {
        match self.kind {
            Kind::Fixed(depth) => Some(depth),
            Kind::Adaptive | Kind::Target(_) => None,
        }
    }
}
