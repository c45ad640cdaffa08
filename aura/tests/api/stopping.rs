//! `run` and `stop`: no stop is lost, whenever and from wherever it comes.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::common::{LONG, Outcomes, engine_of, small_engine, within};

#[test]
fn a_stop_before_run_ends_it_at_once() {
    let engine = small_engine();
    engine.stop();
    within(LONG, "run after stop", move || engine.run());
}

#[test]
fn a_stop_from_a_callback_ends_run_which_delivers_the_rest() {
    let engine = Arc::new(small_engine());
    let outcomes = Outcomes::default();
    let stopper = Arc::clone(&engine);
    engine.nop(move |_| stopper.stop()).unwrap();
    for _ in 0..20 {
        engine.nop(outcomes.hear()).unwrap();
    }
    let runner = Arc::clone(&engine);
    within(LONG, "run stopped by a callback", move || runner.run());
    assert_eq!(outcomes.all(), [Ok(0); 20]);
}

#[test]
fn a_stopped_run_delivers_what_is_in_flight() {
    let engine = Arc::new(small_engine());
    let (reader, mut writer) = std::io::pipe().unwrap();
    let buffer = engine.allocate_buffer(4096).unwrap();
    let outcomes = Outcomes::default();
    // SAFETY: the buffer lives until the end of the test, when the read has completed.
    unsafe { engine.read(reader.as_raw_fd(), (&buffer).into(), 4096, 0, outcomes.hear()) }.unwrap();
    engine.stop();
    writer.write_all(b"late").unwrap();
    let runner = Arc::clone(&engine);
    within(LONG, "run", move || runner.run());
    assert_eq!(outcomes.all(), [Ok(4)]);
    assert_eq!(&buffer.as_slice()[..4], b"late");
}

/// Stops `run` at random moments of its beginning, again and again.
fn stop_at_any_moment(rings: i32) {
    const ROUNDS: usize = 100_000;
    let engine = Arc::new(engine_of(rings, 16));
    let runner = Arc::clone(&engine);
    // Spinning on a number starts both within nanoseconds of each other.
    let started = Arc::new(AtomicUsize::new(0));
    let begin = Arc::clone(&started);
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || {
        for round in 1..=ROUNDS {
            while begin.load(Ordering::Acquire) < round {
                std::hint::spin_loop();
            }
            runner.run();
            sender.send(round).unwrap();
        }
    });
    for round in 1..=ROUNDS {
        started.store(round, Ordering::Release);
        for _ in 0..round % 64 {
            std::hint::black_box(round);
        }
        engine.stop();
        let ended = ended.recv_timeout(Duration::from_secs(20));
        assert_eq!(ended, Ok(round), "run missed the stop of this round");
    }
}

#[test]
fn no_stop_is_lost_while_run_begins_with_one_ring() {
    stop_at_any_moment(1);
}

#[test]
fn no_stop_is_lost_while_run_begins_with_two_rings() {
    stop_at_any_moment(2);
}

/// The stop must reach the thread in `run`, though it wakes another one that was processing.
#[test]
fn a_stop_during_another_threads_wait_still_ends_run() {
    for rings in [1, 2] {
        let engine = Arc::new(engine_of(rings, 16));
        let waiter = Arc::clone(&engine);
        let waiter = std::thread::spawn(move || waiter.wait(3_000));
        std::thread::sleep(Duration::from_millis(100)); // It sleeps inside by now.
        let (sender, ended) = mpsc::channel();
        let runner = Arc::clone(&engine);
        std::thread::spawn(move || {
            runner.run();
            sender.send(()).unwrap();
        });
        std::thread::sleep(Duration::from_millis(100)); // It queues behind the waiter by now.
        engine.stop();
        waiter.join().unwrap().unwrap();
        let ended = ended.recv_timeout(Duration::from_secs(20));
        assert_eq!(ended, Ok(()), "{rings} rings: run missed the stop");
    }
}

/// With as many operations queued as fit, there is no room for the engine's own; it must be woken
/// by a stop all the same.
#[test]
fn a_stop_ends_run_though_the_queue_was_full_when_it_went_to_sleep() {
    for (rings, depth) in [(1, 1), (1, 4), (2, 1)] {
        let engine = Arc::new(engine_of(rings, depth));
        let (reader, writer) = std::io::pipe().unwrap();
        let memory: &'static mut [u8] = Box::leak(vec![0; 64].into_boxed_slice());
        let outcomes = Outcomes::default();
        for _ in 0..depth {
            // SAFETY: the memory lasts; nothing is ever read into it.
            unsafe {
                let place = aura::BufferRef::from_ptr(memory.as_mut_ptr().cast());
                engine.read(reader.as_raw_fd(), place, 64, 0, outcomes.hear()).unwrap();
            }
        }
        let (sender, ended) = mpsc::channel();
        let runner = Arc::clone(&engine);
        std::thread::spawn(move || {
            runner.run();
            sender.send(()).unwrap();
        });
        std::thread::sleep(Duration::from_millis(100)); // It sleeps by now.
        engine.stop();
        // It drains for ten seconds, and for reads that never end that is in vain.
        let stopped = ended.recv_timeout(Duration::from_secs(20));
        drop(writer);
        assert_eq!(stopped, Ok(()), "{rings} rings of {depth}: run missed the stop");
    }
}

#[test]
fn run_in_a_callback_does_nothing_not_even_take_a_stop() {
    let engine = Arc::new(small_engine());
    let inner = Arc::clone(&engine);
    engine
        .nop(move |_| {
            inner.stop();
            inner.run();
        })
        .unwrap();
    let runner = Arc::clone(&engine);
    within(Duration::from_secs(20), "run stopped by a callback", move || runner.run());
}
