//! The two ends of a ring in different threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aura_ring::{Cqe, PushError, Ring, RingConfig, Sqe};

use crate::support::{LOST_AFTER, ring};

/// Counts labels: each must come once.
struct Seen {
    seen: Vec<bool>,
    missing: usize,
}

impl Seen {
    fn new(count: usize) -> Self {
        Self { seen: vec![false; count], missing: count }
    }

    fn record(&mut self, cqe: Cqe) {
        assert_eq!(cqe.result, 0);
        let before = std::mem::replace(&mut self.seen[cqe.user_data as usize], true);
        assert!(!before, "label {} came twice", cqe.user_data);
        self.missing -= 1;
    }
}

/// Reaps until every label came.
fn reap_all(ring: &Ring, seen: &mut Seen) {
    let mut out = [Cqe::default(); 32];
    let mut last = Instant::now();
    while seen.missing > 0 {
        // SAFETY: this is the only thread of its test that reaps.
        let count = unsafe { ring.reap(&mut out) };
        let in_flight = ring.in_flight();
        assert!(in_flight <= ring.features().cq_entries, "in flight: {}", in_flight as i32);
        out[..count].iter().for_each(|cqe| seen.record(*cqe));
        if count > 0 {
            last = Instant::now();
        } else {
            assert!(last.elapsed() < LOST_AFTER, "{} labels are missing", seen.missing);
            ring.wait(Some(Duration::from_millis(20))).expect("waiting works");
        }
    }
}

/// Pushes a no-op, submitting and yielding as the ring asks for.
#[track_caller]
fn push_when_possible(ring: &Ring, label: u64, push: &impl Fn(&Sqe) -> Result<(), PushError>) {
    let sqe = Sqe::nop().user_data(label);
    let start = Instant::now();
    while let Err(refused) = push(&sqe) {
        ring.submit().expect("submitting works");
        if refused == PushError::TooManyInFlight {
            assert!(start.elapsed() < LOST_AFTER, "nobody reaps any more");
            thread::yield_now();
        }
    }
}

/// Ends the loops of the bystanders, also when a check fails.
struct Finish<'a>(&'a AtomicBool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn one_thread_pushes_while_another_reaps() {
    const COUNT: usize = 1_000_000;
    let ring = ring(64);
    let mut seen = Seen::new(COUNT);
    thread::scope(|scope| {
        scope.spawn(|| {
            // SAFETY: this is the only thread that pushes; a no-op names no memory.
            let push = |sqe: &Sqe| unsafe { ring.push(sqe) };
            (0..COUNT as u64).for_each(|label| push_when_possible(&ring, label, &push));
            ring.submit().unwrap();
        });
        reap_all(&ring, &mut seen);
    });
    assert_eq!(ring.in_flight(), 0);
}

#[test]
fn eight_threads_push_under_a_lock_while_another_reaps() {
    const THREADS: usize = 8;
    const EACH: usize = 50_000;
    let ring = ring(32);
    let (lock, mut seen) = (Mutex::new(()), Seen::new(THREADS * EACH));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (ring, lock) = (&ring, &lock);
            scope.spawn(move || {
                let push = |sqe: &Sqe| {
                    let _only_me = lock.lock().unwrap();
                    // SAFETY: the lock is held; a no-op names no memory.
                    unsafe { ring.push(sqe) }
                };
                for index in 0..EACH {
                    push_when_possible(ring, (thread * EACH + index) as u64, &push);
                }
                ring.submit().unwrap();
            });
        }
        reap_all(&ring, &mut seen);
    });
    assert_eq!(ring.in_flight(), 0);
}

/// Everything that any thread may do at any time, while operations go through.
#[test]
fn bystanders_disturb_nothing() {
    const COUNT: usize = 200_000;
    let ring = ring(16);
    let limit = ring.features().cq_entries;
    let (mut seen, done) = (Seen::new(COUNT), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                assert!(ring.in_flight() <= limit, "in flight: {}", ring.in_flight());
                std::hint::black_box(ring.needs_enter());
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                ring.submit().unwrap();
                ring.wait(Some(Duration::ZERO)).unwrap();
                ring.register_files(&[0, -1]).unwrap();
                ring.update_files(1, &[1]).unwrap();
                ring.unregister_files().unwrap();
            }
        });
        scope.spawn(|| {
            // SAFETY: this is the only thread that pushes; a no-op names no memory.
            let push = |sqe: &Sqe| unsafe { ring.push(sqe) };
            (0..COUNT as u64).for_each(|label| push_when_possible(&ring, label, &push));
            ring.submit().unwrap();
        });
        let _finish = Finish(&done);
        reap_all(&ring, &mut seen);
    });
    assert_eq!(ring.in_flight(), 0);
}

/// The kernel's thread takes entries the moment they are published.
#[test]
fn with_submission_polling_everything_comes_once() {
    const COUNT: usize = 100_000;
    let sqpoll_idle = Some(Duration::from_millis(50));
    let config = RingConfig { entries: 64, sqpoll_idle, ..RingConfig::default() };
    let ring = Ring::new(&config).unwrap();
    let mut seen = Seen::new(COUNT);
    thread::scope(|scope| {
        scope.spawn(|| {
            // SAFETY: this is the only thread that pushes; a no-op names no memory.
            let push = |sqe: &Sqe| unsafe { ring.push(sqe) };
            for label in 0..COUNT as u64 {
                push_when_possible(&ring, label, &push);
                if label % 64 == 0 {
                    ring.submit().unwrap();
                }
            }
            ring.submit().unwrap();
        });
        reap_all(&ring, &mut seen);
    });
    assert_eq!(ring.in_flight(), 0);
}

/// A completion can be reaped before the push that caused it has returned, if another thread
/// submits. The operation must be counted by then.
#[test]
fn a_completion_that_overtakes_its_push_is_counted() {
    const ROUNDS: u64 = 50_000;
    const LONG_ENOUGH: Duration = Duration::from_secs(1); // Rounds take long on a busy machine.
    let ring = ring(8);
    let (reaped, done, start) = (AtomicU64::new(0), AtomicBool::new(false), Instant::now());
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                if reaped.load(Ordering::Acquire) == round {
                    // SAFETY: this is the only thread that pushes; a no-op names no memory.
                    unsafe { ring.push(&Sqe::nop().user_data(round)) }.expect("one at a time");
                    round += 1;
                }
                thread::yield_now();
            }
        });
        let _finish = Finish(&done);
        let mut out = [Cqe::default()];
        let mut round = 0;
        while round < ROUNDS && (round == 0 || start.elapsed() < LONG_ENOUGH) {
            assert!(start.elapsed() < LOST_AFTER, "nothing completes");
            ring.submit().expect("submitting works");
            // SAFETY: this is the only thread that reaps.
            let count = unsafe { ring.reap(&mut out) };
            assert!(ring.in_flight() <= 1, "in flight: {}", ring.in_flight());
            if count == 1 {
                assert_eq!(out[0].user_data, round);
                round += 1;
                reaped.store(round, Ordering::Release);
            }
        }
    });
}
