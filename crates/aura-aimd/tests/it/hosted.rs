//! A virtual disk as recorded: its host pauses, by spells, and its speed wanders.

use crate::bench::{Figures, control, seconds};
use aura_aimd::{Config, Phase};
use aura_sim::{Device, Fixed, HostedDisk, Load, MS, Oracle, SEC, Setup, Trace, run};

fn disk() -> Box<dyn Device> {
    Box::new(HostedDisk::default())
}

#[test]
fn hosted_disk_without_target() {
    let oracle = Oracle::sweep(512, &seconds(6.0, 99), true, &disk);
    let knee = oracle.knee();
    println!("hosted: knee {knee}, p99 {} us", oracle.p99_ns(knee) / 1000);
    let mut figures = Figures::new("hosted disk");
    figures.each_seed(|seed, figures| {
        let setup = Setup { keep_from_ns: SEC, ..seconds(20.0, seed) };
        let (_, mut trace) =
            control(Config::default(), &mut *disk(), &mut Load::closed(1024), &setup);
        trace.latencies_ns.sort_unstable();
        let p99_ns = trace.latencies_ns[trace.latencies_ns.len() * 99 / 100];
        // The disk's own speed wanders: the knee's depth is played on the same disk.
        let fixed = fixed(knee, &setup);
        let of_knee = trace.rate(SEC, 20 * SEC) / fixed.rate(SEC, 20 * SEC);
        figures.add("of knee's", of_knee);
        figures.add("p99/knee", p99_ns as f64 / oracle.p99_ns(knee) as f64);
        figures.add("limit", trace.limit_stats(SEC, 20 * SEC).0);
        let converged_ns = trace.first_after(0, |s| s.decision.phase == Phase::Converged);
        figures.add("converged s", converged_ns as f64 / 1e9);
        figures.add("cv", trace.limit_stats(converged_ns, 20 * SEC).1);
    });
    figures.print();
    assert!(figures.low("of knee's") >= 0.88);
    assert!(figures.mean("of knee's") >= 0.94);
    assert!(figures.mean("p99/knee") <= 1.3);
    assert!(figures.median("cv") <= 0.15);
}

fn fixed(depth: u32, setup: &Setup) -> Trace {
    run(&mut *disk(), &mut Load::closed(1024), &mut Fixed(depth), setup)
}

#[test]
fn hosted_disk_with_targets() {
    let oracle = Oracle::sweep(256, &seconds(6.0, 99), true, &disk);
    for target_ns in [MS / 2, MS, 2 * MS] {
        let (depth, _) = oracle.best_meeting(target_ns).expect("feasible");
        println!("hosted, {} us: best static {depth}", target_ns / 1000);
        let mut figures = Figures::new("hosted disk, target");
        figures.each_seed(|seed, figures| {
            let setup = Setup { late_ns: target_ns, ..seconds(12.0, seed) };
            let config = Config { target_p99_ns: Some(target_ns), ..Config::default() };
            let (_, trace) = control(config, &mut *disk(), &mut Load::closed(1024), &setup);
            let (violations, windows) = trace.violations(SEC);
            let fixed = fixed(depth, &setup);
            let (missed, of) = fixed.violations(SEC);
            figures.add("of static", trace.rate(SEC, 12 * SEC) / fixed.rate(SEC, 12 * SEC));
            figures.add("V", f64::from(violations) / f64::from(windows));
            figures.add("static V", f64::from(missed) / f64::from(of));
            figures.add("limit", trace.limit_stats(SEC, 12 * SEC).0);
            figures.add("cv", trace.limit_stats(2 * SEC, 12 * SEC).1);
        });
        figures.print();
        // In spells no limit worth having keeps a target; the fixed depth misses it twice as often.
        assert!(figures.low("of static") >= 0.83);
        assert!(figures.mean("of static") >= 0.92);
        assert!(figures.mean("V") <= 0.5 * figures.mean("static V"));
    }
}
