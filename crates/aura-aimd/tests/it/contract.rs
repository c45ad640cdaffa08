//! What a caller may rely on, whatever the windows say.

use crate::bench::{control, seconds};
use aura_aimd::{Config, Controller, Latency, Phase, Reason, Silences, Window};
use aura_sim::{Load, MS, Rng, SEC, Service, SharedQueue};

/// A value that is often an edge case.
fn wild(rng: &mut Rng) -> u64 {
    match rng.below(8) {
        0 => 0,
        1 => u64::MAX,
        2 => rng.next_u64(),
        3 => 1,
        _ => rng.next_u64() >> (20 + rng.below(40)),
    }
}

fn wild_float(rng: &mut Rng) -> f64 {
    match rng.below(8) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => -1.0,
        _ => rng.unit() * 1_100.0,
    }
}

fn silences(rng: &mut Rng) -> Silences {
    let mut silences = Silences::default();
    (0..rng.below(12)).for_each(|_| silences.note(wild(rng)));
    silences
}

#[test]
fn nonsense_never_breaks_the_bounds() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let max_limit = 1 + rng.below(2_000) as u32;
        let min_limit = 1 + rng.below(max_limit as usize) as u32;
        let target_p99_ns = (seed % 2 == 0).then_some(1 + rng.next_u64() % 10_000_000);
        let config = Config { min_limit, max_limit, target_p99_ns, seed, ..Config::default() };
        let mut controller = Controller::new(config).expect("valid");
        let mut limit = controller.decision().limit;
        assert_eq!(limit, max_limit);
        for _ in 0..1_000 {
            let window = Window {
                now_ns: wild(&mut rng),
                duration_ns: wild(&mut rng),
                operations: wild(&mut rng),
                bytes: wild(&mut rng),
                in_flight_avg: wild_float(&mut rng),
                in_flight_max: wild(&mut rng) as u32,
                gated: wild(&mut rng),
                silences: silences(&mut rng),
                latency: Latency {
                    samples: wild(&mut rng),
                    over_target: wild(&mut rng),
                    p50_ns: wild(&mut rng),
                    p99_ns: wild(&mut rng),
                    mean_ns: wild(&mut rng),
                    max_ns: wild(&mut rng),
                },
                gap_ns: if rng.below(4) == 0 { wild(&mut rng) } else { 0 },
            };
            let decision = controller.on_window(&window);
            assert!((min_limit..=max_limit).contains(&decision.limit), "{decision:?}");
            assert_eq!(decision.limit_changed, decision.limit != limit);
            assert!((1..=64).contains(&decision.batch));
            assert!(decision.phase != Phase::Passthrough || decision.limit == max_limit);
            limit = decision.limit;
            let goal = controller.goal();
            assert!(goal.min_duration_ns <= goal.max_duration_ns && goal.max_duration_ns > 0);
        }
    }
}

#[test]
fn the_controller_is_a_small_value() {
    let size = size_of::<Controller>();
    assert!(size <= 3_072, "{size} bytes: the documentation promises less than 3 KiB");
}

#[test]
fn equal_windows_give_equal_decisions() {
    let story = |seed| {
        let mut device = SharedQueue::new(32, Service::Flash(80_000.0));
        let mut load = Load::closed(1024);
        let (_, trace) = control(Config::default(), &mut device, &mut load, &seconds(1.0, seed));
        trace.story()
    };
    assert_eq!(story(5), story(5));
    assert_ne!(story(5), story(6));
}

#[test]
fn extreme_settings_work() {
    for (min_limit, max_limit) in [(1, 1), (1, 2), (7, 7), (64, 80), (1, 5_000)] {
        let config = Config { min_limit, max_limit, ..Config::default() };
        let mut device = SharedQueue::new(32, Service::Flash(80_000.0));
        let mut load = Load::closed(6_000);
        let (_, trace) = control(config, &mut device, &mut load, &seconds(1.0, 1));
        let best = f64::from(max_limit.min(32)) / 80e-6;
        let rate = trace.rate(SEC / 2, SEC);
        assert!(rate > 0.95 * best, "{min_limit}..{max_limit}: {rate}");
        assert!(trace.limit_at(SEC) <= 80);
    }
}

#[test]
fn an_idle_load_is_not_limited_and_the_limit_is_remembered() {
    let config = Config { idle_after_ns: SEC, ..Config::default() };
    let mut load = Load::open(|now_ns, rng| {
        let busy = !(SEC..4 * SEC).contains(&now_ns);
        // Slow enough to work off the backlog by itself, and then nearly nothing.
        let rate = if busy { 450_000.0 } else { 2_000.0 };
        (now_ns + (rng.exponential() * 1e9 / rate) as u64 + 1, 1)
    });
    let mut device = SharedQueue::new(32, Service::Flash(80_000.0));
    let (_, trace) = control(config, &mut device, &mut load, &seconds(5.0, 1));
    let found = trace.limit_at(SEC);
    assert!((30..=48).contains(&found), "{found}");
    assert!(trace.gave(Reason::Idle, SEC, 4 * SEC));
    assert_eq!(trace.limit_at(4 * SEC - 1), 1024);
    // Back under load: no baseline, no search, the old limit.
    assert!(!trace.entered(Phase::Baseline, SEC, 5 * SEC));
    assert_eq!(trace.limit_at(4_600 * MS), found, "{}", trace.story());
}

#[test]
fn a_target_set_later_is_kept_and_removed() {
    let mut controller = Controller::new(Config::default()).expect("defaults");
    assert_eq!(controller.target_p99_ns(), Some(10 * MS), "the ceiling before a baseline");
    controller.set_target_p99_ns(Some(2 * MS));
    assert_eq!(controller.target_p99_ns(), Some(2 * MS));
    controller.set_target_p99_ns(Some(0));
    assert_eq!(controller.target_p99_ns(), Some(10 * MS));
}

#[test]
fn an_infeasible_target_is_flagged_only_while_it_is() {
    // 160 µs of service never fit into 120 µs; at 40 µs they do. The device becomes that fast.
    let mut device = aura_sim::Sped::new(SharedQueue::new(16, Service::Flash(160_000.0)), SEC);
    let config = Config { target_p99_ns: Some(120_000), max_limit: 256, ..Config::default() };
    let mut controller = Controller::new(config).expect("valid");
    let mut load = Load::closed(256);
    let trace = aura_sim::run(&mut device, &mut load, &mut controller, &seconds(3.0, 1));
    assert!(trace.gave(Reason::TargetInfeasible, 0, SEC));
    assert_eq!(trace.limit_at(SEC), 4);
    assert!(!controller.is_infeasible());
    assert!(trace.limit_at(3 * SEC) >= 12, "{}", trace.story());
}

#[test]
fn raising_the_lowest_limit_takes_effect_at_once() {
    let mut controller = Controller::new(Config::default()).expect("defaults");
    let overload = Window {
        now_ns: 8 * MS,
        duration_ns: 8 * MS,
        operations: 1_000,
        in_flight_avg: 1_000.0,
        in_flight_max: 1_024,
        gated: 100,
        latency: Latency { samples: 1_000, ..Latency::default() },
        ..Window::default()
    };
    assert_eq!(controller.on_window(&overload).limit, 4);
    let decision = controller.set_min_limit(16);
    assert_eq!((decision.limit, decision.limit_changed), (16, true));
    let decision = controller.set_min_limit(8);
    assert_eq!((decision.limit, decision.limit_changed), (16, false));
    assert_eq!(controller.set_min_limit(9_999).limit, 1_024);
}
