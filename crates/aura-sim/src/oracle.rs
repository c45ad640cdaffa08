//! What fixed depths can do: the mark that every policy is held against.

use crate::device::Device;
use crate::load::Load;
use crate::policy::Fixed;
use crate::run::{Setup, run};

/// Depths an oracle tries: steps of about a tenth.
fn ladder(max: u32) -> Vec<u32> {
    let mut depths = vec![];
    let mut depth = 1u32;
    while depth < max {
        depths.push(depth);
        depth = (depth + 1).max((f64::from(depth) * 1.12) as u32);
    }
    depths.push(max);
    depths
}

/// What static depths can do: the oracle.
#[derive(Clone, Debug)]
pub struct Oracle {
    /// Depth, rate, and latencies in ascending order if they were kept.
    depths: Vec<(u32, f64, Vec<u64>)>,
}

impl Oracle {
    /// Runs a closed loop of 4 KiB operations at every depth up to `max`; the first quarter of each
    /// run does not count. Latencies are kept only where `with_latencies`.
    #[must_use]
    pub fn sweep(
        max: u32,
        setup: &Setup,
        with_latencies: bool,
        device: &dyn Fn() -> Box<dyn Device>,
    ) -> Self {
        Self::sweep_with(max, setup, with_latencies, device, &Load::closed)
    }

    /// The same with loads of another kind, made for each depth.
    #[must_use]
    pub fn sweep_with(
        max: u32,
        setup: &Setup,
        with_latencies: bool,
        device: &dyn Fn() -> Box<dyn Device>,
        load: &dyn Fn(u32) -> Load,
    ) -> Self {
        let skip_ns = setup.duration_ns / 4;
        let setup = Setup { keep_from_ns: if with_latencies { skip_ns } else { 0 }, ..*setup };
        let depths = ladder(max).into_iter().map(|depth| {
            let mut trace = run(&mut *device(), &mut load(depth), &mut Fixed(depth), &setup);
            trace.latencies_ns.sort_unstable();
            let rate = trace.rate(skip_ns, setup.duration_ns);
            (depth, rate, trace.latencies_ns)
        });
        Self { depths: depths.collect() }
    }

    /// The best rate of all.
    #[must_use]
    pub fn best(&self) -> f64 {
        self.depths.iter().map(|d| d.1).fold(0.0, f64::max)
    }

    /// The smallest depth with 97 % of the best rate.
    #[must_use]
    pub fn knee(&self) -> u32 {
        self.depths.iter().find(|d| d.1 >= 0.97 * self.best()).map_or(0, |d| d.0)
    }

    /// The p99 of the smallest depth tried that is at least this, in nanoseconds.
    ///
    /// # Panics
    ///
    /// If the depth is beyond the sweep, or latencies were not kept.
    #[must_use]
    pub fn p99_ns(&self, depth: u32) -> u64 {
        let of_depth = self.depths.iter().find(|d| d.0 >= depth).expect("a depth within the sweep");
        of_depth.2[of_depth.2.len() * 99 / 100]
    }

    /// The best depth whose p99 is within the target, and its rate; `None` if there is none.
    ///
    /// # Panics
    ///
    /// If latencies were not kept.
    #[must_use]
    pub fn best_meeting(&self, target_ns: u64) -> Option<(u32, f64)> {
        let meeting = self.depths.iter().filter(|d| d.2[d.2.len() * 99 / 100] <= target_ns);
        meeting.max_by(|a, b| a.1.total_cmp(&b.1)).map(|d| (d.0, d.1))
    }
}
