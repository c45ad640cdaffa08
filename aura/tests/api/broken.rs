//! A ring that the kernel does not know any more. In processes of their own: what closes another
//! module's descriptors behind its back is not fit to live with others.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use aura::{Engine, Error};

use crate::common::{Outcomes, alone, engine_of, within};

/// Puts `/dev/null` where the process's rings were.
fn break_rings() -> usize {
    let null = std::fs::File::open("/dev/null").unwrap();
    let mut broken = 0;
    for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
        let path = entry.unwrap().path();
        let link = std::fs::read_link(&path).unwrap_or_default();
        if link.to_string_lossy() == "anon_inode:[io_uring]" {
            let fd = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            // SAFETY: the engine's descriptor; that it is taken away is what this is about.
            assert_eq!(unsafe { libc::dup2(null.as_raw_fd(), fd) }, fd);
            broken += 1;
        }
    }
    broken
}

fn is_latched(engine: &Engine) {
    assert!(engine.get_fatal_error().unwrap() > 0);
    let error = engine.nop(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Submission(_)), "{error:?}");
    assert_eq!(error.errno(), libc::ESHUTDOWN);
    assert!(engine.poll().is_err() && engine.wait(10).is_err() && engine.drain(10).is_err());
    engine.run(); // Returns.
}

#[test]
fn a_broken_ring_is_noticed_by_a_submission_and_the_engine_ends_in_time() {
    if !alone("broken::a_broken_ring_is_noticed_by_a_submission_and_the_engine_ends_in_time") {
        return;
    }
    for rings in [1, 3] {
        let engine = engine_of(rings, 64);
        assert_eq!(break_rings(), rings as usize);
        let outcomes = Outcomes::default();
        engine.nop(outcomes.hear()).unwrap(); // Queued: nothing is known yet.
        assert!(engine.poll().is_err());
        is_latched(&engine);
        within(Duration::from_secs(20), "dropping", move || drop(engine));
    }
}

#[test]
fn a_broken_ring_ends_a_wait_and_an_event_loop() {
    if !alone("broken::a_broken_ring_ends_a_wait_and_an_event_loop") {
        return;
    }
    let engine = Arc::new(engine_of(1, 64));
    let (reader, _writer) = std::io::pipe().unwrap();
    let memory: &'static mut [u8] = Box::leak(vec![0; 64].into_boxed_slice());
    // SAFETY: the memory lasts.
    unsafe {
        let place = aura::BufferRef::from_mut_slice(memory);
        engine.read(reader.as_raw_fd(), place, 64, 0, |_| ()).unwrap();
    }
    break_rings();
    let runner = Arc::clone(&engine);
    within(Duration::from_secs(20), "run", move || runner.run());
    is_latched(&engine);
    within(Duration::from_secs(20), "dropping", move || drop(engine));
}

/// A callback is heard for every operation that was accepted, even if it is bad news.
#[test]
fn operations_that_a_broken_ring_strands_are_reported_or_kept_but_not_run_twice() {
    if !alone(
        "broken::operations_that_a_broken_ring_strands_are_reported_or_kept_but_not_run_twice",
    ) {
        return;
    }
    let engine = engine_of(1, 64);
    let outcomes = Outcomes::default();
    for _ in 0..10 {
        engine.nop(outcomes.hear()).unwrap();
    }
    engine.drain(-1).unwrap();
    break_rings();
    for _ in 0..10 {
        engine.nop(outcomes.hear()).unwrap();
    }
    within(Duration::from_secs(20), "dropping", move || drop(engine));
    let all = outcomes.all();
    assert_eq!(all[..10], [Ok(0); 10]);
    assert!(all.len() <= 20 && all[10..].iter().all(Result::is_err), "{all:?}");
}
