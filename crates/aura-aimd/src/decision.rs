//! What comes out: limit, batch, phase, and the reason for the last change.

use core::fmt;

/// What the controller is doing. The numbers are Aura's public `AURA_PHASE_*` constants.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Measuring the unloaded latency at the lowest limit.
    Baseline = 0,
    /// Searching for the limit.
    Probing = 1,
    /// Holding a limit that a search has just found.
    Steady = 2,
    /// The limit was reduced because too many operations were late.
    Backoff = 3,
    /// Letting a new limit prove itself.
    Settling = 4,
    /// Holding a limit that has proved itself. Still watching, still re-probing.
    Converged = 5,
    /// Not limiting: the load is less than the device digests.
    Passthrough = 6,
}

impl Phase {
    /// The phase's name in capitals, as logs and the C interface show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Baseline => "BASELINE",
            Self::Probing => "PROBING",
            Self::Steady => "STEADY",
            Self::Backoff => "BACKOFF",
            Self::Settling => "SETTLING",
            Self::Converged => "CONVERGED",
            Self::Passthrough => "PASSTHROUGH",
        }
    }

    /// The phase with this number, if there is one.
    #[must_use]
    pub const fn from_i32(number: i32) -> Option<Self> {
        Some(match number {
            0 => Self::Baseline,
            1 => Self::Probing,
            2 => Self::Steady,
            3 => Self::Backoff,
            4 => Self::Settling,
            5 => Self::Converged,
            6 => Self::Passthrough,
            _ => return None,
        })
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why the controller last changed its limit or phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Nothing has happened yet.
    Start,
    /// In-flight kept growing, or more than half of the maximum was in flight, or submissions were
    /// refused: the load is more than the device digests.
    Saturated,
    /// The unloaded latency is known; the search begins.
    BaselineMeasured,
    /// The last step up brought throughput, so the next one is tried.
    GainContinues,
    /// More in flight no longer brings throughput; looking for the smallest limit that is as good.
    Plateau,
    /// The smallest limit as good as the best is known.
    KneeFound,
    /// Too many operations took longer than the user's target.
    TargetExceeded,
    /// Too many operations took longer than the guard derived from the baseline.
    GuardExceeded,
    /// Even the lowest limit misses the target. It is held; only a faster device or another target
    /// helps.
    TargetInfeasible,
    /// The target leaves room for more in flight.
    TargetSlack,
    /// The limit was stable for long enough to be called converged.
    Stable,
    /// Trying a neighbouring limit for comparison.
    Reprobe,
    /// The comparison found nothing better.
    ReprobeKept,
    /// A neighbouring limit turned out better and was taken.
    ReprobeBetter,
    /// Throughput rose beyond noise at an unchanged limit.
    CapacityRose,
    /// Throughput fell beyond noise at an unchanged limit.
    CapacityFell,
    /// The load no longer reaches the limit; the search waits.
    AppLimited,
    /// The load has stayed far below the limit for long; the limit is lifted.
    Idle,
    /// The user changed the target or the lowest limit.
    Reconfigured,
}

impl Reason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 19] = [
        Self::Start,
        Self::Saturated,
        Self::BaselineMeasured,
        Self::GainContinues,
        Self::Plateau,
        Self::KneeFound,
        Self::TargetExceeded,
        Self::GuardExceeded,
        Self::TargetInfeasible,
        Self::TargetSlack,
        Self::Stable,
        Self::Reprobe,
        Self::ReprobeKept,
        Self::ReprobeBetter,
        Self::CapacityRose,
        Self::CapacityFell,
        Self::AppLimited,
        Self::Idle,
        Self::Reconfigured,
    ];

    /// A short lower-case phrase for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Saturated => "saturated",
            Self::BaselineMeasured => "baseline measured",
            Self::GainContinues => "gain continues",
            Self::Plateau => "plateau",
            Self::KneeFound => "knee found",
            Self::TargetExceeded => "target exceeded",
            Self::GuardExceeded => "guard exceeded",
            Self::TargetInfeasible => "target infeasible",
            Self::TargetSlack => "target slack",
            Self::Stable => "stable",
            Self::Reprobe => "reprobe",
            Self::ReprobeKept => "reprobe kept",
            Self::ReprobeBetter => "reprobe better",
            Self::CapacityRose => "capacity rose",
            Self::CapacityFell => "capacity fell",
            Self::AppLimited => "app-limited",
            Self::Idle => "idle",
            Self::Reconfigured => "reconfigured",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What to do until the next window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Most operations to have in flight.
    pub limit: u32,
    /// Operations to collect before a submission call is made. Flush earlier whenever the caller
    /// polls, waits or goes to sleep.
    pub batch: u32,
    /// What the controller is doing.
    pub phase: Phase,
    /// Why limit or phase last changed. It stays until the next change.
    pub reason: Reason,
    /// Whether this call changed the limit. If so a new epoch begins: operations submitted before
    /// this moment no longer count towards [`Latency`](crate::Latency).
    pub limit_changed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_listed_in_the_order_of_their_numbers() {
        for (number, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, number);
        }
    }

    #[test]
    fn phases_round_trip_through_their_numbers() {
        for number in 0..7 {
            let phase = Phase::from_i32(number).expect("0..7 are phases");
            assert_eq!(phase as i32, number);
            assert!(phase.name().bytes().all(|b| b.is_ascii_uppercase()));
        }
        assert_eq!(Phase::from_i32(7), None);
        assert_eq!(Phase::from_i32(-1), None);
    }
}
