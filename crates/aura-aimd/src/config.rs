//! What a user may set, and the constants behind the decisions.

use core::fmt;

/// Settings of a [`Controller`](crate::Controller).
///
/// Start from [`Config::default`] and replace what you know better:
///
/// ```
/// use aura_aimd::Config;
///
/// let config = Config { max_limit: 256, target_p99_ns: Some(2_000_000), ..Config::default() };
/// assert!(config.validate().is_ok());
/// ```
///
/// The first five fields describe your service. The rest are tuning constants; each names its
/// source, so that changing one is a decision and not a guess.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// In-flight operations the search tries first after its baseline. A hint: the first step goes
    /// to at most eight times [`min_limit`](Self::min_limit), whatever is asked for here, because a
    /// slow device needs seconds to work off one deep round. Clamped to the limits below, so any
    /// value is valid. Default 32.
    pub initial_limit: u32,
    /// The limit never goes below this many operations. The baseline is measured here, so keep it
    /// at a level that does not saturate the service. Default 4.
    pub min_limit: u32,
    /// The limit never goes above this many operations; it is also the limit in
    /// [`Phase::Passthrough`](crate::Phase::Passthrough). Default 1024.
    pub max_limit: u32,
    /// 99 % of operations shall finish within this many nanoseconds. `None` (the default) derives a
    /// guard from the baseline: [`baseline_factor`](Self::baseline_factor) times its p99.
    pub target_p99_ns: Option<u64>,
    /// Seed of the jitter and of the order of A/B trials. Two controllers that share a device
    /// should differ here, or they re-probe in lockstep. Default 1.
    pub seed: u64,

    /// Guard without a user's target, as a multiple of the baseline's p99. Default 10, the value
    /// Aura has always documented.
    pub baseline_factor: f64,
    /// Guard before a baseline is known, in nanoseconds. Default 10 ms, as documented by Aura.
    pub ceiling_ns: u64,
    /// Doubling the limit goes on while it gains at least this share of throughput. Default 0.05:
    /// on `X = X∞·L/(L+h)` a doubling that gains less has reached 95 % of `X∞`.
    pub gain_threshold: f64,
    /// The knee is the smallest limit that gives this share of the best throughput. Default 0.985:
    /// noise and the step size cost up to another percent, and 97 % is what users should get.
    pub knee_fraction: f64,
    /// Fewest operations in a window that is judged. Default 256: noise of about 6 % for an
    /// exponential service, enough to see a doubling that helps.
    pub window_min_samples: u64,
    /// Operations per unit of the limit in a window that is judged, on top of the one round that is
    /// thrown away after a change. Default 2: a third would cost a disk seconds and tell little.
    pub window_rounds: u32,
    /// A judged window lasts at least this many nanoseconds. Default 8 ms: a device that does
    /// 100 000 operations a second then gives 800 of them.
    pub window_min_ns: u64,
    /// A window is closed after this many nanoseconds with whatever it has. Default 1 s.
    pub window_max_ns: u64,
    /// Without any change for this many nanoseconds STEADY becomes CONVERGED. Default 2 s.
    pub converged_after_ns: u64,
    /// First interval between trials of a neighbouring limit, in nanoseconds; each trial that finds
    /// nothing doubles it. Default 2 s.
    pub reprobe_interval_ns: u64,
    /// How often the interval may double. Default 4, hence 32 s.
    pub reprobe_max_doublings: u32,
    /// A limit that violated the target is not tried again for this many nanoseconds. Default 5 s.
    pub bad_level_memory_ns: u64,
    /// A load that stays under half of the limit, ungated, for this many nanoseconds needs no
    /// controller: back to PASSTHROUGH. Default 10 s.
    pub idle_after_ns: u64,
    /// Largest batch threshold. Default 64: the cost of a submission call is then spread so thin
    /// that more buys nothing.
    pub max_batch: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Config {
    /// The defaults, as a constant.
    pub const DEFAULT: Self = Self {
        initial_limit: 32,
        min_limit: 4,
        max_limit: 1024,
        target_p99_ns: None,
        seed: 1,
        baseline_factor: 10.0,
        ceiling_ns: 10_000_000,
        gain_threshold: 0.05,
        knee_fraction: 0.985,
        window_min_samples: 256,
        window_rounds: 2,
        window_min_ns: 8_000_000,
        window_max_ns: 1_000_000_000,
        converged_after_ns: 2_000_000_000,
        reprobe_interval_ns: 2_000_000_000,
        reprobe_max_doublings: 4,
        bad_level_memory_ns: 5_000_000_000,
        idle_after_ns: 10_000_000_000,
        max_batch: 64,
    };

    /// Checks that the settings make sense together.
    ///
    /// # Errors
    ///
    /// The first rule that is broken, see [`ConfigError`].
    pub fn validate(&self) -> Result<(), ConfigError> {
        let fraction = |x: f64| x > 0.0 && x < 1.0;
        if self.min_limit == 0 {
            Err(ConfigError::ZeroMinLimit)
        } else if self.min_limit > self.max_limit {
            Err(ConfigError::MinAboveMax)
        } else if self.max_limit > MAX_LIMIT {
            Err(ConfigError::MaxTooLarge)
        } else if self.target_p99_ns == Some(0) || self.ceiling_ns == 0 {
            Err(ConfigError::ZeroTarget)
        } else if self.window_min_samples == 0
            || self.window_rounds == 0
            || self.window_min_ns == 0
            || self.window_min_ns > self.window_max_ns
            || self.reprobe_interval_ns == 0
        {
            Err(ConfigError::BadWindow)
        } else if !fraction(self.gain_threshold)
            || !fraction(self.knee_fraction)
            || self.baseline_factor.is_nan()
            || self.baseline_factor <= 1.0
        {
            Err(ConfigError::BadFraction)
        } else if self.max_batch == 0 {
            Err(ConfigError::ZeroBatch)
        } else {
            Ok(())
        }
    }
}

/// Largest limit the arithmetic is made for.
pub const MAX_LIMIT: u32 = 1 << 24;

/// Why a [`Config`] was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// `min_limit` is zero: nothing could ever be in flight.
    ZeroMinLimit,
    /// `min_limit` is greater than `max_limit`.
    MinAboveMax,
    /// `max_limit` is greater than [`MAX_LIMIT`].
    MaxTooLarge,
    /// `target_p99_ns` or `ceiling_ns` is zero; write `None` for "no target".
    ZeroTarget,
    /// A window setting or the re-probe interval is zero, or the shortest window is longer than the
    /// longest.
    BadWindow,
    /// `gain_threshold` or `knee_fraction` is not strictly between 0 and 1, or `baseline_factor` is
    /// not above 1.
    BadFraction,
    /// `max_batch` is zero.
    ZeroBatch,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZeroMinLimit => "min_limit must be at least 1",
            Self::MinAboveMax => "min_limit is greater than max_limit",
            Self::MaxTooLarge => "max_limit is greater than 2^24",
            Self::ZeroTarget => "a latency threshold of 0 ns can never be met; use None",
            Self::BadWindow => "window and re-probe times must be positive, shortest <= longest",
            Self::BadFraction => {
                "gain_threshold and knee_fraction lie within (0, 1), baseline_factor above 1"
            }
            Self::ZeroBatch => "max_batch must be at least 1",
        })
    }
}

impl core::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid() {
        assert_eq!(Config::default().validate(), Ok(()));
    }

    #[test]
    fn each_broken_rule_is_named() {
        let base = Config::default();
        let cases = [
            (Config { min_limit: 0, ..base }, ConfigError::ZeroMinLimit),
            (Config { min_limit: 2000, ..base }, ConfigError::MinAboveMax),
            (Config { max_limit: u32::MAX, ..base }, ConfigError::MaxTooLarge),
            (Config { target_p99_ns: Some(0), ..base }, ConfigError::ZeroTarget),
            (Config { window_min_ns: u64::MAX, ..base }, ConfigError::BadWindow),
            (Config { gain_threshold: f64::NAN, ..base }, ConfigError::BadFraction),
            (Config { baseline_factor: f64::NAN, ..base }, ConfigError::BadFraction),
            (Config { max_batch: 0, ..base }, ConfigError::ZeroBatch),
        ];
        for (config, error) in cases {
            assert_eq!(config.validate(), Err(error));
        }
    }
}
