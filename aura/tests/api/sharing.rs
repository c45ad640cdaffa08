//! Threads: any number submit, process and ask at the same time, unless the engine is for one.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use aura::{Engine, Error, Options, RingSelect};

use crate::common::{LONG, Outcomes, engine_of, outcome, within};

#[test]
fn threads_that_poll_wait_and_drain_together_lose_nothing() {
    const EACH: usize = 20_000;
    for rings in [1, 3] {
        let engine = Arc::new(engine_of(rings, 32));
        let heard = Arc::new(AtomicUsize::new(0));
        let over = Arc::new(AtomicBool::new(false));
        type Process = fn(&Engine) -> aura::Result<usize>;
        let ways: [Process; 3] = [Engine::poll, |e| e.wait(1), |e| e.drain(1)];
        let processors = ways.map(|process| {
            let (engine, over) = (Arc::clone(&engine), Arc::clone(&over));
            std::thread::spawn(move || {
                let mut processed = 0;
                while !over.load(Ordering::SeqCst) {
                    match process(&engine) {
                        Ok(count) => processed += count,
                        Err(error) => assert_eq!(error.errno(), libc::ETIMEDOUT),
                    }
                }
                processed
            })
        });
        let submitters = [(); 2].map(|()| {
            let (engine, heard) = (Arc::clone(&engine), Arc::clone(&heard));
            std::thread::spawn(move || {
                for _ in 0..EACH {
                    let heard = Arc::clone(&heard);
                    let call = move |_| {
                        heard.fetch_add(1, Ordering::SeqCst);
                    };
                    let mut next = engine.nop(call.clone());
                    while next.is_err() {
                        std::thread::yield_now();
                        next = engine.nop(call.clone());
                    }
                }
            })
        });
        let counted = Arc::clone(&heard);
        within(LONG, "the crowd", move || {
            submitters.into_iter().for_each(|thread| thread.join().unwrap());
            while counted.load(Ordering::SeqCst) < 2 * EACH {
                std::thread::yield_now();
            }
            over.store(true, Ordering::SeqCst);
            processors.into_iter().for_each(|thread| assert!(thread.join().is_ok()));
        });
        assert_eq!(heard.load(Ordering::SeqCst), 2 * EACH, "{rings} rings");
    }
}

/// The poller sleeps between any two of these operations, most often in the ring of the one before.
#[test]
fn a_poller_that_sleeps_hears_of_every_ring() {
    const EACH: usize = 10_000;
    let options = Options::new().ring_count(4).ring_select(RingSelect::RoundRobin);
    let engine = Arc::new(Engine::with_options(&options).unwrap());
    let poller = std::thread::spawn({
        let engine = Arc::clone(&engine);
        move || engine.run()
    });
    let submitters = [(); 2].map(|()| {
        let engine = Arc::clone(&engine);
        std::thread::spawn(move || {
            for number in 0..EACH {
                let (tell, told) = mpsc::channel();
                engine.nop(move |_| tell.send(()).unwrap()).unwrap();
                told.recv_timeout(LONG).unwrap_or_else(|_| panic!("operation {number} is lost"));
                if number % 100 == 0 {
                    // Long enough for the rings to be struck off, one after the other.
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
            }
        })
    });
    submitters.into_iter().for_each(|thread| thread.join().unwrap());
    engine.stop();
    poller.join().unwrap();
}

#[test]
fn what_a_thread_submits_during_a_long_callback_is_not_lost() {
    for rings in [1, 2] {
        for watched in [false, true] {
            let engine = Arc::new(engine_of(rings, 32));
            if watched {
                engine.poll_fd().unwrap();
            }
            let (inside, entered) = mpsc::channel();
            let (go, gate) = mpsc::channel::<()>();
            let outcomes = Outcomes::default();
            engine
                .nop(move |_| {
                    inside.send(()).unwrap();
                    gate.recv_timeout(LONG).unwrap();
                })
                .unwrap();
            let poller = Arc::clone(&engine);
            let poller = std::thread::spawn(move || {
                poller.wait(-1).unwrap();
                while !matches!(poller.wait(-1), Ok(0)) {} // Sleeps as long as anything is queued.
            });
            entered.recv().unwrap();
            for _ in 0..5 {
                engine.nop(outcomes.hear()).unwrap();
            }
            go.send(()).unwrap();
            within(LONG, "the poller", move || poller.join().unwrap());
            assert_eq!(outcomes.all(), [Ok(0); 5], "{rings} rings, watched: {watched}");
        }
    }
}

/// With the kernel's cooperation switched on by mistake, completions would wait for the thread
/// that submitted.
#[test]
fn a_busy_submitter_does_not_hold_up_its_completions() {
    for rings in [1, 2] {
        let engine = Arc::new(engine_of(rings, 32));
        let (reader, mut writer) = std::io::pipe().unwrap();
        let buffer = engine.allocate_buffer(64).unwrap();
        let outcomes = Outcomes::default();
        let busy = Arc::new(AtomicBool::new(true));
        let (submitted, ready) = mpsc::channel();
        let submitter = {
            let (engine, heard, busy) = (Arc::clone(&engine), outcomes.clone(), Arc::clone(&busy));
            let (fd, memory) = (reader.as_raw_fd(), buffer.to_ref());
            std::thread::spawn(move || {
                // SAFETY: the buffer lives until the read has completed.
                unsafe { engine.read(fd, memory, 64, 0, heard.hear()) }.unwrap();
                engine.flush().unwrap();
                submitted.send(()).unwrap();
                while busy.load(Ordering::Relaxed) {
                    std::hint::spin_loop(); // Never enters the kernel.
                }
            })
        };
        ready.recv().unwrap();
        writer.write_all(b"x").unwrap();
        let processed = engine.wait(LONG.as_millis() as i32);
        busy.store(false, Ordering::Relaxed);
        submitter.join().unwrap();
        assert_eq!(processed.unwrap(), 1);
        assert_eq!(outcomes.all(), [Ok(1)]);
    }
}

#[test]
fn an_engine_for_one_thread_refuses_the_others_and_talks_to_all() {
    for rings in [1, 2] {
        let options = Options::new().ring_count(rings).queue_depth(16).single_thread(true);
        let engine = Arc::new(Engine::with_options(&options).unwrap());
        assert_eq!(outcome(&engine, |done| engine.nop(done)), Ok(0)); // This thread owns it now.
        let request = engine.nop(|_| ()).unwrap();
        let other = Arc::clone(&engine);
        std::thread::spawn(move || {
            let refused = |error: Error| assert!(matches!(error, Error::InvalidArgument(_)));
            refused(other.nop(|_| ()).unwrap_err());
            refused(other.poll().unwrap_err());
            refused(other.wait(0).unwrap_err());
            refused(other.drain(0).unwrap_err());
            refused(other.flush().unwrap_err());
            other.cancel_request(&request).unwrap(); // Which its owner does.
            refused(other.register_files(&[0]).unwrap_err());
            refused(other.unregister_files().unwrap_err());
            assert_eq!(other.stats().unwrap().ops_completed(), 1);
            assert!(other.ring_stats(0).is_ok() && other.histogram(0).is_ok());
            assert!(request.pending());
            drop(other.allocate_buffer(4096).unwrap());
            other.stop();
        })
        .join()
        .unwrap();
        let runner = Arc::clone(&engine);
        runner.run(); // Stopped already: delivers the no-op and returns.
        assert_eq!(engine.pending_count(), 0);
        drop(runner);
        let engine = Arc::into_inner(engine).unwrap();
        engine.nop(|_| ()).unwrap();
        std::thread::spawn(move || drop(engine)).join().unwrap(); // Any thread may end it.
    }
}

#[test]
fn statistics_can_be_read_at_any_moment() {
    let engine = Arc::new(Engine::with_options(&Options::new().ring_count(2)).unwrap());
    let over = Arc::new(AtomicBool::new(false));
    let reader = {
        let (engine, over) = (Arc::clone(&engine), Arc::clone(&over));
        std::thread::spawn(move || {
            let mut before = 0;
            while !over.load(Ordering::Relaxed) {
                let stats = engine.stats().unwrap();
                assert!(stats.ops_completed() >= before, "a total never falls");
                assert!((0..=2048).contains(&stats.current_in_flight()));
                before = stats.ops_completed();
                assert!(engine.histogram(1).unwrap().total_count() < u32::MAX);
                assert!(engine.ring_stats(0).unwrap().pending_count() >= 0);
                assert!(engine.buffer_stats().unwrap().shard_count() > 0);
                assert!(!format!("{engine:?}").is_empty());
            }
        })
    };
    for _ in 0..50_000 {
        while engine.nop(|_| ()).is_err() {
            engine.wait(-1).unwrap();
        }
    }
    engine.drain(-1).unwrap();
    over.store(true, Ordering::Relaxed);
    reader.join().unwrap();
    assert_eq!(engine.stats().unwrap().ops_completed(), 50_000);
}
