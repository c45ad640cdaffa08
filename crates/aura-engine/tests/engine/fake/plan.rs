//! What is played: everything follows from a seed, the number of steps and the faults let loose.

use std::fmt;
use std::str::FromStr;

use super::rng::Rng;

/// What the kernel and the application do beside the ordinary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Fault {
    /// Completions are delayed and come in any order.
    Delays,
    ShortResults,
    Errors,
    /// `EAGAIN`, `EBUSY`, `EINTR` of enter, and signals while asleep.
    Enter,
    /// Enter takes a part of what is queued.
    Partial,
    /// Submitting threads end, and take their operations with them.
    ThreadEnds,
    /// The completion queue is too small.
    Overflow,
    /// Operations that never end unless they are cancelled.
    Hangs,
    /// Cancellations that come too late.
    LateCancels,
    /// Other threads do something while the poller sleeps or reaps.
    Interludes,
    Chains,
    Futures,
    /// Files are closed while operations on them are queued.
    Closes,
    /// The clock jumps, also backwards.
    Clock,
    /// The controller is at work.
    Adaptive,
    /// The queue takes nothing now and then, until something has completed.
    Refusals,
}

impl Fault {
    pub(super) const ALL: [Self; 16] = [
        Self::Delays,
        Self::ShortResults,
        Self::Errors,
        Self::Enter,
        Self::Partial,
        Self::ThreadEnds,
        Self::Overflow,
        Self::Hangs,
        Self::LateCancels,
        Self::Interludes,
        Self::Chains,
        Self::Futures,
        Self::Closes,
        Self::Clock,
        Self::Adaptive,
        Self::Refusals,
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) steps: u32,
    /// One bit per [`Fault`].
    faults: u32,
}

impl Plan {
    pub(super) fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed, 1);
        let steps = 4 + rng.below(36) as u32;
        // Each on its own as often as not, so that there are quiet plans as well.
        let faults = rng.next() as u32 & ((1 << Fault::ALL.len()) - 1);
        Self { seed, steps, faults }
    }

    pub(super) fn has(self, fault: Fault) -> bool {
        self.faults >> fault as u32 & 1 == 1
    }

    pub(super) fn with(self, fault: Fault) -> Self {
        Self { faults: self.faults | 1 << fault as u32, ..self }
    }

    /// The smallest plan to be found from this one that fails as well.
    pub(super) fn shrink(self, fails: impl Fn(Self) -> bool) -> Self {
        let mut smallest = self;
        loop {
            let fewer_faults = Fault::ALL
                .iter()
                .filter(|fault| smallest.has(**fault))
                .map(|fault| Self { faults: smallest.faults & !(1 << *fault as u32), ..smallest });
            let fewer_steps = [smallest.steps / 2, smallest.steps - 1]
                .map(|steps| Self { steps: steps.max(1), ..smallest });
            let smaller = fewer_steps.into_iter().filter(|plan| *plan != smallest);
            match smaller.chain(fewer_faults).find(|plan| fails(*plan)) {
                Some(plan) => smallest = plan,
                None => return smallest,
            }
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{:x}", self.seed, self.steps, self.faults)
    }
}

/// A seed alone, or what a failure printed.
impl FromStr for Plan {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(':');
        let mut plan = Self::of(parts.next().unwrap_or("").parse()?);
        if let Some(steps) = parts.next() {
            plan.steps = steps.parse()?;
        }
        if let Some(faults) = parts.next() {
            plan.faults = u32::from_str_radix(faults, 16)?;
        }
        Ok(plan)
    }
}

/// What is made wrong on purpose, to prove that it would be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Defect {
    /// A completion never comes.
    LoseCompletion,
    /// An operation that was handed over is forgotten.
    ForgetSubmission,
    /// An operation completes while the kernel still writes to its memory.
    CompleteEarly,
    /// Two completions have each other's labels.
    SwapLabels,
    /// The operations of a chain do not wait for each other.
    TearChain,
    /// Memory is given back when the operation is submitted.
    FreeEarly,
    /// A callback is called twice.
    CallTwice,
    /// One operation more is in flight than allowed.
    ExceedLimit,
    /// A task is not woken.
    LoseWake,
}
