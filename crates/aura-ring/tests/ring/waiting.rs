//! How a wait ends.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aura_ring::{Ring, Sqe, Wake};

use crate::support::{LOST_AFTER, push, reap, reap_exactly, ring, target};

const SHORT: Duration = Duration::from_millis(60);

/// Waits and says how it ended and how long it took.
fn timed(ring: &Ring, timeout: Option<Duration>) -> (Wake, Duration) {
    let start = Instant::now();
    (ring.wait(timeout).expect("waiting works"), start.elapsed())
}

#[test]
fn a_timeout_is_not_early_and_not_lost() {
    let ring = ring(8);
    for limit in [1, 10, 100].map(Duration::from_millis) {
        let (wake, took) = timed(&ring, Some(limit));
        assert_eq!(wake, Wake::TimedOut);
        assert!(took >= limit && took < LOST_AFTER, "{took:?} instead of {limit:?}");
    }
    assert_eq!(timed(&ring, Some(Duration::ZERO)).0, Wake::TimedOut);
}

#[test]
fn a_wait_that_also_submits_still_times_out() {
    let (ring, (reader, mut writer)) = (ring(8), std::io::pipe().unwrap());
    let mut buf = [0u8; 8];
    push(&ring, Sqe::read(target(&reader), buf.as_mut_ptr(), 8, u64::MAX));
    let (wake, took) = timed(&ring, Some(SHORT));
    assert!(took >= SHORT, "{took:?}");
    assert_eq!(wake, Wake::TimedOut);
    assert!(reap(&ring).is_empty());
    writer.write_all(b"go").unwrap();
    assert_eq!(reap_exactly(&ring, 1)[0].result, 2);
}

#[test]
fn a_wait_submits_what_is_queued_and_returns_when_it_is_ready() {
    let ring = ring(8);
    for timeout in [None, Some(LOST_AFTER), Some(Duration::ZERO)] {
        push(&ring, Sqe::nop());
        let (wake, took) = timed(&ring, timeout);
        assert_eq!(wake, Wake::Ready);
        assert!(took < LOST_AFTER);
        assert_eq!(reap(&ring).len(), 1);
    }
}

#[test]
fn a_wait_returns_at_once_while_completions_are_there() {
    let ring = ring(8);
    push(&ring, Sqe::nop());
    ring.submit().unwrap();
    for timeout in [None, Some(LOST_AFTER), Some(Duration::ZERO), None] {
        assert_eq!(timed(&ring, timeout).0, Wake::Ready);
    }
    assert_eq!(reap(&ring).len(), 1);
}

#[test]
fn a_wait_that_is_already_blocked_sees_what_another_thread_submits() {
    let ring = ring(8);
    for timeout in [None, Some(LOST_AFTER), Some(Duration::MAX)] {
        thread::scope(|scope| {
            let waiter = scope.spawn(|| timed(&ring, timeout));
            thread::sleep(SHORT);
            push(&ring, Sqe::nop().user_data(5));
            ring.submit().unwrap();
            let (wake, took) = waiter.join().unwrap();
            assert_eq!(wake, Wake::Ready, "{timeout:?}");
            assert!(took >= SHORT / 2 && took < LOST_AFTER, "{took:?} of {timeout:?}");
        });
        assert_eq!(reap(&ring).len(), 1);
    }
}

extern "C" fn ignore(_signal: libc::c_int) {}

/// Installs a handler that does nothing.
fn handle(signal: libc::c_int, flags: libc::c_int) {
    let handler: extern "C" fn(libc::c_int) = ignore;
    // SAFETY: all zero is a valid `sigaction`; the handler does nothing, which is async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
    }
}

/// Runs `wait` while another thread keeps sending `signal` to this one.
fn under_signals<T>(signal: libc::c_int, wait: impl FnOnce() -> T) -> T {
    // SAFETY: no preconditions.
    let here = unsafe { libc::pthread_self() };
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20));
                // SAFETY: the scope ends before the thread `here` does.
                unsafe { libc::pthread_kill(here, signal) };
            }
        });
        let result = wait();
        done.store(true, Ordering::Relaxed);
        result
    })
}

#[test]
fn a_signal_interrupts_a_wait() {
    let ring = ring(8);
    for (signal, flags) in [(libc::SIGUSR1, 0), (libc::SIGUSR2, libc::SA_RESTART)] {
        handle(signal, flags);
        for timeout in [None, Some(LOST_AFTER)] {
            let (wake, took) = under_signals(signal, || timed(&ring, timeout));
            assert_eq!(wake, Wake::Interrupted, "{timeout:?} flags {flags}");
            assert!(took < LOST_AFTER);
        }
    }
}

#[test]
fn a_signal_interrupts_a_wait_that_also_submits() {
    let (ring, (reader, mut writer)) = (ring(8), std::io::pipe().unwrap());
    handle(libc::SIGHUP, 0);
    for timeout in [None, Some(LOST_AFTER)] {
        let mut buf = [0u8; 8];
        push(&ring, Sqe::read(target(&reader), buf.as_mut_ptr(), 8, u64::MAX));
        let (wake, _) = under_signals(libc::SIGHUP, || timed(&ring, timeout));
        assert_eq!(wake, Wake::Interrupted, "{timeout:?}");
        writer.write_all(b"go").unwrap();
        assert_eq!(reap_exactly(&ring, 1)[0].result, 2, "the read survives the signal");
    }
}
