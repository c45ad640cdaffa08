//! A million mixed operations (or `AURA_STRESS_OPS`) from four threads with cancellations, on
//! default options: one completion each, every byte verified, nothing left behind.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Instant;

use aura::{Engine, Options, RingSelect};

use crate::support::{alone, direct_file, open_descriptors, resident_kib, scratch, skip};
use crate::worker::{FILE_SIZE, THREADS, Worker};

#[test]
fn a_million_operations_complete_once_each_and_leave_nothing_behind() {
    if !alone("nothing_lost::a_million_operations_complete_once_each_and_leave_nothing_behind") {
        return;
    }
    let operations = std::env::var("AURA_STRESS_OPS").map_or(1_000_000, |n| n.parse().unwrap());
    // The same, small: whatever is allocated once is allocated then.
    stress(&Engine::new().unwrap(), operations / 20, wait);
    let before = (open_descriptors(), resident_kib());
    let start = Instant::now();
    stress(&Engine::new().unwrap(), operations, wait);
    let after = (open_descriptors(), resident_kib());
    eprintln!("{operations} operations in {:?}; {before:?} -> {after:?}", start.elapsed());
    assert_eq!(before.0, after.0, "descriptors");
    // One byte per operation counts completions.
    let allowed = before.1 + operations / 1024 + 32 * 1024;
    assert!(after.1 <= allowed, "resident KiB: {} -> {}", before.1, after.1);
}

#[test]
fn nothing_is_lost_at_the_limit_of_tiny_rings() {
    for rings in [1, 3] {
        let options = Options::new().queue_depth(4).ring_count(rings).disable_adaptive(true);
        let options = options.ring_select(RingSelect::RoundRobin);
        stress(&Engine::with_options(&options).unwrap(), 50_000, wait);
    }
}

#[test]
fn nothing_is_lost_in_an_event_loop_of_the_applications_own() {
    for rings in [1, 2] {
        let options = Options::new().queue_depth(64).ring_count(rings);
        stress(&Engine::with_options(&options).unwrap(), 100_000, watch);
    }
}

/// Processes completions as a thread of the engine's.
fn wait(engine: &Engine, over: &AtomicBool) {
    while !over.load(Ordering::SeqCst) {
        match engine.wait(20) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.errno(), libc::ETIMEDOUT),
        }
    }
}

/// Processes completions when the descriptor says so, and never otherwise.
fn watch(engine: &Engine, over: &AtomicBool) {
    let mut entry =
        libc::pollfd { fd: engine.poll_fd().unwrap(), events: libc::POLLIN, revents: 0 };
    while !over.load(Ordering::SeqCst) {
        // SAFETY: one valid entry.
        let ready = unsafe { libc::poll(&raw mut entry, 1, 20) };
        if ready == 1 {
            engine.poll().unwrap();
        }
    }
}

fn stress(engine: &Engine, operations: usize, process: fn(&Engine, &AtomicBool)) {
    let directory = tempfile::tempdir_in(scratch()).unwrap();
    let cached = tempfile::tempfile_in(scratch()).unwrap();
    let direct = direct_file(directory.path());
    if direct.is_none() {
        skip("no O_DIRECT where the target folder is: all of the run goes through the page cache");
    }
    let (pipe, _writer) = std::io::pipe().unwrap();
    cached.set_len(FILE_SIZE).unwrap();
    direct.iter().for_each(|file| file.set_len(FILE_SIZE).unwrap());
    let completions: Arc<[AtomicU8]> = (0..operations).map(|_| AtomicU8::new(0)).collect();
    let over = AtomicBool::new(false);
    let cancelled = AtomicUsize::new(0);
    let finished = Barrier::new(THREADS + 1);
    std::thread::scope(|scope| {
        scope.spawn(|| process(engine, &over));
        for thread in 0..THREADS {
            // One thread of the four bypasses the page cache.
            let direct = direct.as_ref().filter(|_| thread == 0);
            let (completions, finished) = (&completions, &finished);
            let (cached, pipe, cancelled) = (&cached, pipe.as_raw_fd(), &cancelled);
            scope.spawn(move || {
                let share = (operations * thread / THREADS)..(operations * (thread + 1) / THREADS);
                let mut worker = Worker::new(engine, thread, completions, pipe);
                worker.unit = if direct.is_some() { 4096 } else { 1 };
                worker.fd = direct.unwrap_or(cached).as_raw_fd();
                share.for_each(|number| worker.step(number));
                worker.finish();
                cancelled.fetch_add(worker.cancelled, Ordering::SeqCst);
                finished.wait();
            });
        }
        finished.wait();
        over.store(true, Ordering::SeqCst);
    });
    engine.drain(10_000).unwrap();
    let wrong = completions.iter().filter(|count| count.load(Ordering::SeqCst) != 1).count();
    assert_eq!(wrong, 0, "operations without exactly one completion");
    let (stats, pool) = (engine.stats().unwrap(), engine.buffer_stats().unwrap());
    assert_eq!((stats.ops_completed(), stats.current_in_flight()), (operations as i64, 0));
    assert_eq!((pool.total_buffers(), pool.total_allocated_bytes()), (0, 0), "the pool");
    assert_eq!((stats.callback_panics(), engine.get_fatal_error().unwrap()), (0, 0));
    let cancelled = cancelled.into_inner();
    assert!(cancelled * 1000 > operations, "only {cancelled} cancellations had an effect");
}
