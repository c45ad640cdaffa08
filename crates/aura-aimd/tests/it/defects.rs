//! The seven defects of the controller that this one replaces, each as a test that it would fail.

use crate::bench::{control, seconds};
use aura_aimd::{Config, Controller, Latency, Phase, Reason, Window};
use aura_sim::{Load, MS, SEC, Scheduled, Service, SharedQueue, Trace};

fn shared(config: Config, servers: usize, duration: f64) -> (Controller, Trace) {
    let mut device = SharedQueue::new(servers, Service::Exponential(80_000.0));
    control(config, &mut device, &mut Load::closed(config.max_limit), &seconds(duration, 11))
}

/// A plateau left the limit as it was, the next step divided by no change and climbed on.
#[test]
fn defect_1_a_plateau_ends_the_climb() {
    let (_, trace) = shared(Config::default(), 32, 2.0);
    let highest = trace.steps.iter().map(|s| s.decision.limit).filter(|&l| l < 1024).max();
    assert!(highest <= Some(128), "{highest:?}");
    assert!(trace.limit_at(2 * SEC) <= 48);
}

/// One percent of the total cannot be seen in a step of one above a limit of a hundred.
#[test]
fn defect_2_growth_is_seen_at_large_limits() {
    let (_, trace) = shared(Config::default(), 400, 1.5);
    assert!((390..520).contains(&trace.limit_at(1_500 * MS)), "{}", trace.limit_at(1_500 * MS));
}

/// Saturated samples in the baseline made the guard ten times the saturated p99.
#[test]
fn defect_3_the_baseline_is_unsaturated() {
    let (controller, trace) = shared(Config { max_limit: 1024, ..Config::default() }, 8, 0.2);
    let saturated_ns = trace.steps[0].window.latency.p99_ns;
    // Unloaded, an exponential service of 80 µs has its p99 at 370 µs.
    let baseline_ns = trace
        .steps
        .iter()
        .find(|s| s.decision.reason == Reason::BaselineMeasured || s.decision.limit > 4)
        .map(|s| s.window.latency.p99_ns);
    assert!(saturated_ns > 5 * MS);
    assert!(baseline_ns.is_some());
    let guard_ns = controller.target_p99_ns().expect("a guard");
    assert!((2 * MS..6 * MS).contains(&guard_ns), "{guard_ns}");
}

/// A saturated closed loop never changes how much is in flight; that is no reason to lift the limit.
#[test]
fn defect_4_flat_in_flight_does_not_lift_the_limit() {
    let (_, trace) = shared(Config { idle_after_ns: 100 * MS, ..Config::default() }, 32, 8.0);
    assert!(trace.entered(Phase::Converged, 0, 8 * SEC));
    assert!(!trace.entered(Phase::Passthrough, SEC, 8 * SEC));
}

/// Nothing ever looked upwards again from CONVERGED.
#[test]
fn defect_5_converged_finds_new_capacity() {
    // Without the little headroom the rise would be invisible; with it, it must be found at once.
    let device = SharedQueue::new(8, Service::Exponential(80_000.0));
    let mut device = Scheduled::new(device, vec![(8 * SEC, 32)]);
    let (_, trace) =
        control(Config::default(), &mut device, &mut Load::closed(1024), &seconds(10.0, 11));
    assert!(trace.entered(Phase::Converged, 0, 8 * SEC));
    assert!(trace.limit_at(8 * SEC - 1) <= 12);
    assert!(trace.t95_ns(8 * SEC, 50 * MS, 4e5) < SEC / 2);

    // And if capacity creeps up too slowly to be an event, trials of the neighbours find it.
    let schedule = (0..24).map(|k| (3 * SEC + k * SEC / 2, 8 + k as usize)).collect();
    let device = SharedQueue::new(8, Service::Exponential(80_000.0));
    let mut device = Scheduled::new(device, schedule);
    let config = Config { reprobe_interval_ns: SEC / 2, ..Config::default() };
    let (_, trace) = control(config, &mut device, &mut Load::closed(1024), &seconds(20.0, 11));
    assert!(trace.limit_at(20 * SEC) >= 28, "{}", trace.limit_at(20 * SEC));
}

/// Taking over needed growth, which full depth leaves no room for.
#[test]
fn defect_6_full_depth_from_the_start_is_noticed() {
    let mut controller = Controller::new(Config::default()).expect("defaults");
    let decision = controller.on_window(&Window {
        now_ns: 8 * MS,
        duration_ns: 8 * MS,
        operations: 3_200,
        in_flight_avg: 1024.0,
        in_flight_max: 1024,
        latency: Latency { samples: 3_200, p99_ns: 3 * MS, ..Latency::default() },
        ..Window::default()
    });
    assert_eq!(decision.phase, Phase::Baseline);
    assert!(decision.limit_changed && decision.limit == 4);
}

/// The p99 of few samples is their maximum: a device exactly at its target tripped most ticks.
#[test]
fn defect_7_a_device_at_its_target_is_left_alone() {
    // In windows of 256 samples a device with 0.8 % late shows more than 1 % every third time.
    let target_ns = Some(400_000);
    let (mut backoffs, mut windows) = (0, 0);
    for seed in 0..5 {
        let config = Config { target_p99_ns: target_ns, seed, ..Config::default() };
        let mut controller = Controller::new(config).expect("valid");
        let mut rng = aura_sim::Rng::new(seed);
        let mut now_ns = 0;
        for _ in 0..1_000 {
            let limit = controller.decision().limit;
            let samples = controller.goal().min_samples.clamp(1, 2_000);
            let duration_ns = controller.goal().min_duration_ns.max(MS);
            now_ns += duration_ns;
            let late = (0..samples).filter(|_| rng.unit() < 0.008).count() as u64;
            let rate = f64::from(limit.min(32)) * 1e4;
            let decision = controller.on_window(&Window {
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
                    p99_ns: 390_000,
                    mean_ns: 100_000,
                    max_ns: 600_000,
                },
                ..Window::default()
            });
            windows += 1;
            backoffs += u32::from(decision.phase == Phase::Backoff && decision.limit_changed);
        }
    }
    assert!(f64::from(backoffs) < 0.01 * f64::from(windows), "{backoffs} of {windows}");
}
