//! Waiting, draining and polling: who is woken, who waits for what, and at what price.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::common::{LONG, Outcomes, engine_of, eventually, small_engine, thread_cpu_time, within};

#[test]
fn an_idle_wait_sleeps_however_the_wait_before_it_ended() {
    for rings in [1, 3] {
        let engine = Arc::new(engine_of(rings, 16));
        // A wait that another thread's stop ends, and one of a thread that is gone.
        let stopper = Arc::clone(&engine);
        let stop = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            stopper.stop();
        });
        engine.wait(5_000).unwrap();
        stop.join().unwrap();
        let gone = Arc::clone(&engine);
        std::thread::spawn(move || gone.wait(1)).join().unwrap().unwrap();
        let before = thread_cpu_time();
        assert_eq!(engine.wait(1_000).unwrap(), 0);
        let used = thread_cpu_time() - before;
        assert!(used < Duration::from_millis(500), "{rings} rings: an idle second cost {used:?}");
    }
}

/// After `drain` the caller may use what the callbacks share with it.
#[test]
fn drain_returns_only_after_callbacks_on_another_thread_have_run() {
    let engine = Arc::new(small_engine());
    let (go, gate) = mpsc::channel::<()>();
    let (inside, entered) = mpsc::channel();
    let done = Arc::new(AtomicBool::new(false));
    let finished = Arc::clone(&done);
    engine
        .nop(move |_| {
            inside.send(()).unwrap();
            let _ = gate.recv_timeout(LONG);
            finished.store(true, Ordering::SeqCst);
        })
        .unwrap();
    let poller = Arc::clone(&engine);
    let poller = std::thread::spawn(move || poller.wait(-1));
    entered.recv().unwrap();
    let drainer = Arc::clone(&engine);
    let seen = Arc::clone(&done);
    let drained = std::thread::spawn(move || {
        drainer.drain(-1).unwrap();
        seen.load(Ordering::SeqCst)
    });
    std::thread::sleep(Duration::from_millis(100));
    go.send(()).unwrap();
    poller.join().unwrap().unwrap();
    assert!(drained.join().unwrap(), "drain returned while a callback was still running");
}

#[test]
fn a_callback_may_change_the_latency_target() {
    let engine = Arc::new(small_engine());
    let again = Arc::clone(&engine);
    let (sender, done) = mpsc::channel();
    engine.nop(move |_| sender.send(again.set_max_p99_latency_ms(5.0).is_ok()).unwrap()).unwrap();
    within(Duration::from_secs(10), "a callback that sets the target", move || engine.drain(-1))
        .unwrap();
    done.try_recv().expect("an answer, whichever");
}

#[test]
fn the_latency_target_can_be_changed_while_the_event_loop_sleeps() {
    let engine = Arc::new(small_engine());
    let runner = Arc::clone(&engine);
    let runner = std::thread::spawn(move || runner.run());
    std::thread::sleep(Duration::from_millis(100)); // It sleeps by now: nothing is in flight.
    let changer = Arc::clone(&engine);
    within(Duration::from_secs(10), "setting the target", move || {
        changer.set_max_p99_latency_ms(5.0).unwrap();
    });
    engine.stop();
    runner.join().unwrap();
}

#[test]
fn a_parked_wait_sees_what_other_threads_submit() {
    for rings in [1, 4] {
        let engine = Arc::new(engine_of(rings, 16));
        let (reader, mut writer) = std::io::pipe().unwrap();
        let buffer = engine.allocate_buffer(64).unwrap();
        let outcomes = Outcomes::default();
        // SAFETY: the buffer lives until the read has completed.
        unsafe { engine.read(reader.as_raw_fd(), (&buffer).into(), 64, 0, outcomes.hear()) }
            .unwrap();
        let waiter = Arc::clone(&engine);
        let waiter = std::thread::spawn(move || waiter.wait(-1));
        std::thread::sleep(Duration::from_millis(50)); // Parked, by all likelihood.
        let submitter = Arc::clone(&engine);
        let heard = outcomes.clone();
        std::thread::spawn(move || submitter.nop(heard.hear()).map(drop)).join().unwrap().unwrap();
        eventually("the no-op of another thread", || outcomes.count() == 1);
        assert_eq!(waiter.join().unwrap().unwrap(), 1);
        writer.write_all(b"!").unwrap();
        assert_eq!(engine.drain(-1).unwrap(), 1);
        assert_eq!(outcomes.all(), [Ok(0), Ok(1)]);
    }
}

#[test]
fn a_wait_with_a_timeout_tells_pending_from_idle() {
    let engine = small_engine();
    assert_eq!(engine.wait(20).unwrap(), 0, "nothing is in flight");
    assert_eq!(engine.wait(-1).unwrap(), 0, "nothing to wait for");
    assert_eq!(engine.drain(-1).unwrap(), 0);
    assert_eq!(engine.drain(0).unwrap(), 0);
    let (reader, mut writer) = std::io::pipe().unwrap();
    let buffer = engine.allocate_buffer(64).unwrap();
    let outcomes = Outcomes::default();
    // SAFETY: the buffer lives until the read has completed.
    unsafe { engine.read(reader.as_raw_fd(), (&buffer).into(), 64, 0, outcomes.hear()) }.unwrap();
    for refused in [engine.wait(20), engine.drain(20), engine.drain(0)] {
        let error = refused.unwrap_err();
        assert!(matches!(error, aura::Error::Io(_)) && error.errno() == libc::ETIMEDOUT, "{error}");
    }
    assert!(matches!(engine.wait(-2), Err(aura::Error::InvalidArgument(_))));
    assert!(matches!(engine.drain(i32::MIN), Err(aura::Error::InvalidArgument(_))));
    writer.write_all(b"!").unwrap();
    assert_eq!(engine.wait(-1).unwrap(), 1);
}
