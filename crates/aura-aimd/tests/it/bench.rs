//! What the scenarios share: running the controller on seeds and judging the worst of them.

use aura_aimd::{Config, Controller};
use aura_sim::{Device, Load, SEC, Setup, Trace, run};

/// Seeds per scenario: thirty, so that a worst decile means something, or `AIMD_SEEDS`.
///
/// # Panics
///
/// If `AIMD_SEEDS` is set and no positive number.
pub(crate) fn seeds() -> std::ops::RangeInclusive<u64> {
    let count = std::env::var("AIMD_SEEDS").map_or(30, |text| match text.parse() {
        Ok(count @ 1..) => count,
        _ => panic!("AIMD_SEEDS={text}: a number of runs from 1 on is wanted"),
    });
    1..=count
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

    /// Plays once per seed, on as many threads as there are processors, and takes the figures in.
    pub(crate) fn each_seed(&mut self, play: impl Fn(u64, &mut Self) + Sync) {
        let seeds: Vec<u64> = seeds().collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let figures: Vec<Self> = std::thread::scope(|scope| {
            let of_thread = |first: usize| {
                let (seeds, play) = (&seeds, &play);
                scope.spawn(move || {
                    let mut figures = Self::default();
                    let own = seeds.iter().skip(first).step_by(threads);
                    own.for_each(|&seed| play(seed, &mut figures));
                    figures
                })
            };
            let running: Vec<_> = (0..threads).map(of_thread).collect();
            let ended = running.into_iter().map(|thread| thread.join());
            ended.map(|run| run.unwrap_or_else(|e| std::panic::resume_unwind(e))).collect()
        });
        for (column, values) in figures.into_iter().flat_map(|figures| figures.columns) {
            values.into_iter().for_each(|value| self.add(column, value));
        }
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
        // A decile of a handful is its worst, which chance decides: a short round looks at the median.
        let share = if values.len() < 10 { 0.5 } else { share };
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

    /// The value of the run in the middle.
    pub(crate) fn median(&self, column: &str) -> f64 {
        self.decile(column, 0.5)
    }

    /// The mean over all runs, for shares of so few windows that one run has hardly any.
    pub(crate) fn mean(&self, column: &str) -> f64 {
        let known = self.columns.iter().find(|c| c.0 == column).expect("a known column");
        known.1.iter().sum::<f64>() / known.1.len() as f64
    }

    pub(crate) fn print(&self) {
        let mut line = format!("{:28}", self.name);
        for (column, _) in &self.columns {
            let median = self.median(column);
            let (low, high) = (self.low(column), self.high(column));
            let mean = self.mean(column);
            line += &format!("  {column} {median:.3} [{low:.3}..{high:.3}] mean {mean:.3}");
        }
        println!("{line}");
    }
}
