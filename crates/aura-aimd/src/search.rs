//! Which limit to try next, given what the search knows.
//!
//! Three stages, none of which is remembered: the plan follows from the table of levels alone.
//! While doubling the limit still pays, go up. Then close in on the smallest limit that gives a set
//! share of the best throughput. When nothing below it is worth a trial, settle.

use crate::levels::{Level, Levels, sum_of_squares};
use crate::math::{log2, sqrt};
use crate::window::Latency;

/// What the search shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Still going up: measure this limit.
    Grow(u32),
    /// The capacity is known: measure this limit to find the knee.
    Narrow(u32),
    /// Done. The knee, and whether the target and not the throughput set it.
    Settle { knee: u32, bounded_by_target: bool },
    /// Even the lowest limit misses the target.
    Infeasible,
}

/// The search's constants, from the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) min: u32,
    pub(crate) max: u32,
    /// First limit to try above the lowest.
    pub(crate) first: u32,
    /// Where the knee should be if a change of throughput came from fewer or more servers.
    pub(crate) hint: Option<u32>,
    pub(crate) target_ns: u64,
    pub(crate) gain_threshold: f64,
    pub(crate) knee_fraction: f64,
    /// The search has taken long enough: settle on the best that is known.
    pub(crate) hurry: bool,
}

/// Next step of the search.
pub(crate) fn plan(levels: &Levels, rules: &Rules) -> Plan {
    let usable = levels.usable();
    let Some(top) = usable.last() else { return retreat(levels, rules) };
    if let Some(hint) = rules.hint.filter(|&hint| usable.len() == 1 && hint < top.limit) {
        // After a loss of throughput, look below first: if less is as good, servers went away.
        return Plan::Narrow(hint.max(rules.min));
    }
    // Fewer completions with more in flight: the device was slow for a moment, or is faster again.
    let outdone = usable.iter().any(|l| l.rate() * 0.9 > top.rate());
    if outdone && top.windows < 4 && !rules.hurry && !levels.is_waste(top) {
        return Plan::Grow(top.limit);
    }
    match climb(levels, rules) {
        Climb::To(next) => return Plan::Grow(next),
        Climb::Ceiling => return Plan::Settle { knee: top.limit, bounded_by_target: true },
        Climb::Plateau => {}
    }
    let want = rules.knee_fraction * levels.best_rate();
    // The smallest of several levels that pass is often one that was lucky, so noise raises the bar.
    let passes = |l: &Level| l.rate() >= want * (1.0 + 0.5 * levels.error(l).min(0.015));
    let index = usable.iter().position(passes).unwrap_or(usable.len() - 1);
    let good = &usable[index];
    let settle = Plan::Settle { knee: good.limit, bounded_by_target: false };
    if levels.is_full() || rules.hurry {
        return settle;
    }
    let Some(bad) = index.checked_sub(1).map(|i| &usable[i]) else {
        if good.limit <= rules.min {
            return settle;
        }
        return Plan::Narrow((good.limit / 2).max(rules.min));
    };
    if let Some(unsure) = unsure(levels, [bad, good], want) {
        return Plan::Narrow(unsure);
    }
    between(bad, good, want).map_or(settle, Plan::Narrow)
}

/// Below the lowest level that misses the target, when nothing below is known.
fn retreat(levels: &Levels, rules: &Rules) -> Plan {
    match levels.lowest_late() {
        Some(late) if late.limit > rules.min => {
            let factor = backoff_factor(rules.target_ns, late.p99_ns);
            let next = (f64::from(late.limit) * factor) as u32;
            Plan::Narrow(next.clamp(rules.min, late.limit - 1))
        }
        Some(_) => Plan::Infeasible,
        None => Plan::Grow(rules.min),
    }
}

/// How far to go down when the p99 is this far over the target; 0.8 when that is unknown.
pub(crate) fn backoff_factor(target_ns: u64, p99_ns: u64) -> f64 {
    if p99_ns == 0 {
        return 0.8;
    }
    (0.9 * target_ns as f64 / p99_ns as f64).clamp(0.5, 0.95)
}

/// The same given all that is known of the latencies. Where the median is far below the target it is not
/// the queue that is late, and how late it is says nothing about the queue.
pub(crate) fn severity(target_ns: u64, latency: &Latency) -> f64 {
    let factor = backoff_factor(target_ns, latency.p99_ns);
    if latency.p50_ns < target_ns / 2 { factor.max(0.8) } else { factor }
}

/// How the way up goes on.
enum Climb {
    /// To this limit.
    To(u32),
    /// More would still bring throughput, but the target forbids it.
    Ceiling,
    /// More brings nothing, or is not allowed at all.
    Plateau,
}

fn climb(levels: &Levels, rules: &Rules) -> Climb {
    let usable = levels.usable();
    let Some(top) = usable.last() else { return Climb::Plateau };
    let ceiling = levels.lowest_late().map_or(rules.max.saturating_add(1), |l| l.limit);
    let limit_next = |limit: u32| {
        let next = if ceiling <= rules.max && limit >= ceiling {
            // The target lies between: try the middle, on the scale on which levels are spaced.
            sqrt(f64::from(top.limit) * f64::from(ceiling)) as u32
        } else {
            limit.min(rules.max)
        };
        let worth = top.limit + 1 + top.limit / 16;
        if next >= worth.min(rules.max) && next < ceiling && next > top.limit {
            Climb::To(next)
        } else if ceiling <= rules.max {
            Climb::Ceiling
        } else {
            Climb::Plateau
        }
    };
    let Some(previous) = previous(usable) else {
        let first = if top.limit < rules.first { rules.first } else { top.limit * 2 };
        return limit_next(first);
    };
    let gain = gain(levels, previous, top);
    let before = self::previous(&usable[..usable.len() - 1]);
    if let Some(before) = before.filter(|b| b.limit != previous.limit) {
        let earlier = self::gain(levels, before, previous).per_doubling;
        // On X = X∞·L/(L+h) the gain g of a doubling is followed by g/(2−g). Far less means that
        // the curve broke, which is a plateau that needs no further proof.
        let expected = earlier / (2.0 - earlier).max(0.5);
        let evenly = f64::from(previous.limit) < 2.5 * f64::from(before.limit);
        if evenly && expected > 0.15 && gain.per_doubling + gain.error < 0.4 * expected {
            return Climb::Plateau;
        }
    }
    let doubtful = (gain.per_doubling - rules.gain_threshold).abs() < gain.error;
    if doubtful && !rules.hurry && top.windows < 5 && top.seconds < 0.1 {
        let again = if previous.operations < top.operations && previous.windows < 5 {
            previous
        } else {
            top
        };
        return Climb::To(again.limit);
    }
    if rules.hurry && gain.per_doubling < rules.gain_threshold + gain.error {
        return Climb::Plateau;
    }
    if doubtful && gain.per_doubling < rules.gain_threshold {
        // Measuring a slow device again would take too long. One more doubling decides, unless the
        // last one was already such a benefit of the doubt.
        let given = before
            .is_some_and(|b| self::gain(levels, b, previous).per_doubling < rules.gain_threshold);
        return if given { Climb::Plateau } else { limit_next(top.limit.saturating_mul(2)) };
    }
    if gain.per_doubling < rules.gain_threshold {
        Climb::Plateau
    } else {
        limit_next(top.limit.saturating_mul(2))
    }
}

/// The level the topmost is compared with: the next one that is clearly lower.
fn previous(levels: &[Level]) -> Option<&Level> {
    let (top, rest) = levels.split_last()?;
    rest.iter().rev().find(|l| f64::from(l.limit) * 1.4 <= f64::from(top.limit)).or(rest.last())
}

struct Gain {
    per_doubling: f64,
    error: f64,
}

fn gain(levels: &Levels, low: &Level, high: &Level) -> Gain {
    let doublings = log2(f64::from(high.limit) / f64::from(low.limit)).max(0.1);
    let error = sqrt(sum_of_squares(levels.error(low), levels.error(high)));
    Gain { per_doubling: (high.rate() / low.rate() - 1.0) / doublings, error: error / doublings }
}

/// A level so close to the bar that noise decides on which side it lies, if measuring it again is
/// cheap.
fn unsure(levels: &Levels, candidates: [&Level; 2], want: f64) -> Option<u32> {
    let near = |l: &&Level| {
        let distance = (l.rate() / want - 1.0).abs();
        let error = levels.error(l);
        distance < (1.5 * error).min(0.03) && error > 0.006 && l.windows < 12 && l.seconds < 0.12
    };
    candidates
        .into_iter()
        .filter(near)
        .min_by(|a, b| a.operations.total_cmp(&b.operations))
        .map(|l| l.limit)
}

/// A limit between a level that is too slow and one that is fast enough, if there is one worth
/// trying.
fn between(bad: &Level, good: &Level, want: f64) -> Option<u32> {
    let (low, high) = (f64::from(bad.limit), f64::from(good.limit));
    let step = (high * 0.04).max(1.0);
    if high - low < 2.0 * step {
        return None;
    }
    // Throughput per operation in flight never rises, so no limit below this one can be enough.
    let sharp = low * want / bad.rate();
    // On the other side: the point where the hyperbola through both levels reaches the bar.
    let slope = (1.0 / bad.rate() - 1.0 / good.rate()) / (1.0 / low - 1.0 / high);
    let origin = 1.0 / good.rate() - slope / high;
    let smooth = slope / (1.0 / want - origin);
    let smooth = if smooth.is_finite() && smooth > sharp { smooth.min(high) } else { high };
    let next = sqrt(sharp.max(low) * smooth).clamp(low + step, high - step);
    // Rounding up: half an operation too few costs throughput, half too many costs nothing.
    let next = (next + 0.75) as u32;
    (next > bad.limit && next < good.limit).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Window;

    const RULES: Rules = Rules {
        min: 4,
        max: 1024,
        first: 32,
        hint: None,
        target_ns: 1_000_000,
        gain_threshold: 0.05,
        knee_fraction: 0.985,
        hurry: false,
    };

    fn search(rate: impl Fn(u32) -> f64, late_from: u32, rules: &Rules) -> (Plan, u32) {
        let mut levels = Levels::new();
        for step in 0..40 {
            let limit = match plan(&levels, rules) {
                Plan::Grow(limit) | Plan::Narrow(limit) => limit,
                done => return (done, step),
            };
            assert!((rules.min..=rules.max).contains(&limit));
            let window = Window {
                duration_ns: 1_000_000_000,
                operations: rate(limit) as u64,
                ..Window::default()
            };
            levels.record(limit, &window, limit >= late_from);
        }
        panic!("the search does not end");
    }

    fn knee(rate: impl Fn(u32) -> f64) -> u32 {
        match search(rate, u32::MAX, &RULES) {
            (Plan::Settle { knee, bounded_by_target: false }, steps) if steps <= 15 => knee,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_sharp_knee_is_found_closely() {
        for servers in [4u32, 7, 32, 50, 100, 333] {
            let found = knee(|limit| f64::from(limit.min(servers)) * 1e4);
            let error = f64::from(found) / f64::from(servers);
            assert!((0.98..1.15).contains(&error), "{servers} servers: {found}");
        }
    }

    #[test]
    fn a_smooth_curve_keeps_95_percent_of_its_asymptote() {
        for half in [1.0, 10.0, 31.0] {
            let curve = |limit: u32| 1e6 * f64::from(limit) / (f64::from(limit) + half);
            let found = knee(curve);
            assert!(curve(found) >= 0.93e6, "h = {half}: {found} gives {}", curve(found));
        }
    }

    #[test]
    fn flat_throughput_settles_at_the_minimum() {
        assert_eq!(knee(|_| 5e5), 4);
    }

    #[test]
    fn a_level_measured_at_a_bad_moment_is_measured_again() {
        let mut levels = Levels::new();
        let window =
            |operations| Window { duration_ns: 10_000_000, operations, ..Window::default() };
        levels.record(32, &window(100), false);
        levels.record(4, &window(400), false);
        assert_eq!(plan(&levels, &RULES), Plan::Grow(32));
        levels.record(32, &window(3_200), false);
        assert_eq!(levels.at(32).map(|l| l.rate()), Some(320_000.0));
    }

    #[test]
    fn a_level_that_costs_much_is_left_at_once() {
        let mut levels = Levels::new();
        for (limit, operations) in [(64, 2_000), (128, 2_000), (256, 1_100)] {
            let window = Window { duration_ns: 100_000_000, operations, ..Window::default() };
            levels.record(limit, &window, false);
        }
        assert_eq!(plan(&levels, &RULES), Plan::Narrow(32));
    }

    #[test]
    fn a_target_bounds_the_search() {
        let (plan, _) = search(|limit| f64::from(limit) * 1e4, 77, &RULES);
        match plan {
            Plan::Settle { knee, bounded_by_target: true } => assert!((68..77).contains(&knee)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_target_below_the_minimum_is_infeasible() {
        assert_eq!(search(|_| 1e5, 1, &RULES).0, Plan::Infeasible);
    }
}
