//! The simulator checked against what queueing theory knows.

use aura_sim::{Fixed, Load, SEC, Service, Setup, SharedQueue, StripedDies, Trace, run};

fn closed_run(device: &mut dyn aura_sim::Device, depth: u32) -> Trace {
    let setup = Setup { duration_ns: 2 * SEC, seed: 7, ..Setup::default() };
    run(device, &mut Load::closed(depth), &mut Fixed(depth), &setup)
}

fn assert_close(what: &str, got: f64, want: f64, tolerance: f64) {
    assert!((got / want - 1.0).abs() < tolerance, "{what}: got {got}, want {want}");
}

#[test]
fn little_law_holds() {
    for depth in [1, 7, 32, 200] {
        let mut device = StripedDies::new(16, Service::Exponential(100_000.0));
        let trace = closed_run(&mut device, depth);
        let in_flight = trace.in_flight_area / trace.duration_ns as f64;
        let wait_ns = trace.latency_sum_ns as f64 / trace.operations as f64;
        let rate_per_ns = trace.operations as f64 / trace.duration_ns as f64;
        assert_close("L = X·W", in_flight, rate_per_ns * wait_ns, 0.01);
        assert_close("closed loop", in_flight, f64::from(depth), 0.01);
    }
}

#[test]
fn shared_queue_serves_min_of_depth_and_servers() {
    for depth in [1u32, 8, 32, 33, 128] {
        let mut device = SharedQueue::new(32, Service::Exponential(80_000.0));
        let trace = closed_run(&mut device, depth);
        let want = f64::from(depth.min(32)) / 80e-6;
        assert_close("X = μ·min(L, c)", trace.rate(0, 2 * SEC), want, 0.02);
    }
}

#[test]
fn striped_dies_follow_the_closed_network_formula() {
    for depth in [1u32, 16, 64, 256] {
        let mut device = StripedDies::new(32, Service::Exponential(80_000.0));
        let trace = closed_run(&mut device, depth);
        let want = 32.0 / 80e-6 * f64::from(depth) / f64::from(depth + 31);
        assert_close("X = cμL/(L+c−1)", trace.rate(0, 2 * SEC), want, 0.02);
    }
}
