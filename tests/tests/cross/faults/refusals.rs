//! Whatever the kernel refuses while an engine is made: the error says what, and nothing stays behind.

use aura::{Engine, Options};

use super::filter::{Refused, refuse};
use crate::support::{alone, open_descriptors, skip};

/// `IORING_OFF_SQES`: where the entries of a ring are mapped from.
const ENTRIES: u32 = 0x1000_0000;

/// What is refused, and what the error says.
const REFUSALS: [(Refused, &str); 8] = [
    (Refused { call: libc::SYS_io_uring_setup, argument: None, errno: libc::EPERM }, "seccomp"),
    (Refused { call: libc::SYS_io_uring_setup, argument: None, errno: libc::ENOMEM }, "memory"),
    (Refused { call: libc::SYS_io_uring_setup, argument: None, errno: libc::ENFILE }, "file-max"),
    (Refused { call: libc::SYS_mmap, argument: Some((5, ENTRIES)), errno: libc::ENOMEM }, "memory"),
    (Refused { call: libc::SYS_eventfd2, argument: None, errno: libc::EMFILE }, "wake-up"),
    (Refused { call: libc::SYS_epoll_create1, argument: None, errno: libc::EMFILE }, "epoll"),
    (Refused { call: libc::SYS_epoll_ctl, argument: None, errno: libc::ENOSPC }, "epoll"),
    (
        Refused {
            call: libc::SYS_mmap,
            argument: Some((2, libc::PROT_NONE as u32)),
            errno: libc::ENOMEM,
        },
        "address space",
    ),
];

fn create() -> aura::Result<Engine> {
    Engine::with_options(&Options::new().queue_depth(64).ring_count(3))
}

/// Mappings of rings in this process.
fn mapped_rings() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("procfs");
    maps.lines().filter(|line| line.contains("io_uring")).count()
}

#[test]
fn whatever_is_refused_is_named_and_nothing_stays_behind() {
    if !alone("faults::refusals::whatever_is_refused_is_named_and_nothing_stays_behind") {
        return;
    }
    drop(create().unwrap()); // What is made once for the process is made.
    for (refused, says) in REFUSALS {
        let before = open_descriptors();
        // The filter stays with its thread.
        let error = std::thread::spawn(move || {
            refuse(refused);
            create().map(drop).expect_err("it was refused")
        });
        let error = error.join().unwrap();
        let text = error.to_string();
        assert_eq!(error.errno(), refused.errno, "{refused:?}: {text}");
        assert!(text.contains(says), "{refused:?}: {text}");
        assert_eq!((open_descriptors(), mapped_rings()), (before, 0), "{refused:?}");
    }
    drop(create().unwrap());
}

#[test]
fn an_engine_for_which_descriptors_run_out_half_way_leaves_none() {
    if !alone("faults::refusals::an_engine_for_which_descriptors_run_out_half_way_leaves_none") {
        return;
    }
    drop(create().unwrap());
    let before = open_descriptors();
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a valid place for the answer.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
    let mut refused = 0;
    // The limit is on the numbers; those in use have gaps.
    for most in 3.. {
        let few = libc::rlimit { rlim_cur: most, ..limit };
        // SAFETY: a valid limit.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const few) }, 0);
        let created = create();
        // SAFETY: as it was.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
        match created {
            Ok(_) => break,
            Err(error) => assert_eq!(error.errno(), libc::EMFILE, "with {most}: {error}"),
        }
        assert_eq!((open_descriptors(), mapped_rings()), (before, 0), "with {most}");
        refused += 1;
    }
    assert!(refused >= 5, "three rings, a wake-up and an epoll, and only {refused} refusals");
}

/// The switch is the whole machine's, and others are at work on it.
#[test]
fn io_uring_switched_off_for_the_machine_is_named() {
    let switch = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    match switch.as_deref().map(str::trim) {
        Ok("0") => skip("io_uring is not switched off here, and switching it off would be for all"),
        Ok("1" | "2") => match create() {
            Ok(_) => skip("io_uring is restricted here, but not for this user"),
            Err(error) => assert!(error.to_string().contains("io_uring_disabled"), "{error}"),
        },
        _ => skip("this kernel has no switch for io_uring: it came with Linux 6.6"),
    }
}
