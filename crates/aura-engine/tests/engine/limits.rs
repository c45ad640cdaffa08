//! The in-flight limit holds over all rings together.

use std::os::fd::AsRawFd;
use std::time::Duration;

use aura_engine::{Config, Engine, Op, Ring, RingSelect, Target};

use crate::odd::{Heard, lasting_memory};

/// How many reads from an empty pipe the engine takes, and what it says is in flight then.
fn filled(limit: u32, rings: u32, ring_select: RingSelect) -> (u64, u64) {
    let engine: std::sync::Arc<Engine<Ring>> = Engine::create(&Config {
        queue_depth: 64,
        ring_count: Some(rings),
        initial_in_flight: Some(limit),
        disable_adaptive: true,
        ring_select,
        ..Config::default()
    })
    .unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let heard = Heard::default();
    let read = Op::read(Target::Fd(reader.as_raw_fd()), lasting_memory(64), 64, 0).unwrap();
    let mut taken = 0;
    let mut refused = 0;
    while refused < 2 * rings {
        // SAFETY: the memory is never given back.
        match unsafe { engine.submit(&read, 0, heard.hear()) } {
            Ok(_) => taken += 1,
            Err(rejected) => {
                assert_eq!(rejected.error.errno(), libc::EAGAIN);
                refused += 1;
            }
        }
    }
    let in_flight = engine.in_flight();
    drop(writer);
    engine.drain(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(heard.all().len() as u64, taken);
    (taken, in_flight)
}

#[test]
fn a_fixed_limit_is_kept_with_one_ring() {
    for limit in [1, 3, 64] {
        assert_eq!(filled(limit, 1, RingSelect::Adaptive), (limit.into(), limit.into()));
    }
}

#[test]
fn a_fixed_limit_is_kept_by_all_rings_together() {
    for (limit, rings) in [(4, 3), (1, 4), (10, 4), (8, 2)] {
        for mode in [RingSelect::RoundRobin, RingSelect::Adaptive, RingSelect::CpuLocal] {
            let (taken, _) = filled(limit, rings, mode);
            assert!(
                taken <= limit.into(),
                "{taken} in flight, limit {limit}, {rings} rings, {mode:?}"
            );
        }
    }
}

#[test]
fn a_fixed_limit_can_be_used_up_from_one_thread() {
    for mode in [RingSelect::RoundRobin, RingSelect::Adaptive, RingSelect::CpuLocal] {
        let (taken, in_flight) = filled(8, 2, mode);
        assert!(taken >= 8, "only {taken} of 8, {mode:?}");
        assert_eq!(taken, in_flight);
    }
}
