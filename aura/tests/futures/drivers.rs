//! Who processes completions: several at once, handing over, leaving.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Barrier, mpsc};
use std::task::Poll;
use std::time::Duration;

use aura::{Engine, File};

use crate::common::{LONG, SOON, open_with, pipe, small_engine, within};

/// Polls all of them whenever any wakes, with the one waker of the task.
async fn all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    poll_fn(|context| {
        let mut pending = false;
        for (future, output) in &mut futures {
            if output.is_none() {
                match Pin::as_mut(future).poll(context) {
                    Poll::Ready(ready) => *output = Some(ready),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    futures.into_iter().filter_map(|(_, output)| output).collect()
}

fn rounds(ordinary: usize) -> usize {
    std::env::var("AURA_TEST_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(ordinary)
}

/// The completion that ends a task's wait may come at any moment of its polling.
#[test]
fn two_threads_in_block_on_wake_each_other_every_time() {
    let rounds = rounds(50_000);
    within(LONG * 8, "two threads in block_on", move || {
        let engine = Arc::new(small_engine());
        let work = move |engine: Arc<Engine>| {
            let file = open_with(&engine, b"contents");
            for _ in 0..rounds {
                let reads = (0..3).map(|_| file.read_at(Vec::with_capacity(8), 0));
                for read in aura::block_on(&engine, all(reads)) {
                    assert_eq!(read.unwrap().0, 8);
                }
            }
        };
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let engine = engine.clone();
                std::thread::spawn(move || work(engine))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// The same with a thread that does nothing but poll.
#[test]
fn a_poller_wakes_a_thread_in_block_on_every_time() {
    let rounds = rounds(50_000);
    within(LONG * 8, "a poller and a thread in block_on", move || {
        let engine = Arc::new(small_engine());
        let poller = engine.start_poller().unwrap();
        let file = open_with(&engine, b"contents");
        for _ in 0..rounds {
            let reads = (0..3).map(|_| file.read_at(Vec::with_capacity(8), 0));
            for read in aura::block_on(&engine, all(reads)) {
                assert_eq!(read.unwrap().0, 8);
            }
        }
        drop(poller);
    });
}

/// A thread that leaves `block_on` leaves nothing behind that only the descriptor announced.
#[test]
fn tokio_sees_what_a_thread_in_block_on_left_behind() {
    let rounds = rounds(20_000);
    within(LONG * 4, "a tokio task beside block_on", move || {
        let engine = Arc::new(small_engine());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let file = open_with(&engine, b"contents");
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let beside = {
            let (engine, file, stop) = (engine.clone(), file.clone(), stop.clone());
            std::thread::spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    aura::block_on(&engine, file.read_at(Vec::with_capacity(8), 0)).unwrap();
                }
            })
        };
        runtime.block_on(async {
            let driver = engine.drive_with_tokio().unwrap();
            for _ in 0..rounds {
                let (engine, file) = (engine.clone(), file.clone());
                let task = tokio::spawn(async move {
                    let _engine = engine;
                    file.read_at(Vec::with_capacity(8), 0).await.unwrap().0
                });
                let alone = tokio::time::timeout(Duration::from_secs(5), task).await;
                if alone.is_err() {
                    stop.store(true, std::sync::atomic::Ordering::Relaxed);
                }
                assert_eq!(alone.expect("it ends").unwrap(), 8);
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            drop(driver);
        });
        beside.join().unwrap();
    });
}

/// A read of an empty pipe on a thread of its own; what comes of it is sent.
fn pipe_read(engine: &Engine) -> (mpsc::Receiver<i32>, std::io::PipeWriter) {
    let (reader, writer) = pipe(engine);
    let (sender, result) = mpsc::channel();
    std::thread::spawn(move || {
        let error = futures_executor::block_on(reader.read_at(vec![7; 16], 0)).unwrap_err();
        let errno = error.errno();
        assert_eq!(error.into_buffer().expect("it comes back"), [7; 16]);
        let _ = sender.send(errno);
    });
    (result, writer)
}

#[test]
fn a_poller_that_is_dropped_ends_what_is_pending() {
    let engine = small_engine();
    let poller = engine.start_poller().unwrap();
    let (result, _writer) = pipe_read(&engine);
    std::thread::sleep(Duration::from_millis(20));
    drop(poller);
    assert_eq!(result.recv_timeout(SOON).expect("it ends"), libc::ESHUTDOWN);
}

#[test]
fn the_last_of_two_pollers_dropped_at_once_ends_what_is_pending() {
    for round in 0..40 {
        let engine = small_engine();
        let pollers = [engine.start_poller().unwrap(), engine.start_poller().unwrap()];
        let (result, _writer) = pipe_read(&engine);
        crate::common::eventually("the read is in flight", || {
            engine.stats().is_ok_and(|stats| stats.current_in_flight() > 0)
        });
        let together = Barrier::new(2);
        std::thread::scope(|scope| {
            for poller in pollers {
                let together = &together;
                scope.spawn(move || {
                    together.wait();
                    drop(poller);
                });
            }
        });
        let ended = result.recv_timeout(SOON);
        assert_eq!(ended.unwrap_or_else(|_| panic!("round {round}: it hangs")), libc::ESHUTDOWN);
    }
}

#[test]
fn a_poller_dropped_on_its_own_thread_ends_what_is_pending() {
    let engine = small_engine();
    let poller = engine.start_poller().unwrap();
    let (result, _writer) = pipe_read(&engine);
    crate::common::eventually("the read is in flight", || {
        engine.stats().is_ok_and(|stats| stats.current_in_flight() > 0)
    });
    engine.nop(move |_| drop(poller)).unwrap();
    assert_eq!(result.recv_timeout(SOON).expect("it ends"), libc::ESHUTDOWN);
}

#[test]
fn dropping_a_poller_ends_those_that_found_no_slot_too() {
    within(LONG * 2, "20 000 reads whose poller goes", || {
        let engine = Arc::new(small_engine());
        let poller = engine.start_poller().unwrap();
        let (reader, _writer) = pipe(&engine);
        let reads = futures_util::future::join_all(
            (0..20_000).map(|_| reader.read_at(Vec::with_capacity(1), 0)),
        );
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(500));
                drop(poller);
            });
            let results = futures_executor::block_on(reads);
            assert!(results.iter().all(|result| result.is_err()));
        });
    });
}

#[test]
fn an_engine_dropped_ends_what_is_pending() {
    let engine = small_engine();
    let (result, _writer) = pipe_read(&engine);
    let file: File = open_with(&engine, b"contents");
    std::thread::sleep(Duration::from_millis(50));
    drop(engine);
    assert_eq!(result.recv_timeout(SOON).expect("it ends"), libc::ESHUTDOWN);
    let error = futures_executor::block_on(file.read_at(vec![0; 1], 0)).unwrap_err();
    assert_eq!(error.errno(), libc::ESHUTDOWN);
}
