//! Named scenarios, who competes in them, and the score of a run.
//!
//! ```
//! use aura_sim::catalogue::{self, Contender};
//!
//! let scenario = catalogue::find("11-throttle").expect("it is in the catalogue");
//! let prepared = scenario.prepare();
//! let ours = prepared.play(Contender::Controller, 1);
//! let fixed = prepared.play(Contender::Fixed(128), 1);
//! assert!(ours.eta > Some(0.97));
//! assert!(ours.p99_of_knee < fixed.p99_of_knee); // the same throughput, sooner
//! ```

mod contender;
mod list;
mod score;

pub use contender::Contender;
pub use list::all;
pub use score::Score;

use crate::device::Device;
use crate::load::Load;
use crate::oracle::Oracle;
use crate::run::{Faults, Party, Setup, run_together};
use crate::trace::Trace;
use crate::{MS, SEC};

/// The scenario with this name.
#[must_use]
pub fn find(name: &str) -> Option<Scenario> {
    all().into_iter().find(|scenario| scenario.name == name)
}

type MakeDevice = fn() -> Box<dyn Device>;

/// A device, a load, a target, and what a perfect limiter would get.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Short name.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    duration_s: f64,
    limits: (u32, u32),
    target: Target,
    device: MakeDevice,
    load: fn() -> Load,
    /// How many such loads, each with a limiter of its own, share the device.
    parties: u64,
    faults: Faults,
    spans: Vec<Span>,
}

/// What the user asks for.
#[derive(Clone, Copy, Debug)]
enum Target {
    Throughput,
    Nanoseconds(u64),
    /// A multiple of the p99 at the knee with the first sign of a queue. Without, it is the service's
    /// own, and no limit makes a difference.
    OfKnee(f64),
}

/// A stretch of time with constant conditions.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// The time to 95 % counts from here.
    from_ns: u64,
    /// Throughput and the rest count from here.
    judged_ns: u64,
    to_ns: u64,
    /// Throughput is measured over this much time to tell whether 95 % is reached.
    over_ns: u64,
    best: Best,
}

/// Where the best throughput of a span comes from.
#[derive(Clone, Copy, Debug)]
enum Best {
    /// Fixed depths on a device that is always as in this span, for so long each.
    Sweep { device: MakeDevice, bytes: u32, each_ns: u64 },
    /// Operations per second that an open load offers, and no more can be served.
    Offered(f64),
}

impl Scenario {
    /// Asks the oracle. It takes up to seconds.
    #[must_use]
    pub fn prepare(&self) -> Prepared {
        let max = self.limits.1;
        let oracles: Vec<Option<Oracle>> = self
            .spans
            .iter()
            .map(|span| match span.best {
                Best::Sweep { device, bytes, each_ns } => {
                    let setup = Setup { duration_ns: each_ns, seed: 99, ..Setup::default() };
                    let load = |depth| Load::closed(depth).with_bytes(move |_| bytes);
                    Some(Oracle::sweep_with(max, &setup, true, &device, &load))
                }
                Best::Offered(_) => None,
            })
            .collect();
        let last = oracles.last().and_then(Option::as_ref);
        let target_ns = match self.target {
            Target::Throughput => None,
            Target::Nanoseconds(ns) => Some(ns),
            Target::OfKnee(multiple) => last.map(|oracle| {
                let knee = oracle.knee();
                (oracle.p99_ns(knee + knee / 16 + 1) as f64 * multiple) as u64
            }),
        };
        let best = |(span, oracle): (&Span, &Option<Oracle>)| match (span.best, oracle, target_ns) {
            (Best::Offered(rate), ..) => Some(rate),
            (_, Some(oracle), Some(target_ns)) => oracle.best_meeting(target_ns).map(|b| b.1),
            (_, Some(oracle), None) => Some(oracle.best()),
            (_, None, _) => None,
        };
        Prepared {
            best: self.spans.iter().zip(&oracles).map(best).collect(),
            knee: last.map(|oracle| (oracle.knee(), oracle.p99_ns(oracle.knee()))),
            target_ns,
            scenario: self.clone(),
        }
    }
}

/// A scenario whose oracle has spoken.
#[derive(Clone, Debug)]
pub struct Prepared {
    scenario: Scenario,
    target_ns: Option<u64>,
    /// For each span the best rate, `None` if no depth meets the target.
    best: Vec<Option<f64>>,
    knee: Option<(u32, u64)>,
}

impl Prepared {
    /// The target for p99 in nanoseconds, if the scenario has one.
    #[must_use]
    pub fn target_p99_ns(&self) -> Option<u64> {
        self.target_ns
    }

    /// The smallest depth with 97 % of the best throughput in the last span, and its p99 in
    /// nanoseconds; `None` for an open load.
    #[must_use]
    pub fn knee(&self) -> Option<(u32, u64)> {
        self.knee
    }

    /// Whether a limit meets the target, in every span.
    #[must_use]
    pub fn is_feasible(&self) -> bool {
        self.best.iter().all(Option::is_some)
    }

    /// Stretches of constant conditions: begin and end in nanoseconds, and the best operations per
    /// second, `None` if no depth meets the target.
    pub fn spans(&self) -> impl Iterator<Item = (u64, u64, Option<f64>)> {
        let spans = self.scenario.spans.iter().zip(&self.best);
        spans.map(|(span, &best)| (span.from_ns, span.to_ns, best))
    }

    /// One run, judged.
    #[must_use]
    pub fn play(&self, contender: Contender, seed: u64) -> Score {
        let (mut trace, outcome) = self.run(contender, seed);
        Score::of(self, &mut trace, outcome)
    }

    /// The same run in full. Where several limiters share the device, operations are those of all,
    /// windows and decisions those of the first.
    #[must_use]
    pub fn trace(&self, contender: Contender, seed: u64) -> Trace {
        self.run(contender, seed).0
    }

    fn run(&self, contender: Contender, seed: u64) -> (Trace, Outcome) {
        let scenario = &self.scenario;
        let setup = Setup {
            duration_ns: (scenario.duration_s * SEC as f64) as u64,
            seed,
            late_ns: self.target_ns.unwrap_or(0),
            keep_from_ns: scenario.spans.last().map_or(0, |span| span.judged_ns),
            faults: scenario.faults,
        };
        let policy = |party| {
            contender.make(scenario.limits, self.target_ns, seed * scenario.parties + party)
        };
        let mut parties: Vec<_> =
            (0..scenario.parties).map(|party| ((scenario.load)(), policy(party))).collect();
        let mut device = (scenario.device)();
        let borrowed =
            parties.iter_mut().map(|(load, policy)| Party { load, policy: &mut **policy });
        let traces = run_together(&mut *device, borrowed.collect(), &setup);
        let infeasible = parties.iter().any(|(_, policy)| policy.is_infeasible());
        let last = scenario.spans.last().map_or((0, setup.duration_ns), |s| (s.judged_ns, s.to_ns));
        let rates = || traces.iter().map(|trace| trace.rate(last.0, last.1));
        let least = rates().fold(f64::INFINITY, f64::min);
        let evenness = (traces.len() > 1).then(|| least / rates().fold(1.0, f64::max));
        let trace = traces.into_iter().reduce(Trace::joined).unwrap_or_default();
        (trace, Outcome { infeasible, evenness })
    }
}

/// What a run came to beyond its trace.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    /// A policy says that its target cannot be met.
    infeasible: bool,
    /// Smallest over largest throughput of several parties in the last span.
    evenness: Option<f64>,
}

/// A span of times in milliseconds; each depth of its sweep runs for 0.4 s.
fn span(from_ms: u64, judged_ms: u64, to_ms: u64, device: MakeDevice) -> Span {
    let best = Best::Sweep { device, bytes: 4096, each_ns: 400 * MS };
    let (from_ns, judged_ns, to_ns) = (from_ms * MS, judged_ms * MS, to_ms * MS);
    Span { from_ns, judged_ns, to_ns, over_ns: 50 * MS, best }
}
