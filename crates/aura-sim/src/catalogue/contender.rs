//! Who competes.

use crate::baselines::{Gradient2, Original, Vegas};
use crate::policy::{Fixed, Policy};
use aura_aimd::{Config, Controller};

/// A policy by name, made anew for each run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// [`aura_aimd::Controller`] with its defaults.
    Controller,
    /// A fixed depth, [`Fixed`].
    Fixed(u32),
    /// [`Original`], which full depth from the start never engages unless it has a target.
    Original,
    /// [`Original`] from its BASELINE on.
    OriginalEngaged,
    /// [`Vegas`].
    Vegas,
    /// [`Gradient2`].
    Gradient2,
}

impl Contender {
    /// The controller, then what it is compared with.
    pub const ALL: [Self; 7] = [
        Self::Controller,
        Self::Fixed(32),
        Self::Fixed(128),
        Self::Original,
        Self::OriginalEngaged,
        Self::Vegas,
        Self::Gradient2,
    ];

    /// A short name.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Controller => "aura".into(),
            Self::Fixed(depth) => format!("static {depth}"),
            Self::Original => "original".into(),
            Self::OriginalEngaged => "original, engaged".into(),
            Self::Vegas => "Vegas".into(),
            Self::Gradient2 => "Gradient2".into(),
        }
    }

    /// A new one, with limits between these two and perhaps a target for p99. Only the controller and
    /// the original know what to do with a target.
    ///
    /// # Panics
    ///
    /// If the limits are none that [`Config`] takes.
    #[must_use]
    pub fn make(
        self,
        limits: (u32, u32),
        target_p99_ns: Option<u64>,
        seed: u64,
    ) -> Box<dyn Policy> {
        let (min_limit, max_limit) = limits;
        match self {
            Self::Controller => {
                let config =
                    Config { min_limit, max_limit, target_p99_ns, seed, ..Config::default() };
                Box::new(Controller::new(config).expect("valid limits"))
            }
            Self::Fixed(depth) => Box::new(Fixed(depth.min(max_limit))),
            Self::Original => Box::new(Original::new(min_limit, max_limit, target_p99_ns)),
            Self::OriginalEngaged => {
                Box::new(Original::engaged(min_limit, max_limit, target_p99_ns))
            }
            Self::Vegas => Box::new(Vegas::new(min_limit, max_limit, seed)),
            Self::Gradient2 => Box::new(Gradient2::new(min_limit, max_limit)),
        }
    }
}
