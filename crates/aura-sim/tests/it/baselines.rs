//! The baselines do what they are known for, so that beating them means something.

use aura_aimd::Phase;
use aura_sim::catalogue::{self, Contender};
use aura_sim::{
    Gradient2, Load, MS, Original, Policy, SEC, Service, Setup, SharedQueue, Trace, run,
};

const FLASH: Service = Service::Flash(80_000.0);

fn play(policy: &mut dyn Policy, clients: u32, duration_ns: u64) -> Trace {
    let setup = Setup { duration_ns, seed: 1, ..Setup::default() };
    run(&mut SharedQueue::new(32, FLASH), &mut Load::closed(clients), policy, &setup)
}

#[test]
fn vegas_and_gradient2_fill_a_device_and_leave_it_a_short_queue() {
    for contender in [Contender::Vegas, Contender::Gradient2] {
        let mut policy = contender.make((4, 1024), None, 1);
        let trace = play(&mut *policy, 1024, 6 * SEC);
        let name = contender.name();
        assert!(trace.rate(4 * SEC, 6 * SEC) > 0.95 * 4e5, "{name}");
        let (limit, _) = trace.limit_stats(4 * SEC, 6 * SEC);
        assert!((30.0..100.0).contains(&limit), "{name}: {limit}");
    }
}

#[test]
fn a_load_that_does_not_use_the_limit_leaves_it() {
    for contender in [Contender::Vegas, Contender::Gradient2] {
        let mut policy = contender.make((4, 1024), None, 1);
        play(&mut *policy, 5, 5 * SEC);
        assert!(policy.decision().limit < 40, "{}", contender.name());
    }
}

#[test]
fn gradient2_gives_way_when_latency_grows() {
    let mut policy = Gradient2::new(4, 1024);
    let window = |mean_ns| aura_aimd::Window {
        in_flight_max: 1024,
        latency: aura_aimd::Latency { samples: 100, mean_ns, ..Default::default() },
        ..Default::default()
    };
    for _ in 0..50 {
        policy.on_window(&window(MS));
    }
    let before = policy.decision().limit;
    for _ in 0..5 {
        policy.on_window(&window(4 * MS));
    }
    assert!(policy.decision().limit < before * 3 / 4);
}

#[test]
fn the_original_backs_off_by_a_fifth_and_settles() {
    let trace = play(&mut Original::engaged(4, 1024, Some(300_000)), 1024, SEC);
    let at = trace.steps.iter().position(|s| s.decision.phase == Phase::Backoff);
    let at = at.expect("a depth of 256 takes longer than 300 us");
    assert_eq!(trace.steps[at].decision.limit, trace.steps[at - 1].decision.limit * 4 / 5);
    assert_eq!(trace.steps[at + 1].decision.phase, Phase::Settling);
}

#[test]
fn names_of_scenarios_are_unique_and_each_can_be_found() {
    let mut names: Vec<&str> = catalogue::all().iter().map(|scenario| scenario.name).collect();
    assert!(names.iter().all(|name| catalogue::find(name).is_some()));
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn equal_seeds_give_equal_scores() {
    let prepared = catalogue::find("11-throttle").expect("listed").prepare();
    for contender in Contender::ALL {
        assert_eq!(prepared.play(contender, 4), prepared.play(contender, 4), "{contender:?}");
    }
}
