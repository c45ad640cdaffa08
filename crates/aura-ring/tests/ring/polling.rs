//! The ring's descriptor in `poll` and `epoll`.

use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;

use aura_ring::{Ring, Sqe};
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

use crate::support::{push, reap, ring, target};

fn readable(ring: &impl AsFd, timeout: Duration) -> bool {
    let timeout = Timespec::try_from(timeout).unwrap();
    let mut fds = [PollFd::new(ring, PollFlags::IN)];
    poll(&mut fds, Some(&timeout)).expect("polling works") == 1
}

fn readable_now(ring: &impl AsFd) -> bool {
    readable(ring, Duration::ZERO)
}

/// Completions of `count` no-ops, waiting to be reaped.
fn complete(ring: &Ring, count: u64) {
    for label in 0..count {
        push(ring, Sqe::nop().user_data(label));
    }
    assert_eq!(u64::from(ring.submit().unwrap()), count);
}

#[test]
fn readable_exactly_while_completions_wait() {
    let ring = ring(8);
    assert!(!readable_now(&ring), "nothing was pushed");
    push(&ring, Sqe::nop());
    assert!(!readable_now(&ring), "nothing was submitted");
    ring.submit().unwrap();
    for _ in 0..3 {
        assert!(readable_now(&ring), "level-triggered");
    }
    assert_eq!(reap(&ring).len(), 1);
    assert!(!readable_now(&ring), "everything is reaped");

    complete(&ring, 2);
    let mut one = [aura_ring::Cqe::default()];
    // SAFETY: this test has one thread.
    assert_eq!(unsafe { ring.reap(&mut one) }, 1);
    assert!(readable_now(&ring), "one is left");
    assert_eq!(reap(&ring).len(), 1);
    assert!(!readable_now(&ring));
}

#[test]
fn a_poll_that_is_already_blocked_wakes_up() {
    let (ring, (reader, mut writer)) = (ring(8), std::io::pipe().unwrap());
    let mut buf = [0u8; 8];
    push(&ring, Sqe::read(target(&reader), buf.as_mut_ptr(), 8, u64::MAX));
    ring.submit().unwrap();
    assert!(!readable(&ring, Duration::from_millis(30)));
    std::thread::scope(|scope| {
        let poller = scope.spawn(|| readable(&ring, Duration::from_secs(20)));
        std::thread::sleep(Duration::from_millis(30));
        writer.write_all(b"now").unwrap();
        assert!(poller.join().unwrap());
    });
    // The tail of the read runs in the thread that submitted it, when that returns from a call.
    assert_eq!(crate::support::reap_exactly(&ring, 1)[0].result, 3);
}

#[test]
fn epoll_reports_each_ring_as_long_as_it_has_completions() {
    let rings = [ring(8), ring(8), ring(8)];
    let outer = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    for (index, ring) in rings.iter().enumerate() {
        let data = epoll::EventData::new_u64(index as u64);
        epoll::add(&outer, ring, data, epoll::EventFlags::IN).unwrap();
    }
    let ready = || {
        let mut events = Vec::with_capacity(8);
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        epoll::wait(&outer, rustix::buffer::spare_capacity(&mut events), Some(&now)).unwrap();
        let mut ready: Vec<u64> = events.iter().map(|event| event.data.u64()).collect();
        ready.sort_unstable();
        ready
    };
    assert_eq!(ready(), []);
    complete(&rings[2], 3);
    for _ in 0..3 {
        assert_eq!(ready(), [2], "level-triggered");
    }
    assert!(readable_now(&outer), "the epoll descriptor is itself pollable");
    complete(&rings[0], 1);
    assert_eq!(ready(), [0, 2]);
    assert_eq!(reap(&rings[2]).len(), 3);
    assert_eq!(ready(), [0]);
    assert_eq!(reap(&rings[0]).len(), 1);
    assert_eq!(ready(), []);
    assert!(!readable_now(&outer));
}
