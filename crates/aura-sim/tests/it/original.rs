//! The seven defects of the original: for each a property that the controller has and the original,
//! shown the same device and load, has not.

use aura_aimd::{Config, Controller, Latency, Phase, Window};
use aura_sim::{Load, MS, Original, Policy, Rng, SEC, Service, Setup, SharedQueue, Trace, run};

const MEMORYLESS: Service = Service::Exponential(80_000.0);

/// A property of a policy, made anew for it.
fn only_the_controller(
    target_ns: Option<u64>,
    engaged: bool,
    property: impl Fn(&mut dyn Policy) -> bool,
) {
    let config = Config { target_p99_ns: target_ns, seed: 11, ..Config::default() };
    let mut controller = Controller::new(config).expect("valid");
    assert!(property(&mut controller), "the controller lacks the property");
    let mut original = if engaged {
        Original::engaged(4, 1024, target_ns)
    } else {
        Original::new(4, 1024, target_ns)
    };
    assert!(!property(&mut original), "the original has the property");
}

fn play(policy: &mut dyn Policy, servers: usize, clients: u32, duration_ns: u64) -> Trace {
    let setup = Setup { duration_ns, seed: 11, ..Setup::default() };
    run(&mut SharedQueue::new(servers, MEMORYLESS), &mut Load::closed(clients), policy, &setup)
}

#[test]
fn defect_1_a_tick_of_no_change_counts_as_progress() {
    // 32 would do; the original starts at 256, and more brings nothing.
    only_the_controller(None, true, |policy| {
        play(policy, 32, 1024, 4 * SEC).limit_at(4 * SEC) <= 256
    });
    // It is this defect and no other: without it, and without noise, the original takes one step.
    let (_, limit, _) = without_noise(&mut Original::engaged(4, 1024, None), 4 * SEC, [32.0; 2]);
    assert!(limit > 300, "{limit}");
    let mut repaired = Original::engaged(4, 1024, None).without_first_defect();
    assert_eq!(without_noise(&mut repaired, 4 * SEC, [32.0; 2]).1, 257);
}

#[test]
fn defect_2_growth_is_invisible_at_large_limits() {
    // Without noise, so that only the threshold decides. At the original's first limit, 256, one more
    // gains 0.4 %; at 60 it gains 1.7 %.
    let reaches = |policy: &mut dyn Policy, servers: f64| {
        let (_, limit, _) = without_noise(policy, 20 * SEC, [servers; 2]);
        f64::from(limit) > 0.95 * servers
    };
    assert!(reaches(&mut Controller::new(Config::default()).expect("defaults"), 600.0));
    // Of two defects the first would hide the second: it climbs, though without knowing why.
    let original = |max| Original::engaged(4, max, None).without_first_defect();
    assert!(!reaches(&mut original(1024), 600.0));
    assert!(reaches(&mut original(240), 75.0), "where one more shows, the original sees it");
}

#[test]
fn defect_3_saturated_samples_become_the_baseline() {
    only_the_controller(None, true, |policy| {
        play(policy, 8, 1024, SEC / 2);
        // Unloaded, p99 is 370 us; what it is beside a queue of 248 is another matter.
        policy.target_p99_ns().is_some_and(|guard_ns| guard_ns < 6 * MS)
    });
}

#[test]
fn defect_4_flat_in_flight_lifts_the_limit() {
    let config = Config { seed: 11, ..Config::default() };
    let mut controller = Controller::new(config).expect("valid");
    let ours = play(&mut controller, 32, 1024, 8 * SEC);
    assert!(ours.entered(Phase::Converged, 0, 8 * SEC));
    assert!(!ours.entered(Phase::Passthrough, SEC, 8 * SEC));
    // The original takes 15 s to the top, 5 s to CONVERGED, and is back after 100 ms: a cycle.
    let trace = play(&mut Original::engaged(4, 256, None), 32, 256, 40 * SEC);
    let converged_ns = trace.first_after(0, |step| step.decision.phase == Phase::Converged);
    assert!(trace.entered(Phase::Passthrough, converged_ns, converged_ns + SEC / 4));
}

/// Feeds windows of a device without noise, with `servers(now_ns)` servers of 4 ms each, whose in-flight
/// swings a little as that of real programs does. Returns the phase and limit just before `change_ns`, and
/// the limit 20 s later.
fn without_noise(policy: &mut dyn Policy, change_ns: u64, servers: [f64; 2]) -> (Phase, u32, u32) {
    let (mut now_ns, mut even) = (0, false);
    let mut before = policy.decision();
    while now_ns < change_ns + 20 * SEC {
        let limit = f64::from(policy.decision().limit);
        let servers = servers[usize::from(now_ns >= change_ns)];
        let rate = limit.min(servers) * 250.0;
        let goal = policy.goal();
        let wanted = (goal.min_samples * u64::from(policy.sampling().one_in)) as f64;
        let lasting_ns = ((wanted / rate * 1e9) as u64).max(goal.min_duration_ns);
        let duration_ns = lasting_ns.min(goal.max_duration_ns);
        now_ns += duration_ns;
        let operations = (rate * duration_ns as f64 / 1e9) as u64;
        let median_ns = (4e6 * (limit / servers).max(1.0)) as u64;
        let p99_ns = median_ns + 2 * MS;
        let late = p99_ns > policy.target_p99_ns().unwrap_or(u64::MAX);
        even = !even;
        let decision = policy.on_window(&Window {
            now_ns,
            duration_ns,
            operations,
            in_flight_avg: if even { limit } else { 0.93 * limit },
            in_flight_max: limit as u32,
            gated: operations,
            latency: Latency {
                samples: operations / u64::from(policy.sampling().one_in),
                over_target: if late { operations / 8 } else { 0 },
                p50_ns: median_ns,
                p99_ns,
                mean_ns: median_ns,
                max_ns: p99_ns,
            },
            ..Window::default()
        });
        if now_ns < change_ns {
            before = decision;
        }
    }
    (before.phase, before.limit, policy.decision().limit)
}

#[test]
fn defect_5_new_capacity_is_not_found() {
    // Both converge on 8 servers; then there are 64.
    let play = |policy: &mut dyn Policy| without_noise(policy, 60 * SEC, [8.0, 64.0]);
    let target_ns = Some(8 * MS);
    let config = Config { target_p99_ns: target_ns, seed: 11, ..Config::default() };
    let (phase, before, after) = play(&mut Controller::new(config).expect("valid"));
    assert_eq!(phase, Phase::Converged);
    assert!(after > before * 5 / 4, "{before} {after}");
    let (phase, before, after) = play(&mut Original::engaged(4, 1024, target_ns));
    assert_eq!(phase, Phase::Converged);
    assert_eq!(before, after);
}

#[test]
fn defect_6_full_depth_from_the_start_goes_unnoticed() {
    only_the_controller(None, false, |policy| {
        let trace = play(policy, 32, 1024, SEC);
        trace.limit_at(SEC) < 1024
    });
}

#[test]
fn defect_7_the_p99_of_few_samples_is_their_maximum() {
    let target_ns = 400_000;
    only_the_controller(Some(target_ns), true, |policy| {
        let mut reductions = 0;
        let mut rng = Rng::new(3);
        let mut now_ns = 0;
        for _ in 0..2_000 {
            let limit = policy.decision().limit;
            let goal = policy.goal();
            let samples = goal.min_samples.clamp(1, 2_000);
            let duration_ns = goal.min_duration_ns.max(MS);
            now_ns += duration_ns;
            // 0.8 % are late: the target is met.
            let late = (0..samples).filter(|_| rng.unit() < 0.008).count() as u64;
            let beyond = samples - (samples * 99).div_ceil(100);
            let rate = f64::from(limit.min(32)) * 1e4;
            let decision = policy.on_window(&Window {
                now_ns,
                duration_ns,
                operations: (rate * duration_ns as f64 / 1e9) as u64,
                in_flight_avg: f64::from(limit),
                in_flight_max: limit,
                gated: samples,
                latency: Latency {
                    samples,
                    over_target: late,
                    p50_ns: 90_000,
                    p99_ns: if late > beyond { 500_000 } else { 390_000 },
                    mean_ns: 100_000,
                    max_ns: 600_000,
                },
                ..Window::default()
            });
            reductions += u32::from(decision.phase == Phase::Backoff && decision.limit_changed);
        }
        reductions == 0
    });
}
