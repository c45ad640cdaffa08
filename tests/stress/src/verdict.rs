//! How a long test ends.

use std::process::ExitCode;

/// Something did not hold, or the test could not run.
pub const EXIT_FAILURE: u8 = 1;
/// The user ended it: 128 + `SIGINT`, as shells report it.
pub const EXIT_INTERRUPTED: u8 = 130;

/// What a test came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything held, to the end.
    Held,
    /// Something did not hold; it has been said what.
    Failed,
    /// Everything held until the user ended it.
    Interrupted,
}

impl Verdict {
    /// In one word, for people and for JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Held => Self::SUCCESS,
            Verdict::Failed => EXIT_FAILURE.into(),
            Verdict::Interrupted => EXIT_INTERRUPTED.into(),
        }
    }
}
