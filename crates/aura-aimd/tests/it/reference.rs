//! The machine Aura is measured on: its virtio disk, and reads served from the page cache.

use crate::bench::{Figures, control, seconds};
use aura_aimd::{Config, Controller, Latency, Phase, Window};
use aura_sim::{Device, Load, MS, Oracle, SEC, Setup, VirtioDisk};

fn disk() -> Box<dyn Device> {
    Box::new(VirtioDisk::default())
}

#[test]
fn virtio_disk_without_target() {
    let oracle = Oracle::sweep(256, &seconds(0.8, 99), true, &disk);
    let (knee, best) = (oracle.knee(), oracle.best());
    let mut figures = Figures::new("virtio disk");
    println!("virtio: knee {knee}, {best:.0}/s, p99 {} us", oracle.p99_ns(knee) / 1000);
    figures.each_seed(|seed, figures| {
        let setup = Setup { keep_from_ns: SEC, ..seconds(5.0, seed) };
        let (_, mut trace) =
            control(Config::default(), &mut *disk(), &mut Load::closed(1024), &setup);
        trace.latencies_ns.sort_unstable();
        let p99_ns = trace.latencies_ns[trace.latencies_ns.len() * 99 / 100];
        figures.add("eta", trace.rate(SEC, 5 * SEC) / best);
        figures.add("p99/knee", p99_ns as f64 / oracle.p99_ns(knee) as f64);
        figures.add("limit", trace.limit_stats(SEC, 5 * SEC).0);
        figures.add("cv", trace.limit_stats(SEC, 5 * SEC).1);
        let steady_ns = trace.first_after(0, |s| s.decision.phase == Phase::Steady);
        figures.add("steady s", steady_ns as f64 / 1e9);
    });
    figures.print();
    assert!(figures.low("eta") >= 0.98);
    assert!(figures.high("p99/knee") <= 1.3);
    assert!(figures.high("cv") <= 0.15);
    assert!(figures.high("steady s") <= 1.0);
}

#[test]
fn virtio_disk_with_a_target_of_1_ms() {
    let oracle = Oracle::sweep(256, &seconds(0.8, 99), true, &disk);
    let (depth, best) = oracle.best_meeting(MS).expect("1 ms is feasible");
    println!("virtio 1 ms: best static {depth}, {best:.0}/s");
    let mut figures = Figures::new("virtio disk, 1 ms");
    figures.each_seed(|seed, figures| {
        let setup = Setup { late_ns: MS, ..seconds(8.0, seed) };
        let config = Config { target_p99_ns: Some(MS), ..Config::default() };
        let (_, trace) = control(config, &mut *disk(), &mut Load::closed(1024), &setup);
        let (violations, windows) = trace.violations(SEC);
        figures.add("eta", trace.rate(SEC, 8 * SEC) / best);
        figures.add("V", f64::from(violations) / f64::from(windows));
        figures.add("limit", trace.limit_stats(SEC, 8 * SEC).0);
        figures.add("cv", trace.limit_stats(SEC, 8 * SEC).1);
    });
    figures.print();
    assert!(figures.low("eta") >= 0.95);
    assert!(figures.mean("V") <= 0.01);
}

/// Reads that complete within the submission call: what is in flight is whatever has been submitted
/// and not yet reaped, a saw-tooth between nothing and the limit. An operation costs 700 ns, a
/// submission call 250 ns for a batch, a round of reaping 300 ns.
fn cached_rate(limit: u32, batch: u32) -> f64 {
    1e9 / (700.0 + 250.0 / f64::from(batch) + 300.0 / f64::from(limit))
}

#[test]
fn page_cache_reads_are_never_made_slower() {
    let mut controller = Controller::new(Config::default()).expect("defaults");
    let best = cached_rate(1024, 64);
    let mut now_ns = 0;
    let (mut operations, mut since_ns) = (0.0, 0);
    while now_ns < 5 * SEC {
        let decision = controller.decision();
        let rate = cached_rate(decision.limit, decision.batch);
        let goal = controller.goal();
        let duration_ns = (goal.min_samples as f64 * 1e9 / rate).max(goal.min_duration_ns as f64);
        now_ns += duration_ns as u64;
        let done = rate * duration_ns / 1e9;
        if now_ns > SEC / 2 {
            operations += done;
            since_ns += duration_ns as u64;
        }
        controller.on_window(&Window {
            now_ns,
            duration_ns: duration_ns as u64,
            operations: done as u64,
            in_flight_avg: f64::from(decision.limit) / 2.0,
            in_flight_max: decision.limit,
            gated: (done / f64::from(decision.limit)) as u64,
            latency: Latency {
                samples: done as u64,
                p50_ns: u64::from(decision.limit) * 500,
                p99_ns: u64::from(decision.limit) * 1000,
                mean_ns: u64::from(decision.limit) * 500,
                max_ns: u64::from(decision.limit) * 1010,
                ..Latency::default()
            },
            ..Window::default()
        });
    }
    let eta = operations * 1e9 / since_ns as f64 / best;
    println!("page cache: eta {eta:.3}, {:?}", controller.decision());
    assert!(eta >= 0.98, "{eta}");
}
