//! The end of an engine: everything is delivered, in bounded time, and nothing is taken from under
//! the kernel.

use std::os::fd::AsRawFd;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use aura::Engine;

use crate::common::{LONG, Outcomes, engine_of, file_with, small_engine, within};

#[test]
fn dropping_an_engine_delivers_what_is_in_flight() {
    for rings in [1, 4] {
        let engine = engine_of(rings, 256);
        let file = file_with(&[1; 4096]);
        let buffers: Vec<_> = (0..100).map(|_| engine.allocate_buffer(4096).unwrap()).collect();
        let outcomes = Outcomes::default();
        for buffer in &buffers {
            let memory = buffer.to_ref();
            // SAFETY: the buffers outlive the engine.
            unsafe { engine.read(file.as_raw_fd(), memory, 4096, 0, outcomes.hear()) }.unwrap();
        }
        within(LONG, "dropping", move || drop(engine));
        assert_eq!(outcomes.all(), [Ok(4096); 100], "{rings} rings");
        assert!(buffers.iter().all(|buffer| buffer.as_slice().iter().all(|byte| *byte == 1)));
    }
}

#[test]
fn dropping_an_engine_cancels_what_never_ends() {
    // All at once: each takes its five seconds.
    std::thread::scope(|scope| {
        for (rings, depth) in [(1, 64), (2, 64), (1, 1), (2, 1), (1, 2)] {
            scope.spawn(move || drop_with_reads_that_never_end(rings, depth));
        }
    });
}

/// As many as fit: the cancellations have to find room beside them.
fn drop_with_reads_that_never_end(rings: i32, depth: i32) {
    let engine = engine_of(rings, depth);
    let (reader, _writer) = std::io::pipe().unwrap();
    let memory: &'static mut [u8] = Box::leak(vec![0; 64].into_boxed_slice());
    let outcomes = Outcomes::default();
    let count = depth as usize;
    for _ in 0..count {
        // SAFETY: the memory lasts.
        unsafe {
            let place = aura::BufferRef::from_mut_slice(memory);
            engine.read(reader.as_raw_fd(), place, 64, 0, outcomes.hear()).unwrap();
        }
    }
    let start = Instant::now();
    within(Duration::from_secs(30), "dropping", move || drop(engine));
    let took = start.elapsed();
    let cancelled = vec![Err(libc::ECANCELED); count];
    assert_eq!(outcomes.all(), cancelled, "{rings} rings of {depth}");
    eprintln!("{count} reads that never end, {rings} rings of {depth}: gone after {took:?}");
}

#[test]
fn an_engine_at_its_end_takes_no_more_operations() {
    let engine = Arc::new(small_engine());
    let outcomes = Outcomes::default();
    let (again, heard) = (Arc::downgrade(&engine), outcomes.clone());
    engine
        .nop(move |_| {
            if let Some(engine) = again.upgrade() {
                engine.nop(heard.hear()).unwrap();
            }
        })
        .unwrap();
    drop(Arc::into_inner(engine).expect("the only one"));
    assert_eq!(outcomes.count(), 0, "the engine could not be reached any more");
}

#[test]
fn an_engine_dropped_in_a_callback_of_its_own_delivers_the_rest() {
    let engine = small_engine();
    let poller = engine.start_poller().unwrap();
    let outcomes = Outcomes::default();
    let (hand_over, engines) = mpsc::channel::<Engine>();
    let (sender, dropped) = mpsc::channel();
    engine
        .nop(move |_| {
            drop(engines.recv().unwrap());
            sender.send(()).unwrap();
        })
        .unwrap();
    for _ in 0..20 {
        engine.nop(outcomes.hear()).unwrap();
    }
    hand_over.send(engine).unwrap();
    dropped.recv_timeout(LONG).expect("a callback that drops its engine returns");
    within(LONG, "the end of the poller", move || drop(poller));
    assert_eq!(outcomes.all(), [Ok(0); 20]);
}

/// The kernel cancels what threads leave behind; an engine at its end must not pass that on.
#[test]
fn reads_of_ended_threads_survive_the_end_of_the_engine() {
    use std::io::Write;
    let engine = Arc::new(engine_of(1, 64));
    let (reader, mut writer) = std::io::pipe().unwrap();
    let buffer = engine.allocate_buffer(64).unwrap();
    let outcomes = Outcomes::default();
    let (submitter, heard) = (Arc::clone(&engine), outcomes.clone());
    let (fd, memory) = (reader.as_raw_fd(), buffer.to_ref());
    std::thread::spawn(move || {
        // SAFETY: the buffer lives until the engine is gone.
        unsafe { submitter.read(fd, memory, 64, 0, heard.hear()) }.unwrap();
        submitter.flush().unwrap();
    })
    .join()
    .unwrap();
    let later = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500)); // Well before anything is cancelled.
        writer.write_all(b"data").unwrap();
        writer
    });
    let engine = Arc::into_inner(engine).expect("the only one");
    within(LONG, "dropping", move || drop(engine));
    drop(later.join().unwrap());
    assert_eq!(outcomes.all(), [Ok(4)]);
}

#[test]
fn an_idle_engine_is_gone_at_once() {
    let engines: Vec<_> = (0..50).map(|_| small_engine()).collect();
    let start = Instant::now();
    within(LONG, "dropping fifty idle engines", move || drop(engines));
    eprintln!("fifty idle engines are gone after {:?}", start.elapsed());
}

#[test]
fn engines_come_and_go_without_leaving_anything() {
    if !crate::common::alone("ending::engines_come_and_go_without_leaving_anything") {
        return;
    }
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let round = || {
        let engine = engine_of(3, 64);
        engine.poll_fd().unwrap();
        let file = file_with(&[0; 64]);
        engine.register_files(&[file.as_raw_fd()]).unwrap();
        let _buffer = engine.allocate_buffer(100_000).unwrap();
        engine.nop(|_| ()).unwrap();
        engine.drain(-1).unwrap();
    };
    round();
    let before = (descriptors(), resident_kib());
    for _ in 0..200 {
        round();
    }
    let after = (descriptors(), resident_kib());
    assert_eq!(before.0, after.0, "descriptors");
    assert!(after.1 < before.1 + 8 * 1024, "resident KiB: {} -> {}", before.1, after.1);
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
