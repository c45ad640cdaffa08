//! Keeping a user's latency target: how late is late, and how large a step follows from it.

use crate::math::{ln, sqrt};
use crate::pauses::Pauses;
use crate::search::severity;
use crate::stats::{LATE_SHARE, late_deviations};
use crate::window::Window;

/// Evidence about a limit is halved when it is older than this many seconds of operations, and more
/// than this many samples: with fewer, a share of one percent cannot be told from two.
const MEMORY_SECONDS: f64 = 10.0;
const MEMORY_SAMPLES: f64 = 20_000.0;
/// Windows in a row that make a relief: fewer may lie between two clumps.
const RELIEFS: u32 = 6;
/// Windows per stretch over which clumping is measured: a queue that has grown forgets it within.
const STRETCH_WINDOWS: u32 = 6;
/// Striped devices reach 300. What looks like more is a service that changes, and believing it would
/// forbid every step up.
const DISPERSION_MAX: f64 = 300.0;
/// A second with less than this share of the lateness allowed is calm,
const CALM: f64 = 0.1;
/// and after so many in a row a higher limit is worth a try, however clumped lateness was before.
const CALM_SECONDS: u32 = 3;
const SECOND_NS: u64 = 1_000_000_000;
/// Fewer operations in a second do not tell a quarter of a percent from none.
const SECOND_SAMPLES: u64 = 1_000;
/// A window this long is not worth waiting for a second time.
const SLOW_WINDOW_NS: u64 = 400_000_000;
/// How long lateness that no limit prevents is believed to be the service's own, in nanoseconds.
const INHERENT_NS: u64 = 30_000_000_000;

/// What the target asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Stay.
    Hold,
    /// Too many are late, plainly: go to this limit at once.
    BackOff(u32),
    /// A little more is late than can be kept up: ease to this limit.
    Ease(u32),
    /// Pauses make late whatever is in flight; no more than this should be.
    Endure(u32),
    /// The target leaves room: try this limit.
    Raise(u32),
    /// Easing was in vain: the same share is late, so back to this limit.
    Restore(u32),
}

/// Counts late operations at one limit and remembers limits that went wrong.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    samples: f64,
    late: f64,
    /// Variance of counts of late operations over their mean. Lateness comes in clumps.
    dispersion: f64,
    /// The same counts for a stretch of several windows, longer than a queue's memory.
    stretch: (u32, f64, f64),
    alarms: u32,
    /// Nanoseconds, samples and late ones of the present second, and how many calm ones precede it.
    second: (u64, u64, u64),
    calm: u32,
    /// Windows in a row that were far more punctual than the evidence so far.
    reliefs: u32,
    bad: Option<Bad>,
    /// Where the present series of easings began, and the share of late operations there.
    eased_from: Option<(u32, f64)>,
    /// Lateness that no limit seems to prevent, and until when that is believed.
    inherent: Option<(f64, u64)>,
    pub(crate) pauses: Pauses,
}

/// A limit that violated the target.
#[derive(Clone, Copy, Debug)]
struct Bad {
    limit: u32,
    until_ns: u64,
    memory_ns: u64,
}

impl Keeper {
    pub(crate) const fn new() -> Self {
        Self {
            samples: 0.0,
            late: 0.0,
            // Between independent lateness (1) and the queues of a striped device (30 to 300).
            dispersion: 10.0,
            stretch: (0, 0.0, 0.0),
            alarms: 0,
            second: (0, 0, 0),
            calm: 0,
            reliefs: 0,
            bad: None,
            eased_from: None,
            inherent: None,
            pauses: Pauses::new(),
        }
    }

    /// A new limit: its lateness is unknown, only the noise is kept.
    pub(crate) fn restart(&mut self) {
        (self.samples, self.late) = (0.0, 0.0);
        (self.alarms, self.reliefs) = (0, 0);
        (self.second, self.calm) = ((0, 0, 0), 0);
        self.stretch = (0, 0.0, 0.0);
    }

    /// A new target: nothing learnt about limits holds any more.
    pub(crate) fn forget(&mut self) {
        *self = Self { dispersion: self.dispersion, ..Self::new() };
    }

    /// Remembers for `memory_ns` that `limit` violated the target; for longer each time that
    /// forgetting about it turns out to have been a mistake.
    pub(crate) fn remember_bad(&mut self, limit: u32, clock_ns: u64, memory_ns: u64) {
        let again = self.bad.filter(|bad| {
            clock_ns < bad.until_ns.saturating_add(memory_ns)
                && (limit / 4 * 3..=limit.saturating_mul(2)).contains(&bad.limit)
        });
        let memory_ns = again.map_or(memory_ns, |bad| (bad.memory_ns * 3 / 2).min(8 * memory_ns));
        let until_ns = clock_ns.saturating_add(memory_ns);
        self.bad = Some(Bad { limit, until_ns, memory_ns });
    }

    /// Forgets which limit violated the target.
    pub(crate) fn forgive(&mut self) {
        self.bad = None;
    }

    /// Whether a search should take a window as late.
    pub(crate) fn is_late(&self, window: &Window) -> bool {
        let latency = &window.latency;
        latency.over_target >= 2
            && late_deviations(latency.samples, latency.over_target, self.dispersion.min(4.0)) > 1.5
    }

    /// Takes a window at `limit` and says what the target asks for. Pauses are no reason to go below
    /// `unqueued`, the limit at which operations hardly wait: fewer of them are late as often.
    pub(crate) fn observe(
        &mut self,
        window: &Window,
        (limit, unqueued): (u32, u32),
        target_ns: u64,
        clock_ns: u64,
    ) -> Wish {
        let latency = &window.latency;
        if latency.samples == 0 {
            return Wish::Hold;
        }
        self.notice_relief(latency.samples as f64, latency.over_target as f64);
        self.learn_clumping(latency.samples as f64, latency.over_target as f64);
        self.count_calm(window);
        // Old evidence fades, or an hour of punctuality would hide a minute of lateness.
        let second = window.operations_per_second();
        if self.samples > (MEMORY_SECONDS * second).max(MEMORY_SAMPLES) {
            (self.samples, self.late) = (self.samples / 2.0, self.late / 2.0);
        }
        self.samples += latency.samples as f64;
        self.late += latency.over_target as f64;

        let deviations = late_deviations(latency.samples, latency.over_target, self.dispersion);
        let alarm = latency.over_target >= 2 && deviations > 2.3;
        self.alarms = if alarm { self.alarms + 1 } else { 0 };
        // One bad window may be a clump, however bad; it is acted upon only if waiting for a second
        // would take long or nearly everything is late.
        let gross =
            latency.over_target * 4 > latency.samples || window.duration_ns > SLOW_WINDOW_NS;
        if self.alarms >= 2 || (gross && alarm && deviations > 6.0) {
            let factor = severity(target_ns, latency);
            return Wish::BackOff((f64::from(limit) * factor) as u32);
        }

        let ceiling = self.pauses.ceiling();
        let raised = (u64::from(ceiling) * 7 / 8) as u32;
        let (ceiling, raised) = (ceiling.max(unqueued), raised.max(unqueued));
        if f64::from(limit) > 1.2 * f64::from(ceiling) {
            return Wish::Endure(ceiling.max(limit / 2));
        }
        let by_pauses = self.pauses.share(limit);
        let mut aim = self.aim(second) * (1.0 - by_pauses / LATE_SHARE).max(0.25);
        if let Some((share, until_ns)) = self.inherent
            && clock_ns < until_ns
        {
            aim = aim.max(share);
        }
        let share = self.late / self.samples;
        let error = sqrt(self.dispersion * self.late) / self.samples;
        if self.late >= 8.0 && share - 1.5 * error > aim {
            return self.ease(limit, share, aim, clock_ns);
        }
        // Lateness comes in clumps of about the dispersion, so having seen none means that less than
        // one clump was due. Adding one keeps the bound honest near zero.
        let error = sqrt(self.dispersion * (self.late + self.dispersion)) / self.samples;
        if share + 2.0 * error < 0.6 * aim {
            let next = step(limit, share.max(0.5 / self.samples), aim);
            self.eased_from = None;
            return self.raise(limit, next.min(raised), clock_ns, second);
        }
        // Half the target is left when the limit is half as high again: a queue grows no faster.
        let far = latency.p50_ns > 0 && latency.p50_ns.saturating_mul(4) < target_ns;
        if self.calm >= if far { 1 } else { CALM_SECONDS } {
            self.calm = 0;
            let next = if far { limit + (limit / 2).max(1) } else { limit + (limit / 8).max(2) };
            self.eased_from = None;
            return self.raise(limit, next.min(raised), clock_ns, second);
        }
        Wish::Hold
    }

    fn count_calm(&mut self, window: &Window) {
        let (ns, samples, late) = self.second;
        let latency = &window.latency;
        self.second =
            (ns + window.duration_ns, samples + latency.samples, late + latency.over_target);
        let (ns, samples, late) = self.second;
        if ns >= SECOND_NS {
            self.second = (0, 0, 0);
            let calm =
                late as f64 <= CALM * LATE_SHARE * samples as f64 && samples >= SECOND_SAMPLES;
            self.calm = if calm { self.calm + 1 } else { 0 };
            if calm {
                self.dispersion = (self.dispersion * 0.8).max(Self::new().dispersion);
            }
        }
    }

    /// A smaller limit, unless the last steps that way did not help: then it is the service itself
    /// that is late now and then, and throttling it further costs throughput for nothing.
    fn ease(&mut self, limit: u32, share: f64, aim: f64, clock_ns: u64) -> Wish {
        let (origin, share_there) = *self.eased_from.get_or_insert((limit, share));
        let tried = f64::from(limit) < 0.85 * f64::from(origin);
        let error = sqrt(self.dispersion * self.late) / self.samples;
        if tried && share - error > 0.8 * share_there && share < 1.5 * LATE_SHARE {
            self.eased_from = None;
            self.inherent = Some((share_there.max(share) * 1.2, clock_ns + INHERENT_NS));
            return Wish::Restore(origin);
        }
        Wish::Ease(step(limit, share, aim))
    }

    /// Whether so few operations are late that a limit an eighth higher will hardly violate the
    /// target: with an exponential tail that about doubles the share.
    pub(crate) fn has_room(&self) -> bool {
        self.late < 0.4 * LATE_SHARE * self.samples
    }

    /// Whether a limit, the present one, violates the target in the long run.
    pub(crate) fn is_violated(&self, limit: u32) -> bool {
        let by_queue = self.late - 2.0 * sqrt(self.dispersion * self.late);
        (self.late > 8.0 && by_queue > LATE_SHARE * self.samples)
            || self.pauses.share(limit) > LATE_SHARE
    }

    /// Whether a limit, the present one, keeps the target, beyond doubt.
    pub(crate) fn is_kept(&self, limit: u32) -> bool {
        let late = self.late + 2.0 * sqrt(self.dispersion * (self.late + self.dispersion));
        let left = LATE_SHARE - self.pauses.share(limit);
        late < left * self.samples
    }

    /// The share p to aim at, so that seconds with more than 1 % late are rare:
    /// p + 2.5·√(D·p/n) = 1 % for the n operations of a second.
    fn aim(&self, per_second: f64) -> f64 {
        let b = 2.5 * sqrt(self.dispersion / per_second.max(1.0));
        let root = 0.5 * (sqrt(b * b + 4.0 * LATE_SHARE) - b);
        (root * root).max(1e-4)
    }

    /// Starts afresh when the service has plainly become faster: what was late before is history.
    fn notice_relief(&mut self, samples: f64, late: f64) {
        let expected = samples * self.late / self.samples.max(1.0);
        let relief = expected >= 20.0 && late < expected / 4.0;
        self.reliefs = if relief { self.reliefs + 1 } else { 0 };
        if self.reliefs >= RELIEFS {
            self.restart();
            self.dispersion = Self::new().dispersion;
        }
    }

    fn learn_clumping(&mut self, samples: f64, late: f64) {
        let (windows, stretch_samples, stretch_late) = self.stretch;
        self.stretch = (windows + 1, stretch_samples + samples, stretch_late + late);
        if self.late < 5.0 || windows + 1 < STRETCH_WINDOWS {
            return;
        }
        let (_, samples, late) = core::mem::replace(&mut self.stretch, (0, 0.0, 0.0));
        let expected = samples * self.late / self.samples;
        if expected >= 1.0 {
            let dispersion = ((late - expected) * (late - expected) / expected).min(DISPERSION_MAX);
            // Most stretches show nothing and a few show a lot: believe those sooner.
            let weight = if dispersion > self.dispersion { 4.0 } else { 16.0 };
            self.dispersion += (dispersion - self.dispersion) / weight;
            self.dispersion = self.dispersion.max(1.0);
        }
    }

    /// Towards a limit remembered as bad: half-way at most, and no sooner than after a second
    /// (`second` operations) without trouble here, because trouble may be rare and yet too much.
    fn raise(&self, limit: u32, next: u32, clock_ns: u64, second: f64) -> Wish {
        let next = match self.bad {
            Some(bad) if clock_ns < bad.until_ns => {
                if next > bad.limit / 8 * 7 && self.samples < second {
                    return Wish::Hold;
                }
                next.min(limit.midpoint(bad.limit.max(limit)))
            }
            _ => next,
        };
        if next > limit { Wish::Raise(next) } else { Wish::Hold }
    }
}

/// With an exponential tail the logarithm of the share goes as one over the limit. Half of the step
/// that follows, because the tail is never quite exponential, and at most an eighth.
fn step(limit: u32, share: f64, aim: f64) -> u32 {
    let ratio = (ln(share.clamp(1e-6, 0.5)) / ln(aim)).clamp(0.5, 2.0);
    let factor = (0.5 + 0.5 * ratio).clamp(0.875, 1.125);
    let limit = f64::from(limit);
    if factor < 1.0 { (limit * factor) as u32 } else { (limit * factor).max(limit + 1.0) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Latency;

    fn window(late: u64) -> Window {
        let latency = Latency {
            samples: 10_000,
            over_target: late,
            p50_ns: 500_000,
            p99_ns: if late > 100 { 1_200_000 } else { 900_000 },
            ..Latency::default()
        };
        Window { duration_ns: 100_000_000, operations: 10_000, latency, ..Window::default() }
    }

    #[test]
    fn plain_violation_backs_off_and_slack_raises() {
        let mut keeper = Keeper::new();
        assert_eq!(keeper.observe(&window(3000), (100, 0), 1_000_000, 0), Wish::BackOff(75));
        keeper.restart();
        assert!(matches!(keeper.observe(&window(0), (75, 0), 1_000_000, 0), Wish::Raise(76..=85)));
    }

    #[test]
    fn a_bad_limit_is_approached_by_halves_until_it_is_forgotten() {
        let mut keeper = Keeper::new();
        keeper.remember_bad(84, 0, 10);
        let mut observe = |clock_ns| keeper.observe(&window(0), (80, 0), 1_000_000, clock_ns);
        for _ in 0..9 {
            assert_eq!(observe(5), Wish::Hold, "not within the first second");
        }
        assert_eq!(observe(5), Wish::Raise(82));
        assert!(matches!(observe(11), Wish::Raise(83..)));
    }

    #[test]
    fn a_limit_that_is_bad_again_is_remembered_longer() {
        let mut keeper = Keeper::new();
        keeper.remember_bad(84, 0, 10);
        keeper.remember_bad(80, 12, 10);
        assert_eq!(keeper.bad.map(|bad| bad.until_ns), Some(27));
        keeper.remember_bad(200, 30, 10);
        assert_eq!(keeper.bad.map(|bad| bad.until_ns), Some(40));
    }

    #[test]
    fn old_punctuality_does_not_hide_new_lateness() {
        let mut keeper = Keeper::new();
        for _ in 0..36_000 {
            keeper.observe(&window(60), (100, 0), 1_000_000, 0);
        }
        assert!(keeper.is_kept(100) && !keeper.is_violated(100));
        let eased = (0..600).position(|_| {
            matches!(keeper.observe(&window(140), (100, 0), 1_000_000, 0), Wish::Ease(_))
        });
        assert!(eased.is_some_and(|windows| windows < 300), "{eased:?}");
    }

    #[test]
    fn exactly_on_aim_nothing_moves() {
        let mut keeper = Keeper::new();
        for _ in 0..100 {
            assert_eq!(keeper.observe(&window(65), (100, 0), 1_000_000, 0), Wish::Hold);
        }
    }
}
