//! At the limit: refused with `EAGAIN`, nothing lost, and room again when completions are
//! processed. And how submissions spread over rings.

use std::io::Write;
use std::os::fd::AsRawFd;

use aura::{Engine, Error, Options, RingSelect};

use crate::common::{Outcomes, engine_of, pin_to_cpu, skip};

/// Submits reads from an empty pipe until the engine refuses three in a row; returns how many it
/// took.
fn fill(engine: &Engine, fd: i32, outcomes: &Outcomes) -> usize {
    let memory: &'static mut [u8] = Box::leak(vec![0; 64].into_boxed_slice());
    let (mut taken, mut refused) = (0, 0);
    while refused < 3 {
        // SAFETY: the memory lasts; what the reads leave in it is of no interest.
        let read = unsafe {
            let place = aura::BufferRef::from_ptr(memory.as_mut_ptr().cast());
            engine.read(fd, place, 1, 0, outcomes.hear())
        };
        match read {
            Ok(_) => taken += 1,
            Err(error) => {
                assert!(matches!(error, Error::Submission(_)), "{error:?}");
                assert_eq!(error.errno(), libc::EAGAIN);
                refused += 1;
            }
        }
    }
    taken
}

#[test]
fn a_full_engine_refuses_and_recovers() {
    for (rings, depth) in [(1, 1), (1, 4), (3, 1), (3, 4)] {
        let engine = engine_of(rings, depth);
        let (reader, mut writer) = std::io::pipe().unwrap();
        for _ in 0..3 {
            let outcomes = Outcomes::default();
            let taken = fill(&engine, reader.as_raw_fd(), &outcomes);
            assert!(taken >= depth as usize, "{taken} of {depth}");
            assert!(taken <= (rings * depth) as usize, "{taken} of {rings} times {depth}");
            assert_eq!((engine.pending_count(), outcomes.count()), (taken, 0));
            writer.write_all(&vec![1; taken]).unwrap();
            engine.drain(-1).unwrap();
            assert_eq!(outcomes.all(), vec![Ok(1); taken]);
        }
        assert!(engine.stats().unwrap().refused_at_limit() >= 9);
    }
}

#[test]
fn without_polling_submission_ends_and_nothing_is_lost() {
    for (rings, depth) in [(1, 1), (1, 4), (2, 8)] {
        let engine = engine_of(rings, depth);
        let outcomes = Outcomes::default();
        let mut taken = 0;
        while engine.nop(outcomes.hear()).is_ok() {
            taken += 1;
            assert!(taken < 10_000, "memory for completions must be bounded");
        }
        assert_eq!(outcomes.count(), 0, "no callback before somebody processes completions");
        assert!(taken > depth as usize, "room is made once before a submission is refused");
        engine.drain(-1).unwrap();
        assert_eq!(outcomes.all(), vec![Ok(0); taken]);
        engine.nop(outcomes.hear()).unwrap();
        engine.drain(-1).unwrap();
        assert_eq!(outcomes.count(), taken + 1);
    }
}

fn spread(mode: RingSelect, operations: usize) -> (Vec<i64>, u64) {
    let options = Options::new().queue_depth(512).ring_count(4).ring_select(mode);
    let engine = Engine::with_options(&options.disable_adaptive(true)).unwrap();
    for _ in 0..operations {
        engine.nop(|_| ()).unwrap();
        engine.poll().unwrap();
    }
    engine.drain(-1).unwrap();
    let completed = (0..4).map(|ring| engine.ring_stats(ring).unwrap().ops_completed()).collect();
    (completed, engine.stats().unwrap().adaptive_spills())
}

#[test]
fn round_robin_uses_every_ring_alike() {
    assert_eq!(spread(RingSelect::RoundRobin, 4_000), (vec![1_000; 4], 0));
}

#[test]
fn cpu_local_and_uncongested_adaptive_stay_on_the_ring_of_the_cpu() {
    if !pin_to_cpu(0) {
        skip("the ring of a CPU cannot be checked: this process may not choose its CPU");
        return;
    }
    for mode in [RingSelect::CpuLocal, RingSelect::Adaptive] {
        let (completed, spills) = spread(mode, 4_000);
        // A thread asks for its CPU only now and then.
        assert!(completed[0] >= 3_900 && completed.iter().sum::<i64>() == 4_000, "{completed:?}");
        assert_eq!(spills, 0);
    }
}

#[test]
fn a_congested_thread_spills_in_adaptive_mode_only() {
    if !pin_to_cpu(0) {
        skip("spilling cannot be checked: this process may not choose its CPU");
        return;
    }
    for (mode, spilling) in [
        (RingSelect::Adaptive, true),
        (RingSelect::CpuLocal, false),
        (RingSelect::RoundRobin, false),
    ] {
        let options = Options::new().queue_depth(64).ring_count(5).ring_select(mode);
        let engine = Engine::with_options(&options.disable_adaptive(true)).unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        let outcomes = Outcomes::default();
        let taken = fill(&engine, reader.as_raw_fd(), &outcomes);
        let spills = engine.stats().unwrap().adaptive_spills();
        assert_eq!(spills > 0, spilling, "{mode:?}: {spills} of {taken}");
        let busy = (0..5).filter(|ring| engine.ring_stats(*ring).unwrap().pending_count() > 0);
        assert_eq!(busy.count() > 1, mode != RingSelect::CpuLocal, "{mode:?}");
        writer.write_all(&vec![1; taken]).unwrap();
        engine.drain(-1).unwrap();
        assert_eq!(outcomes.count(), taken);
    }
}

/// Submissions at the limit take completions off the queue, and call nobody back.
#[test]
fn what_was_not_called_back_is_pending() {
    let engine = engine_of(1, 4);
    let outcomes = Outcomes::default();
    let taken = (0..1000).take_while(|_| engine.nop(outcomes.hear()).is_ok()).count();
    assert!(taken > 4, "room was made {taken} times");
    assert_eq!((engine.pending_count(), outcomes.count()), (taken, 0));
    while engine.pending_count() > 0 {
        engine.wait(-1).unwrap();
    }
    assert_eq!(outcomes.count(), taken);
}

#[test]
fn a_callback_at_the_limit_is_refused_and_nothing_hangs() {
    for (rings, depth) in [(1, 1), (1, 4), (3, 2)] {
        let engine = std::sync::Arc::new(engine_of(rings, depth));
        let outcomes = Outcomes::default();
        let (inner, heard) = (std::sync::Arc::clone(&engine), outcomes.clone());
        let (sender, counted) = std::sync::mpsc::channel();
        engine
            .nop(move |_| {
                let mut taken = 0;
                while inner.nop(heard.hear()).is_ok() {
                    taken += 1;
                }
                sender.send(taken).unwrap();
            })
            .unwrap();
        crate::common::within(crate::common::LONG, "draining", {
            let engine = std::sync::Arc::clone(&engine);
            move || engine.drain(-1)
        })
        .unwrap();
        let taken = counted.recv().unwrap();
        assert!(taken >= 1, "its own permit was given back before the callback ran");
        assert_eq!(outcomes.all(), vec![Ok(0); taken], "{rings} rings of {depth}");
    }
}
