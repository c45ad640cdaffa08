//! Too few descriptors, signals at every moment, submission polling: the environment is not always
//! kind. In processes of their own.

use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use aura::{BufferRef, Engine, Error, Options, RingSelect};

use crate::common::{LONG, Outcomes, alone, file_with, outcome, pattern, skip, small_engine};
use crate::logging::{Heard, hear};

#[test]
fn without_descriptors_the_error_names_cause_and_remedy() {
    if !alone("hardship::without_descriptors_the_error_names_cause_and_remedy") {
        return;
    }
    let engine = small_engine();
    // Standard input, output and error: a new descriptor would have to be below the limit.
    let few = libc::rlimit { rlim_cur: 3, rlim_max: 3 };
    // SAFETY: a valid limit.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const few) }, 0);
    for rings in [1, 3] {
        let error = Engine::with_options(&Options::new().ring_count(rings)).unwrap_err();
        assert!(matches!(error, Error::EngineCreate(_)), "{error:?}");
        assert_eq!(error.errno(), libc::EMFILE);
        let text = error.to_string();
        assert!(text.contains("RLIMIT_NOFILE") && text.contains("ulimit -n"), "{text}");
    }
    engine.poll_fd().expect("made with the engine");
    assert_eq!(outcome(&engine, |done| engine.nop(done)), Ok(0), "the old engine works on");
    let opened = outcome(&engine, |done| engine.openat(libc::AT_FDCWD, c"/", 0, 0, done));
    assert_eq!(opened, Err(libc::EMFILE));
}

extern "C" fn ignore(_signal: libc::c_int) {}

/// Interrupts this process some thousand times a second.
fn interrupt_all_the_time() {
    // SAFETY: a handler that does nothing; all structures are valid.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let handler: extern "C" fn(libc::c_int) = ignore;
        action.sa_sigaction = handler as libc::sighandler_t; // And no SA_RESTART.
        assert_eq!(libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()), 0);
        let every = libc::timeval { tv_sec: 0, tv_usec: 100 };
        let timer = libc::itimerval { it_interval: every, it_value: every };
        assert_eq!(libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()), 0);
    }
}

#[test]
fn signals_lose_nothing_and_end_no_wait() {
    if !alone("hardship::signals_lose_nothing_and_end_no_wait") {
        return;
    }
    let data = pattern(9, 1 << 20);
    let file = file_with(&data);
    interrupt_all_the_time();
    for rings in [1, 3] {
        let options = Options::new().ring_count(rings).queue_depth(32).disable_adaptive(true);
        let engine = Engine::with_options(&options.ring_select(RingSelect::RoundRobin)).unwrap();
        let buffers: Vec<_> = (0..32).map(|_| engine.allocate_buffer(4096).unwrap()).collect();
        for round in 0..300 {
            let outcomes = Outcomes::default();
            let at = |number: usize| (round * 131 + number * 4099) % (data.len() - 4096);
            for (number, buffer) in buffers.iter().enumerate() {
                let (memory, offset) = (buffer.to_ref(), at(number) as i64);
                // SAFETY: the buffers live until all is drained.
                unsafe { engine.read(file.as_raw_fd(), memory, 4096, offset, outcomes.hear()) }
                    .unwrap();
            }
            engine.drain(-1).unwrap();
            assert_eq!(outcomes.all(), [Ok(4096); 32]);
            for (number, buffer) in buffers.iter().enumerate() {
                assert!(*buffer.as_slice() == data[at(number)..at(number) + 4096]);
            }
        }
        let (reader, writer) = std::io::pipe().unwrap();
        let memory = buffers[0].to_ref();
        let outcomes = Outcomes::default();
        // SAFETY: as above.
        unsafe { engine.read(reader.as_raw_fd(), memory, 64, 0, outcomes.hear()) }.unwrap();
        let start = Instant::now();
        assert_eq!(engine.wait(300).unwrap_err().errno(), libc::ETIMEDOUT);
        assert!(start.elapsed() >= Duration::from_millis(300), "ended by a signal");
        drop(writer);
        engine.drain(-1).unwrap();
    }
}

/// A ring of 1024 entries locks about 100 KiB, and a machine may have many CPUs.
#[test]
fn where_locked_memory_is_short_an_engine_makes_do_with_fewer_rings() {
    if !alone("hardship::where_locked_memory_is_short_an_engine_makes_do_with_fewer_rings") {
        return;
    }
    if Engine::new().unwrap().ring_count() < 2 {
        return skip("one CPU needs one ring only");
    }
    let room_for_one = libc::rlimit { rlim_cur: 120 << 10, rlim_max: 120 << 10 };
    // A user of its own, because what is locked is counted per user, and root is not limited.
    let user = 100_000 + std::process::id();
    // SAFETY: a valid limit, and plain numbers.
    let (limited, changed) = unsafe {
        (libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const room_for_one), libc::setuid(user))
    };
    if limited != 0 || changed != 0 {
        return skip("only root may become a user that has locked nothing yet");
    }
    let heard = Heard::default();
    hear(&heard);
    let engine = Engine::new().unwrap();
    if engine.ring_count() > 1 {
        return skip("this kernel does not count the rings as locked memory");
    }
    assert_eq!(outcome(&engine, |done| engine.nop(done)), Ok(0));
    let said = heard.lock().unwrap();
    let text = "1 rings instead of";
    assert!(
        said.iter().any(|(_, said)| said.contains(text) && said.contains("ulimit")),
        "{said:?}"
    );
    // Asked for by number, they are all there or none is.
    drop(engine);
    let error = Engine::with_options(&Options::new().ring_count(2)).unwrap_err();
    assert_eq!(error.errno(), libc::ENOMEM, "{error}");
}

/// The rings' memory is shared between parent and child: a child that used it, or shut the engine
/// down, would take away the parent's operations.
#[test]
fn a_forked_child_gets_errors_and_the_parent_is_unharmed() {
    if !alone("hardship::a_forked_child_gets_errors_and_the_parent_is_unharmed") {
        return;
    }
    for rings in [1, 2] {
        let options = Options::new().ring_count(rings).queue_depth(64).disable_adaptive(true);
        let engine = Engine::with_options(&options.ring_select(RingSelect::RoundRobin)).unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        let memory: &'static mut [u8] = Box::leak(vec![0; 64].into_boxed_slice());
        let outcomes = Outcomes::default();
        for _ in 0..4 {
            // SAFETY: the memory lasts; what the reads leave in it is of no interest.
            unsafe {
                let place = BufferRef::from_ptr(memory.as_mut_ptr().cast());
                engine.read(reader.as_raw_fd(), place, 1, 0, outcomes.hear()).unwrap();
            }
        }
        engine.flush().unwrap();
        // SAFETY: the other threads of this process sleep and hold no lock that the child needs.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let refused = engine.nop(|_| ()).is_err();
            let refused = refused && engine.poll_fd().is_err();
            let nothing = !matches!(engine.poll(), Ok(1..)) && !matches!(engine.wait(10), Ok(1..));
            drop(engine);
            // SAFETY: ends the child without running what belongs to the parent.
            unsafe { libc::_exit(if refused && nothing { 0 } else { 1 }) };
        }
        let mut status = 0;
        // SAFETY: a child of this process.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        std::io::Write::write_all(&mut writer, b"abcd").unwrap();
        let drained = engine.drain(10_000);
        assert_eq!(outcomes.all(), [Ok(1); 4], "the parent's operations: {drained:?}");
        assert_eq!(outcome(&engine, |done| engine.nop(done)), Ok(0));
        assert_eq!(status, 0, "the child's calls were to be refused");
    }
}

/// With submission polling a kernel thread takes what is queued, at a time of its own choosing.
#[test]
fn a_close_overtakes_nothing_with_submission_polling_either() {
    let options = Options::new().ring_count(2).queue_depth(64).enable_sqpoll(true);
    let options = options.sqpoll_idle_ms(50).ring_select(RingSelect::RoundRobin);
    let engine = Engine::with_options(&options.disable_adaptive(true)).unwrap();
    let source = file_with(&[4; 4096]);
    let buffer = engine.allocate_buffer(4096).unwrap();
    for round in 0..2_000 {
        // SAFETY: a new descriptor for an open file.
        let fd = unsafe { libc::dup(source.as_raw_fd()) };
        let (read, closed) = (Outcomes::default(), Outcomes::default());
        // SAFETY: the buffer lives until all is drained.
        unsafe { engine.read(fd, (&buffer).into(), 4096, 0, read.hear()) }.unwrap();
        engine.close(fd, closed.hear()).unwrap();
        engine.drain(LONG.as_millis() as i32).unwrap();
        assert_eq!((read.all(), closed.all()), (vec![Ok(4096)], vec![Ok(0)]), "round {round}");
    }
}

#[test]
fn submission_polling_cancels_and_wakes_like_any_other_engine() {
    let options = Options::new().ring_count(1).queue_depth(8).enable_sqpoll(true);
    let engine = Engine::with_options(&options.sqpoll_idle_ms(1)).unwrap();
    let (reader, _writer) = std::io::pipe().unwrap();
    let memory: &'static mut [u8] = Box::leak(vec![0; 64].into_boxed_slice());
    // SAFETY: the memory lasts.
    let place = unsafe { BufferRef::from_mut_slice(memory) };
    for round in 0..2_000 {
        let outcomes = Outcomes::default();
        // SAFETY: as above.
        let read = unsafe { engine.read(reader.as_raw_fd(), place, 64, 0, outcomes.hear()) };
        let request = read.unwrap();
        if round % 2 == 0 {
            engine.poll().unwrap();
        }
        engine.cancel_request(&request).unwrap();
        engine.drain(10_000).unwrap();
        assert_eq!(outcomes.all(), [Err(libc::ECANCELED)], "round {round}");
        if round % 500 == 0 {
            std::thread::sleep(Duration::from_millis(20)); // The kernel's thread falls asleep.
        }
    }
    assert_eq!(engine.stats().unwrap().ops_completed(), 2_000);
}
