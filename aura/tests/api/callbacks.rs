//! Callbacks: exactly once, never inside a submission, whatever they capture and whatever they do.

use std::cell::Cell;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aura::{Engine, Error};

use crate::common::{Outcomes, alone, engine_of, small_engine, within};

/// Counts how often it was dropped.
#[derive(Clone)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counted() -> (Counted, impl Fn() -> usize) {
    let drops = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&drops);
    (Counted(drops), move || seen.load(Ordering::SeqCst))
}

#[test]
fn captures_are_dropped_once_after_success() {
    let engine = small_engine();
    let (small, small_drops) = counted();
    let (large, large_drops) = counted();
    let ballast = [7u8; 4096];
    engine.nop(move |_| assert_eq!(Arc::strong_count(&small.0), 2)).unwrap();
    engine
        .nop(move |_| {
            let large = large;
            assert_eq!((ballast[4095], Arc::strong_count(&large.0)), (7, 2));
        })
        .unwrap();
    assert_eq!((small_drops(), large_drops()), (0, 0), "not yet");
    engine.drain(-1).unwrap();
    assert_eq!((small_drops(), large_drops()), (1, 1));
    assert_eq!(engine.stats().unwrap().callback_panics(), 0, "the assertions inside held");
}

#[test]
fn captures_are_dropped_once_after_a_refused_submission() {
    let engine = engine_of(1, 1);
    let (reader, writer) = std::io::pipe().unwrap();
    let buffer = engine.allocate_buffer(64).unwrap();
    let outcomes = Outcomes::default();
    // SAFETY: the buffer lives until the read has completed.
    unsafe { engine.read(reader.as_raw_fd(), (&buffer).into(), 64, 0, outcomes.hear()) }.unwrap();
    for ballast in [0usize, 1000] {
        let (captured, drops) = counted();
        let large = vec![0u8; ballast];
        let at_limit = engine.nop(move |_| drop((captured, large)));
        assert_eq!(at_limit.unwrap_err().errno(), libc::EAGAIN);
        assert_eq!(drops(), 1);
        let (captured, drops) = counted();
        let bad = engine.fsync(-1, move |_| drop(captured));
        assert!(matches!(bad, Err(Error::InvalidArgument(_))));
        assert_eq!(drops(), 1);
    }
    drop(writer);
    engine.drain(-1).unwrap();
    assert_eq!(outcomes.all(), [Ok(0)]);
}

#[test]
fn captures_are_dropped_once_after_a_cancellation() {
    let engine = small_engine();
    let (reader, _writer) = std::io::pipe().unwrap();
    let buffer = engine.allocate_buffer(64).unwrap();
    let (captured, drops) = counted();
    let read = move |result: aura::Result<usize>| {
        assert!(matches!(result, Err(Error::Cancelled)), "{result:?}");
        drop(captured);
    };
    // SAFETY: the buffer lives until the read has completed.
    let request =
        unsafe { engine.read(reader.as_raw_fd(), (&buffer).into(), 64, 0, read) }.unwrap();
    engine.cancel_request(&request).unwrap();
    engine.drain(-1).unwrap();
    assert_eq!(drops(), 1);
    assert_eq!(engine.stats().unwrap().callback_panics(), 0);
}

#[test]
fn captures_of_unusual_alignment_are_kept_well() {
    #[repr(align(256))]
    struct Aligned([u8; 8]);
    let engine = small_engine();
    let aligned = Aligned([9; 8]);
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    engine
        .nop(move |_| {
            let aligned = aligned;
            assert_eq!(std::ptr::from_ref(&aligned).addr() % 256, 0);
            count.store(aligned.0[7].into(), Ordering::SeqCst);
        })
        .unwrap();
    engine.drain(-1).unwrap();
    assert_eq!(seen.load(Ordering::SeqCst), 9);
}

/// Each callback submits the next. If one ran inside another, the stack would not last.
#[test]
fn a_long_chain_of_submissions_from_callbacks_needs_no_stack() {
    const LINKS: usize = 100_000;
    fn next(engine: Arc<Engine>, left: usize, done: Arc<AtomicUsize>) {
        let again = Arc::clone(&engine);
        let submitted = engine.nop(move |result| {
            result.unwrap();
            let ran = done.fetch_add(1, Ordering::SeqCst);
            if left > 1 {
                next(again, left - 1, done);
            } else {
                assert_eq!(ran + 1, LINKS);
            }
        });
        submitted.unwrap();
    }
    let work = || {
        let engine = Arc::new(small_engine());
        let done = Arc::new(AtomicUsize::new(0));
        next(Arc::clone(&engine), LINKS, Arc::clone(&done));
        engine.drain(-1).unwrap();
        assert_eq!(done.load(Ordering::SeqCst), LINKS);
        assert_eq!(engine.stats().unwrap().callback_panics(), 0);
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(work).unwrap().join().unwrap();
}

#[test]
fn processing_completions_in_a_callback_is_an_error_and_no_deadlock() {
    let engine = Arc::new(small_engine());
    let inner = Arc::clone(&engine);
    let errors = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&errors);
    engine
        .nop(move |_| {
            assert!(aura::in_callback_context());
            let calls = [inner.poll(), inner.wait(0), inner.wait(-1), inner.drain(-1)];
            seen.lock().unwrap().extend(calls.map(|call| call.map_err(|error| error.errno())));
            inner.run(); // Does nothing.
        })
        .unwrap();
    within(Duration::from_secs(30), "processing in a callback", move || engine.drain(-1)).unwrap();
    assert_eq!(*errors.lock().unwrap(), [Err(libc::EDEADLK); 4]);
    assert!(!aura::in_callback_context());
}

/// In a process of its own: the log handler is the process's.
#[test]
fn panics_are_caught_counted_and_logged() {
    if !alone("callbacks::panics_are_caught_counted_and_logged") {
        return;
    }
    std::panic::set_hook(Box::new(|_| ())); // Ten panics are expected.
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    aura::set_log_handler(move |level, text| log.lock().unwrap().push((level, text.to_owned())));
    let engine = small_engine();
    let outcomes = Outcomes::default();
    for number in 0..10 {
        engine.nop(move |_| panic!("number {number}")).unwrap();
        engine.nop(outcomes.hear()).unwrap();
    }
    engine.drain(-1).unwrap();
    assert_eq!(outcomes.all(), [Ok(0); 10], "the engine goes on");
    assert_eq!(engine.stats().unwrap().callback_panics(), 10);
    assert!(!aura::in_callback_context(), "a panic does not leave the mark set");
    let heard = heard.lock().unwrap();
    for number in 0..10 {
        let named = |(level, text): &&(aura::LogLevel, String)| {
            *level == aura::LogLevel::Error && text.contains(&format!("number {number}"))
        };
        assert_eq!(heard.iter().filter(named).count(), 1, "{heard:?}");
    }
}

/// What a panic carries is the user's too, and its `drop` may panic in turn.
#[test]
fn a_panic_whose_payload_panics_when_dropped_loses_nothing() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("the payload of a panic");
            }
        }
    }
    let engine = small_engine();
    let outcomes = Outcomes::default();
    engine.nop(|_| std::panic::panic_any(Bomb)).unwrap();
    for _ in 0..5 {
        engine.nop(outcomes.hear()).unwrap();
    }
    let drained = within(Duration::from_secs(30), "draining", move || {
        let drained =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| engine.drain(5_000)));
        std::mem::forget(engine); // It may be beyond repair.
        drained.is_ok()
    });
    assert!(drained, "the panic reached the caller of drain");
    assert_eq!(outcomes.all(), [Ok(0); 5]);
}

thread_local!(static SUBMITTING: Cell<bool> = const { Cell::new(false) });

#[test]
fn no_callback_runs_inside_a_submission() {
    for (rings, depth) in [(1, 1), (1, 4), (3, 2)] {
        let engine = Arc::new(engine_of(rings, depth));
        let (ran, inside) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut submitted = 0;
        for _ in 0..5_000 {
            let (ran, inside) = (Arc::clone(&ran), Arc::clone(&inside));
            SUBMITTING.set(true);
            let taken = engine.nop(move |_| {
                ran.fetch_add(1, Ordering::SeqCst);
                inside.fetch_add(SUBMITTING.get().into(), Ordering::SeqCst);
            });
            SUBMITTING.set(false);
            match taken {
                Ok(_) => submitted += 1,
                Err(error) => {
                    assert!(matches!(error, Error::Submission(_)), "{error}");
                    assert_eq!(error.errno(), libc::EAGAIN);
                    engine.wait(-1).unwrap();
                }
            }
        }
        engine.drain(-1).unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), submitted, "{rings} rings of {depth}");
        assert_eq!(inside.load(Ordering::SeqCst), 0, "{rings} rings of {depth}");
    }
}
