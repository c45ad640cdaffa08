//! What the scenarios share: running the controller on seeds and judging the worst of them.

use aura_aimd::{Config, Controller};
use aura_sim::{Device, Load, SEC, Setup, Trace, run};

/// Seeds per scenario: `AIMD_SEEDS`, or a handful.
pub(crate) fn seeds() -> std::ops::Range<u64> {
    let seeds = std::env::var("AIMD_SEEDS").ok().and_then(|s| s.parse().ok());
    1..1 + seeds.unwrap_or(3)
}

/// Runs the controller once. `AIMD_STORY=1` prints what it decided.
pub(crate) fn control(
    config: Config,
    device: &mut dyn Device,
    load: &mut Load,
    setup: &Setup,
) -> (Controller, Trace) {
    let config = Config { seed: setup.seed, ..config };
    let mut controller = Controller::new(config).expect("valid settings");
    let trace = run(device, load, &mut controller, setup);
    if std::env::var_os("AIMD_STORY").is_some() {
        eprintln!("seed {}\n{}", setup.seed, trace.story());
    }
    (controller, trace)
}

/// A run of so many seconds.
pub(crate) fn seconds(seconds: f64, seed: u64) -> Setup {
    Setup { duration_ns: (seconds * SEC as f64) as u64, seed, ..Setup::default() }
}

/// Figures of one scenario over all seeds, printed as a line; `worst` takes the worst decile.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    name: &'static str,
    columns: Vec<(&'static str, Vec<f64>)>,
}

impl Figures {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, columns: Vec::new() }
    }

    pub(crate) fn add(&mut self, column: &'static str, value: f64) {
        match self.columns.iter_mut().find(|c| c.0 == column) {
            Some(known) => known.1.push(value),
            None => self.columns.push((column, vec![value])),
        }
    }

    fn decile(&self, column: &str, share: f64) -> f64 {
        let known = self.columns.iter().find(|c| c.0 == column).expect("a known column");
        let mut values = known.1.clone();
        values.sort_by(f64::total_cmp);
        values[((values.len() - 1) as f64 * share).round() as usize]
    }

    /// The value that nine runs in ten reach or exceed.
    pub(crate) fn low(&self, column: &str) -> f64 {
        self.decile(column, 0.1)
    }

    /// The value that nine runs in ten do not exceed.
    pub(crate) fn high(&self, column: &str) -> f64 {
        self.decile(column, 0.9)
    }

    /// The mean over all runs, for shares of so few windows that one run has hardly any.
    pub(crate) fn mean(&self, column: &str) -> f64 {
        let known = self.columns.iter().find(|c| c.0 == column).expect("a known column");
        known.1.iter().sum::<f64>() / known.1.len() as f64
    }

    pub(crate) fn print(&self) {
        let mut line = format!("{:28}", self.name);
        for (column, _) in &self.columns {
            let median = self.decile(column, 0.5);
            let (low, high) = (self.low(column), self.high(column));
            let mean = self.mean(column);
            line += &format!("  {column} {median:.3} [{low:.3}..{high:.3}] mean {mean:.3}");
        }
        println!("{line}");
    }
}
