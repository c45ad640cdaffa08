//! The poll descriptor in an event loop of the application's own.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{LONG, Outcomes, engine_of, readable, small_engine};

const SOON: Duration = Duration::from_secs(10);
const NOW: Duration = Duration::ZERO;

#[test]
fn an_operation_announces_itself_without_any_further_call() {
    for rings in [1, 3] {
        let engine = engine_of(rings, 64);
        let outcomes = Outcomes::default();
        engine.nop(outcomes.hear()).unwrap(); // Queued before anybody asks for the descriptor.
        let fd = engine.poll_fd().unwrap();
        assert!(readable(fd, SOON), "{rings} rings: queued before");
        assert!(readable(fd, NOW), "level-triggered: as long as nobody processes it");
        assert_eq!(engine.poll().unwrap(), 1);
        assert!(!readable(fd, NOW), "{rings} rings: nothing is left to do");
        engine.nop(outcomes.hear()).unwrap();
        assert!(readable(fd, SOON), "{rings} rings: submitted after");
        assert_eq!(engine.poll().unwrap(), 1);
        assert_eq!(outcomes.count(), 2);
    }
}

#[test]
fn a_submission_from_a_callback_announces_itself_too() {
    let engine = Arc::new(small_engine());
    let fd = engine.poll_fd().unwrap();
    let outcomes = Outcomes::default();
    let (again, heard) = (Arc::clone(&engine), outcomes.clone());
    let nested = move |_| assert!(again.nop(heard.hear()).is_ok());
    engine.nop(nested).unwrap();
    assert!(readable(fd, SOON));
    engine.poll().unwrap();
    if outcomes.count() == 0 {
        assert!(readable(fd, SOON), "the nested operation");
        engine.poll().unwrap();
    }
    assert_eq!(outcomes.all(), [Ok(0)]);
}

/// At the limit a submission takes completions off the kernel's queue, and the descriptor would
/// fall silent with their callbacks not called.
#[test]
fn completions_found_by_a_submission_are_still_announced() {
    let engine = engine_of(1, 4);
    let fd = engine.poll_fd().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let buffer = engine.allocate_buffer(64).unwrap();
    let outcomes = Outcomes::default();
    for _ in 0..4 {
        engine.nop(outcomes.hear()).unwrap(); // Handed over, and completed by that.
    }
    // SAFETY: the buffer lives until the read has completed.
    unsafe { engine.read(reader.as_raw_fd(), (&buffer).into(), 64, 0, outcomes.hear()) }.unwrap();
    while outcomes.count() < 4 {
        assert!(readable(fd, SOON), "{} of 4, and silence", outcomes.count());
        engine.poll().unwrap();
    }
    assert!(!readable(fd, NOW), "all but the read are delivered");
    drop(writer);
    assert!(readable(fd, SOON));
    engine.poll().unwrap();
    assert_eq!(outcomes.all(), [Ok(0); 5]);
}

/// The kernel cancels what a thread leaves behind; the engine repeats it, and must hand it over.
#[test]
fn an_operation_whose_thread_ended_is_not_stranded_by_poll() {
    for rings in [1, 2] {
        let engine = Arc::new(engine_of(rings, 16));
        let fd = engine.poll_fd().unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        let buffer = engine.allocate_buffer(64).unwrap();
        let outcomes = Outcomes::default();
        let (submitter, heard) = (Arc::clone(&engine), outcomes.clone());
        let (pipe, memory) = (reader.as_raw_fd(), buffer.to_ref());
        std::thread::spawn(move || {
            // SAFETY: the buffer lives until the read has completed.
            unsafe { submitter.read(pipe, memory, 64, 0, heard.hear()) }.map(drop).unwrap();
        })
        .join()
        .unwrap();
        // An event loop: sleeps on the descriptor, polls once whenever it is readable.
        while readable(fd, Duration::from_millis(300)) {
            engine.poll().unwrap();
        }
        assert_eq!(outcomes.count(), 0, "there is nothing to read yet");
        writer.write_all(b"data").unwrap();
        while outcomes.count() == 0 {
            assert!(readable(fd, SOON), "{rings} rings: the operation is lost");
            engine.poll().unwrap();
        }
        assert_eq!(outcomes.all(), [Ok(4)]);
        assert_eq!(&buffer.as_slice()[..4], b"data");
    }
}

#[test]
fn a_wait_that_is_over_leaves_the_descriptor_quiet() {
    for rings in [1, 2] {
        let engine = Arc::new(engine_of(rings, 16));
        let fd = engine.poll_fd().unwrap();
        let waiter = Arc::clone(&engine);
        std::thread::spawn(move || waiter.wait(10)).join().unwrap().unwrap();
        let mut rounds = 0;
        while readable(fd, Duration::from_millis(50)) && rounds < 10 {
            engine.poll().unwrap();
            rounds += 1;
        }
        assert!(rounds < 10, "{rings} rings: readable for ever, though there is nothing to do");
    }
}

#[test]
fn the_descriptor_fits_epoll() {
    let engine = small_engine();
    let fd = engine.poll_fd().unwrap();
    assert_eq!(engine.poll_fd().unwrap(), fd, "one descriptor, the engine's");
    // SAFETY: plain system calls on descriptors of this test.
    unsafe {
        let epoll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 7 };
        assert_eq!(libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event), 0);
        engine.nop(|_| ()).unwrap();
        let ready = libc::epoll_wait(epoll, &raw mut event, 1, LONG.as_millis() as i32);
        assert_eq!((ready, { event.u64 }), (1, 7));
        engine.poll().unwrap();
        assert_eq!(libc::epoll_wait(epoll, &raw mut event, 1, 0), 0);
        libc::close(epoll);
    }
}
