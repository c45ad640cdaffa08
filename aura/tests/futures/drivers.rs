//! Who processes completions: several at once, handing over, leaving.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Barrier, mpsc};
use std::task::Poll;
use std::time::Duration;

use aura::{Engine, Error, File};

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

/// A completion that arrives while another thread processes, and that this thread does not look for
/// any more, is the runtime's all the same.
#[test]
fn tokio_sees_what_arrived_while_a_callback_ran_elsewhere() {
    use aura::{Options, RingSelect};
    within(LONG, "a tokio task beside a callback", || {
        let options = Options::new().queue_depth(16).ring_count(2).disable_adaptive(true);
        let options = options.ring_select(RingSelect::RoundRobin);
        let engine = Arc::new(Engine::with_options(&options).unwrap());
        let file = open_with(&engine, b"contents");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let driver = runtime.block_on(async { engine.drive_with_tokio().unwrap() });
        // On the first ring nothing; on the second a callback that takes its time.
        let (entered, in_callback) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let processing = {
            let engine = engine.clone();
            std::thread::spawn(move || {
                engine.nop(|_| {}).unwrap();
                engine.wait(1000).unwrap();
                let callback = move |_| {
                    entered.send(()).unwrap();
                    let _ = released.recv();
                };
                engine.nop(callback).unwrap();
                engine.wait(1000).unwrap()
            })
        };
        in_callback.recv().unwrap();
        runtime.block_on(async {
            // To the first ring, which the other thread has looked at already.
            let read = tokio::spawn(async move { file.read_at(vec![0; 8], 0).await });
            tokio::time::sleep(Duration::from_millis(100)).await;
            release.send(()).unwrap();
            let read = tokio::time::timeout(Duration::from_secs(5), read).await;
            assert_eq!(read.expect("it ends").unwrap().unwrap().1, b"contents");
        });
        processing.join().unwrap();
        drop(driver);
    });
}

#[test]
fn tokio_may_drive_again_after_a_driver_was_dropped() {
    for threads in [1, 3] {
        let engine = small_engine();
        let mut builder = match threads {
            1 => tokio::runtime::Builder::new_current_thread(),
            _ => tokio::runtime::Builder::new_multi_thread(),
        };
        let file = open_with(&engine, b"contents");
        builder.enable_all().build().unwrap().block_on(async {
            for round in 0..20 {
                let driver = engine.drive_with_tokio();
                let driver = driver.unwrap_or_else(|error| panic!("round {round}: {error}"));
                assert_eq!(file.read_at(vec![0; 8], 0).await.unwrap().1, b"contents");
                drop(driver);
            }
        });
    }
}

#[test]
fn a_runtime_that_cannot_drive_is_told_so() {
    let engine = small_engine();
    let error = engine.drive_with_tokio().unwrap_err();
    assert!(matches!(error, Error::InvalidArgument(text) if text.contains("runtime")), "{error}");
    let plain = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = plain.block_on(async { engine.drive_with_tokio().unwrap_err() });
    assert!(matches!(error, Error::InvalidArgument(text) if text.contains("enable_io")), "{error}");
    let one = aura::Options::new().queue_depth(8).ring_count(1).single_thread(true);
    let one = Engine::with_options(&one).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(async { one.drive_with_tokio().unwrap_err() });
    assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
    assert!(matches!(one.start_poller().unwrap_err(), Error::InvalidArgument(_)));
}

#[test]
fn block_on_in_a_callback_panics_and_says_why() {
    let engine = Arc::new(small_engine());
    let (sender, heard) = mpsc::channel();
    let inner = engine.clone();
    engine
        .nop(move |_| {
            let nested = AssertUnwindSafe(|| aura::block_on(&inner, std::future::pending::<()>()));
            sender.send(catch_unwind(nested)).unwrap();
        })
        .unwrap();
    engine.drain(LONG.as_millis() as i32).unwrap();
    let panic = heard.recv().unwrap().expect_err("it would wait for itself");
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap();
    assert!(text.contains("callback"), "{text}");
    // The engine goes on, and with another engine it is allowed.
    let other = small_engine();
    let file = open_with(&other, b"contents");
    let (sender, heard) = mpsc::channel();
    engine
        .nop(move |_| sender.send(aura::block_on(&other, file.read_at(vec![0; 8], 0))).unwrap())
        .unwrap();
    engine.drain(LONG.as_millis() as i32).unwrap();
    assert_eq!(heard.recv().unwrap().unwrap().1, b"contents");
}

/// What it waits for comes from another thread, and the engine has nothing to do.
#[test]
fn block_on_waits_for_other_things_than_io() {
    within(LONG, "a channel under block_on", || {
        let engine = Arc::new(small_engine());
        let file = open_with(&engine, b"contents");
        let (sender, mut numbers) = tokio::sync::mpsc::channel(1);
        std::thread::spawn(move || {
            for number in 0..2000 {
                if number % 100 == 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                sender.blocking_send(number).unwrap();
            }
        });
        let sum = aura::block_on(&engine, async {
            let mut sum = 0;
            while let Some(number) = numbers.recv().await {
                if number % 10 == 0 {
                    file.read_at(vec![0; 8], 0).await.unwrap();
                }
                sum += number;
            }
            sum
        });
        assert_eq!(sum, 1999 * 1000);
    });
}

/// The thread that processes leaves while another one waits: that one goes on.
#[test]
fn a_thread_that_leaves_block_on_hands_over() {
    within(LONG, "block_on on two threads", || {
        let engine = Arc::new(small_engine());
        for _ in 0..200 {
            let (one, mut feed_one) = pipe(&engine);
            let (two, mut feed_two) = pipe(&engine);
            let threads = [one, two].map(|reader| {
                let engine = engine.clone();
                std::thread::spawn(move || {
                    aura::block_on(&engine, reader.read_at(vec![0; 1], 0)).unwrap().0
                })
            });
            std::io::Write::write_all(&mut feed_one, b"1").unwrap();
            std::thread::yield_now();
            std::io::Write::write_all(&mut feed_two, b"2").unwrap();
            for thread in threads {
                assert_eq!(thread.join().unwrap(), 1);
            }
        }
    });
}

/// One waits for ever; it must not keep the others from being driven, nor end with them.
#[test]
fn a_thread_that_waits_for_ever_serves_the_others() {
    within(LONG, "block_on beside one that waits", || {
        let engine = Arc::new(small_engine());
        let file = open_with(&engine, b"contents");
        let (release, released) = tokio::sync::oneshot::channel::<()>();
        let waiting = {
            let engine = engine.clone();
            std::thread::spawn(move || aura::block_on(&engine, released).unwrap())
        };
        for _ in 0..2000 {
            let read = futures_executor::block_on(file.read_at(vec![0; 8], 0));
            assert_eq!(read.unwrap().1, b"contents");
        }
        release.send(()).unwrap();
        waiting.join().unwrap();
    });
}

/// A thread that is not the owner gets errors from all that it tries.
#[test]
fn a_single_thread_engine_refuses_other_threads() {
    within(LONG, "a single-threaded engine", || {
        let options = aura::Options::new().queue_depth(64).ring_count(1).single_thread(true);
        let engine = Engine::with_options(&options).unwrap();
        let file = open_with(&engine, b"contents");
        aura::block_on(&engine, file.read_at(vec![0; 8], 0)).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let error = aura::block_on(&engine, file.read_at(vec![7; 8], 0)).unwrap_err();
                assert_eq!(error.errno(), libc::EINVAL, "{error}");
                assert!(error.to_string().contains("single_thread"), "{error}");
                assert_eq!(error.into_buffer().unwrap(), [7; 8]);
                let batch = engine.submit_batch([file.sync_all(), file.sync_data()]);
                assert!(aura::block_on(&engine, batch).iter().all(Result::is_err));
                let open = engine.open("/proc/self/exe", aura::OpenOptions::new().read(true));
                assert!(aura::block_on(&engine, open).is_err());
                drop(file.clone());
                let _ = file.register();
            });
        });
        assert_eq!(aura::block_on(&engine, file.read_at(vec![0; 8], 0)).unwrap().1, b"contents");
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
