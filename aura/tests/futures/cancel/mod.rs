//! Futures dropped at any moment, in every executor: no buffer, slot or descriptor is lost, and the
//! kernel writes nowhere it should not.
//!
//! `AURA_TEST_OPERATIONS` says how many operations there are in all; the ordinary number is small.

mod chaos;
mod yard;

use std::future::Future;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aura::{Engine, Options};

use crate::common::{
    LONG, all_closed_but, alone, eventually, fixed_engine, open_descriptors, open_with, pipe,
    poll_once, scratch, small_engine, within,
};
use chaos::World;

const EXECUTORS: usize = 5;

fn operations() -> usize {
    let wanted = std::env::var("AURA_TEST_OPERATIONS").ok().map(|n| n.parse().expect("a number"));
    wanted.unwrap_or(25_000) / EXECUTORS
}

/// Resident memory of the process in bytes.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// Runs operations with `run`, which drives the engine, and checks that nothing is left of them.
fn survive(engine: Engine, run: impl Fn(&Engine, Arc<World>, usize) + Send + 'static) {
    let limit = LONG * 5 + Duration::from_millis(operations() as u64);
    within(limit, "operations dropped at random", move || {
        let engine = Arc::new(engine);
        let world = Arc::new(World::new(engine.clone()));
        run(&engine, world.clone(), operations() / 10);
        // By now there is everything that engine and runtime make when they first need it.
        let (before, warm) = (open_descriptors(), resident_bytes());
        run(&engine, world.clone(), operations());
        let grown = resident_bytes().saturating_sub(warm);
        world.check_files();
        assert_eq!(world.buffers_out(), 0, "buffers of the tests");
        assert_eq!(engine.buffer_stats().unwrap().total_buffers(), 0, "buffers of the pool");
        let bound = if cfg!(debug_assertions) { 64 } else { 32 } << 20;
        assert!(grown < bound, "{grown} bytes grew between the tenth part and the end");
        let world = Arc::into_inner(world).expect("nobody works any more");
        drop(world);
        // Closed by the kernel, or with the next thing that the engine does.
        let _ = aura::block_on(&engine, engine.metadata("/"));
        all_closed_but(before);
    });
}

/// Waits until nothing is in flight, while somebody else processes.
fn until_idle(engine: &Engine) {
    eventually("nothing is in flight", || engine.stats().unwrap().current_in_flight() == 0);
}

#[test]
fn futures_dropped_at_random_under_block_on() {
    if !alone("cancel::futures_dropped_at_random_under_block_on") {
        return;
    }
    survive(small_engine(), |engine, world, count| {
        aura::block_on(engine, world.clone().work(1, count));
        engine.drain(LONG.as_millis() as i32).unwrap();
        assert!(aura::block_on(engine, world.many(300)));
    });
}

#[test]
fn futures_dropped_at_random_under_block_on_of_two_threads_on_a_small_ring() {
    if !alone("cancel::futures_dropped_at_random_under_block_on_of_two_threads_on_a_small_ring") {
        return;
    }
    survive(fixed_engine(32), |engine, world, count| {
        std::thread::scope(|scope| {
            for seed in 0..2 {
                let world = world.clone();
                scope.spawn(move || aura::block_on(engine, world.work(seed, count / 2)));
            }
        });
        engine.drain(LONG.as_millis() as i32).unwrap();
        assert!(aura::block_on(engine, world.many(300)));
    });
}

#[test]
fn futures_dropped_at_random_with_a_poller() {
    if !alone("cancel::futures_dropped_at_random_with_a_poller") {
        return;
    }
    // Adaptive, with a ring per CPU.
    let engine = Engine::with_options(&Options::new().queue_depth(128).min_in_flight(32)).unwrap();
    survive(engine, |engine, world, count| {
        let poller = engine.start_poller().unwrap();
        std::thread::scope(|scope| {
            for seed in 0..3 {
                let world = world.clone();
                scope.spawn(move || futures_executor::block_on(world.work(seed, count / 3)));
            }
        });
        until_idle(engine);
        assert!(futures_executor::block_on(world.many(300)));
        drop(poller);
    });
}

fn tokio_runtime(threads: usize) -> tokio::runtime::Runtime {
    let mut builder = match threads {
        0 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.worker_threads(threads.max(1)).enable_all().build().unwrap()
}

/// Tasks on tokio, which go from thread to thread if there are several.
async fn spawn_all(engine: &Engine, world: Arc<World>, tasks: usize, count: usize) {
    let driver = loop {
        // The one of the run before may not be quite gone.
        match engine.drive_with_tokio() {
            Ok(driver) => break driver,
            Err(error) => assert_eq!(error.errno(), libc::EEXIST),
        }
        tokio::task::yield_now().await;
    };
    let work = (0..tasks).map(|task| {
        let world = world.clone();
        tokio::spawn(async move { world.work(task as u64, count / tasks).await })
    });
    for task in work.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    while engine.stats().unwrap().current_in_flight() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(world.many(300).await);
    drop(driver);
}

#[test]
fn futures_dropped_at_random_in_one_thread_of_tokio() {
    if !alone("cancel::futures_dropped_at_random_in_one_thread_of_tokio") {
        return;
    }
    let runtime = tokio_runtime(0);
    survive(small_engine(), move |engine, world, count| {
        runtime.block_on(spawn_all(engine, world, 2, count));
    });
}

#[test]
fn futures_dropped_at_random_in_threads_of_tokio() {
    if !alone("cancel::futures_dropped_at_random_in_threads_of_tokio") {
        return;
    }
    let options = Options::new().queue_depth(64).ring_count(2).min_in_flight(48);
    let runtime = tokio_runtime(3);
    survive(Engine::with_options(&options).unwrap(), move |engine, world, count| {
        runtime.block_on(spawn_all(engine, world, 6, count));
    });
}

/// Opening such a file waits in the kernel until somebody writes to it.
#[test]
fn opens_that_wait_are_given_up() {
    if !alone("cancel::opens_that_wait_are_given_up") {
        return;
    }
    within(LONG, "opening a fifo without a writer", || {
        let engine = small_engine();
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        let path: PathBuf = folder.path().join("fifo");
        let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: a valid path.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let before = open_descriptors();
        for round in 0..50 {
            let read = aura::OpenOptions::new().read(true);
            let mut open = Box::pin(engine.open(&path, read));
            assert!(poll_once(open.as_mut()).is_pending());
            if round % 2 == 0 {
                engine.wait(1).ok();
            }
            drop(open);
        }
        engine.drain(LONG.as_millis() as i32).expect("they end");
        all_closed_but(before);
    });
}

/// The open is over when its future goes, but nobody has taken its descriptor.
#[test]
fn a_descriptor_nobody_took_is_closed() {
    if !alone("cancel::a_descriptor_nobody_took_is_closed") {
        return;
    }
    let engine = small_engine();
    let before = open_descriptors();
    for when in 0..300 {
        let read = aura::OpenOptions::new().read(true).register(when % 2 == 0);
        let mut open = Box::pin(engine.open("/proc/self/exe", read));
        assert!(poll_once(open.as_mut()).is_pending());
        match when % 3 {
            0 => {}                                                     // Queued.
            1 => drop(engine.wait(100)),                                // Over, not taken.
            _ => drop(aura::block_on(&engine, open.as_mut()).unwrap()), // Taken and dropped.
        }
        drop(open);
    }
    engine.drain(LONG.as_millis() as i32).unwrap();
    all_closed_but(before);
}

/// The number belongs to somebody else by the time when the future goes.
#[test]
fn a_close_that_is_over_closes_once() {
    if !alone("cancel::a_close_that_is_over_closes_once") {
        return;
    }
    let engine = small_engine();
    let file = open_with(&engine, b"contents");
    let number = file.as_raw_fd();
    let mut close = Box::pin(file.close());
    assert!(poll_once(close.as_mut()).is_pending());
    engine.wait(1000).unwrap();
    let other = std::fs::File::open("/proc/self/exe").unwrap();
    assert_eq!(other.as_raw_fd(), number, "the number is given away again");
    drop(close);
    // SAFETY: the number is only asked about.
    let open = unsafe { libc::fcntl(number, libc::F_GETFD) };
    if open < 0 {
        std::mem::forget(other);
    }
    assert!(open >= 0, "the other file was closed");
}

/// A close that waits for its turn when the engine ends is still a close.
#[test]
fn a_close_that_was_dropped_before_its_turn_closes() {
    if !alone("cancel::a_close_that_was_dropped_before_its_turn_closes") {
        return;
    }
    within(LONG, "closing files", || {
        let engine = fixed_engine(8);
        let (reader, writer) = pipe(&engine);
        let mut reads: Vec<_> = (0..8).map(|_| Box::pin(reader.read_at(vec![0; 1], 0))).collect();
        for read in &mut reads {
            assert!(poll_once(read.as_mut()).is_pending());
        }
        let before = open_descriptors();
        for _ in 0..20 {
            let file = open_with(&engine, b"contents");
            let mut close = Box::pin(file.close());
            assert!(poll_once(close.as_mut()).is_pending());
            drop(close);
        }
        drop((reads, writer));
        drop(engine);
        all_closed_but(before);
    });
}

/// What is asked for here holds for every future of the crate.
#[test]
fn futures_may_go_from_thread_to_thread() {
    fn check<F: Future + Send>(_: &F) {}
    let engine = small_engine();
    let file = open_with(&engine, b"");
    check(&file.read_at(vec![0; 1], 0));
    check(&file.writev_at([vec![0; 1]], 0));
    check(&file.metadata());
    check(&file.read_exact_at(vec![0; 1], 0));
    check(&file.read_to_end(Vec::new(), 0));
    check(&engine.open("/", aura::OpenOptions::new()));
    check(&engine.submit_batch([file.sync_all()]));
    check(&aura::fs::copy(&engine, "/a", "/b"));
    check(&aura::fs::read(&engine, "/a"));
    check(&aura::fs::write(&engine, "/a", "text"));
    check(&file.chunks(.., 1, 1).next());
    check(&aura::Writer::new(&file, 0, 1).finish());
    check(&file.clone().close());
}
