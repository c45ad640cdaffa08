//! Policies to compare with, written from their published descriptions.

mod gradient2;
mod original;
mod vegas;

pub use gradient2::Gradient2;
pub use original::Original;
pub use vegas::Vegas;

use crate::MS;
use aura_aimd::{Decision, Phase, Reason, WindowGoal};

/// Windows of the limiters that were made for request rates: 100 ms. The library they come from
/// waits a second by default, which would only make them slower here.
const WINDOW: WindowGoal =
    WindowGoal { min_samples: 10, min_duration_ns: 100 * MS, max_duration_ns: 1_000 * MS };

/// The decision of a limiter that has a limit and nothing else.
fn plain(limit: u32, limit_changed: bool) -> Decision {
    Decision { limit, batch: 1, phase: Phase::Probing, reason: Reason::Start, limit_changed }
}
