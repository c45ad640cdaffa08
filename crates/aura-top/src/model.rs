//! What two pages, one after the other, say of the time between them; and what was seen before.

use std::collections::VecDeque;
use std::time::Instant;

use crate::page::{Page, Sample};
use crate::watch::{Fetched, News};

/// Points of the curves, and moves of the controller, that are remembered.
const POINTS: usize = 300;
const MOVES: usize = 100;

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) url: String,
    /// Why the last look failed, if it did.
    pub(crate) trouble: Option<String>,
    last: Option<Fetched>,
    pub(crate) now: Option<Now>,
    /// Oldest first.
    pub(crate) history: VecDeque<Moment>,
    /// Newest first.
    pub(crate) moves: VecDeque<Move>,
}

/// A point of the curves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) operations_per_second: f64,
    pub(crate) in_flight: f64,
    pub(crate) limit: f64,
}

/// The time between the last two pages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Now {
    pub(crate) version: String,
    pub(crate) phase: String,
    pub(crate) fatal_errno: f64,
    pub(crate) target_seconds: f64,
    pub(crate) read_bps: f64,
    pub(crate) write_bps: f64,
    pub(crate) pool_bytes: f64,
    pub(crate) spills: f64,
    pub(crate) rings: Vec<Ring>,
    pub(crate) operations: Vec<Operations>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ring {
    pub(crate) index: String,
    pub(crate) in_flight: f64,
    pub(crate) limit: f64,
}

/// Operations of one kind that has ever occurred.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Operations {
    pub(crate) kind: String,
    pub(crate) per_second: f64,
    pub(crate) errors_per_second: f64,
    /// In seconds; `None` when none completed.
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) total: f64,
}

/// Changes of the limit for one reason.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Move {
    pub(crate) at: Instant,
    pub(crate) direction: String,
    pub(crate) reason: String,
    pub(crate) times: f64,
    /// The limit afterwards.
    pub(crate) limit: f64,
}

impl Model {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.into(),
            trouble: None,
            last: None,
            now: None,
            history: VecDeque::new(),
            moves: VecDeque::new(),
        }
    }

    pub(crate) fn take(&mut self, news: News) {
        let fetched = match news {
            Ok(fetched) => fetched,
            Err(error) => {
                self.trouble = Some(error.to_string());
                return;
            }
        };
        self.trouble = None;
        if let Some(last) = &self.last {
            let seconds = (fetched.at - last.at).as_secs_f64().max(1e-3);
            let now = Now::between(&last.page, &fetched.page, seconds);
            let moment = now.moment();
            if self.history.len() == POINTS {
                self.history.pop_front();
            }
            self.history.push_back(moment);
            for change in moves(&last.page, &fetched, moment.limit) {
                self.moves.push_front(change);
                self.moves.truncate(MOVES);
            }
            self.now = Some(now);
        }
        self.last = Some(fetched);
    }
}

/// How much a counter has risen. A smaller one began anew: the process was started again.
fn risen(before: f64, now: f64) -> f64 {
    if now < before { now } else { now - before }
}

impl Now {
    fn between(before: &Page, page: &Page, seconds: f64) -> Self {
        let rate = |name: &str, label: Option<(&str, &str)>| {
            risen(before.sum(name, label), page.sum(name, label)) / seconds
        };
        let bytes = |direction| rate("aura_io_bytes_total", Some(("direction", direction)));
        let ring = |sample: &Sample| {
            let index = sample.label("ring").to_owned();
            let limit = page.sum("aura_inflight_limit_operations", Some(("ring", &index)));
            Ring { index, in_flight: sample.value, limit }
        };
        let operations = |sample: &Sample| {
            let kind = sample.label("op");
            let buckets = buckets(before, page, kind);
            Operations {
                kind: kind.to_owned(),
                per_second: rate("aura_io_operations_total", Some(("op", kind))),
                errors_per_second: rate("aura_io_errors_total", Some(("op", kind))),
                p50: quantile(&buckets, 0.5),
                p99: quantile(&buckets, 0.99),
                total: sample.value,
            }
        };
        let is_positive = |sample: &&Sample| sample.value > 0.0;
        let phase = page.all("aura_controller_phase").find(is_positive);
        let version = page.all("aura_build_info").next();
        let occurring = page.all("aura_io_operations_total").filter(is_positive);
        Self {
            version: version.map_or("?", |sample| sample.label("version")).to_owned(),
            phase: phase.map_or("?", |sample| sample.label("phase")).to_owned(),
            fatal_errno: page.sum("aura_engine_fatal_errno", None),
            target_seconds: page.sum("aura_latency_target_seconds", None),
            read_bps: bytes("read"),
            write_bps: bytes("write"),
            pool_bytes: page.sum("aura_bufferpool_bytes", None),
            spills: page.sum("aura_ring_spills_total", None),
            rings: page.all("aura_inflight_operations").map(ring).collect(),
            operations: occurring.map(operations).collect(),
        }
    }

    fn moment(&self) -> Moment {
        Moment {
            operations_per_second: self.operations.iter().map(|kind| kind.per_second).sum(),
            in_flight: self.rings.iter().map(|ring| ring.in_flight).sum(),
            limit: self.rings.iter().map(|ring| ring.limit).sum(),
        }
    }
}

/// Bounds and how many operations took no longer, of the time between two pages.
fn buckets(before: &Page, page: &Page, kind: &str) -> Vec<(f64, f64)> {
    let of = |page: &Page| -> Vec<(f64, f64)> {
        let samples = page.all("aura_io_duration_seconds_bucket");
        let samples = samples.filter(|sample| sample.label("op") == kind);
        samples.filter_map(|s| Some((s.label("le").parse().ok()?, s.value))).collect()
    };
    let (old, new) = (of(before), of(page));
    let began_anew = new.last().map(|last| last.1) < old.last().map(|last| last.1);
    let old = |at: usize| match old.get(at) {
        Some((_, count)) if !began_anew => *count,
        _ => 0.0,
    };
    new.into_iter().enumerate().map(|(at, (bound, count))| (bound, count - old(at))).collect()
}

/// Interpolated inside its bucket, as Prometheus does; the last bound for what exceeds all.
fn quantile(buckets: &[(f64, f64)], quantile: f64) -> Option<f64> {
    let total = buckets.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
    let rank = quantile * total;
    let at = buckets.iter().position(|(_, count)| *count >= rank)?;
    let (lower, below) = if at == 0 { (0.0, 0.0) } else { buckets[at - 1] };
    let (upper, count) = buckets[at];
    if upper.is_infinite() {
        return Some(lower);
    }
    Some(lower + (upper - lower) * (rank - below) / (count - below).max(1.0))
}

fn moves(before: &Page, fetched: &Fetched, limit: f64) -> Vec<Move> {
    let name = "aura_controller_adjustments_total";
    let pairs = fetched.page.all(name).zip(before.all(name));
    let moves = pairs.map(|(sample, old)| Move {
        at: fetched.at,
        direction: sample.label("direction").into(),
        reason: sample.label("reason").into(),
        times: risen(old.value, sample.value),
        limit,
    });
    moves.filter(|change| change.times > 0.0).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use aura_metrics::{Adjustment, Metrics, prometheus};
    use std::time::Duration;

    /// A page of an engine that has done so much, some seconds after it began.
    pub(crate) fn fetched(began: Instant, second: u64, reads: u64, downs: u64) -> News {
        let mut read = aura_metrics::Operations::new("read");
        read.durations.counts[6] = reads * 9 / 10; // 50 to 100 µs
        read.durations.counts[9] = reads / 10; // 0.5 to 1 ms
        read.errors = reads / 100;
        let down = Adjustment { direction: "down", reason: "target exceeded", count: downs };
        let metrics = Metrics {
            version: "0.5.0",
            operations: vec![read, aura_metrics::Operations::new("fsync")],
            read_bytes: reads * 4096,
            rings: vec![
                aura_metrics::Ring { in_flight: 12, limit: 16 },
                aura_metrics::Ring { in_flight: 3, limit: 48 },
            ],
            latency_target_ns: Some(2_000_000),
            phases: &["PROBING", "STEADY"],
            phase: "STEADY",
            adjustments: vec![down],
            pool_bytes: 1 << 20,
            ..Metrics::default()
        };
        let mut text = String::new();
        prometheus::render(&metrics, &mut text).expect("a string takes everything");
        let page = Page::parse(&text).expect("is one");
        Ok(Fetched { page, at: began + Duration::from_secs(second) })
    }

    #[test]
    fn rates_and_quantiles_are_of_the_time_between_two_pages() {
        let (began, mut model) = (Instant::now(), Model::new("u"));
        model.take(fetched(began, 0, 1000, 0));
        assert!(model.now.is_none(), "one page says nothing of any time");
        model.take(fetched(began, 2, 3000, 1));
        let now = model.now.clone().expect("two do");
        let read = &now.operations[0];
        assert_eq!(now.operations.len(), 1, "no fsync has occurred");
        assert_eq!((read.per_second, read.errors_per_second, read.total), (1000.0, 10.0, 3000.0));
        assert_eq!(now.read_bps, 1000.0 * 4096.0);
        let (p50, p99) = (read.p50.unwrap(), read.p99.unwrap());
        assert!((50e-6..100e-6).contains(&p50) && (0.5e-3..1e-3).contains(&p99), "{p50} {p99}");
        assert_eq!(now.rings[1], Ring { index: "1".into(), in_flight: 3.0, limit: 48.0 });
        assert_eq!((now.phase.as_str(), now.target_seconds), ("STEADY", 0.002));
        assert_eq!(model.moves.len(), 1);
        assert_eq!(
            (model.moves[0].reason.as_str(), model.moves[0].limit),
            ("target exceeded", 64.0)
        );
    }

    #[test]
    fn a_process_that_was_started_again_does_not_count_backwards() {
        let (began, mut model) = (Instant::now(), Model::new("u"));
        model.take(fetched(began, 0, 5000, 3));
        model.take(fetched(began, 1, 100, 0));
        let read = model.now.as_ref().expect("two pages").operations[0].clone();
        assert_eq!(read.per_second, 100.0);
        assert!(read.p50.is_some_and(|p50| p50 > 0.0));
        assert!(model.moves.is_empty());
    }

    #[test]
    fn trouble_is_told_until_it_is_over_and_what_was_seen_stays() {
        let (began, mut model) = (Instant::now(), Model::new("u"));
        model.take(fetched(began, 0, 1, 0));
        model.take(fetched(began, 1, 2, 0));
        model.take(crate::watch::fetch("http://127.0.0.1:1/", Duration::from_secs(1)));
        assert!(model.trouble.is_some() && model.now.is_some());
        model.take(fetched(began, 2, 3, 0));
        assert!(model.trouble.is_none());
    }
}
