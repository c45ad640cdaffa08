//! Rings that cannot be had: the error names the cause, and nothing is left behind.

use std::fs::File;

use aura_ring::{Cause, Ring, RingConfig, SetupError};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{in_child, open_descriptors};

fn refused(config: &RingConfig) -> SetupError {
    Ring::new(config).expect_err("no ring")
}

fn plain() -> SetupError {
    refused(&RingConfig::default())
}

#[test]
fn impossible_sizes_are_named() {
    for entries in [0, (1 << 15) + 1, 1 << 20, u32::MAX] {
        let error = refused(&RingConfig { entries, ..RingConfig::default() });
        assert_eq!((error.cause(), error.raw_os_error()), (&Cause::Size, libc::EINVAL));
        assert!(error.to_string().contains(&entries.to_string()), "{error}");
    }
    for cq_entries in [0, 64, 1 << 20, u32::MAX].map(Some) {
        for sqpoll_idle in [None, Some(std::time::Duration::from_millis(1))] {
            let config = RingConfig { cq_entries, sqpoll_idle, ..RingConfig::default() };
            assert_eq!(refused(&config).cause(), &Cause::Size, "{cq_entries:?}");
        }
    }
    let largest = RingConfig { entries: 1 << 15, ..RingConfig::default() };
    assert_eq!(Ring::new(&largest).unwrap().features().sq_entries, 1 << 15);
}

#[test]
fn the_limit_of_descriptors_is_named() {
    in_child("unavailable::the_limit_of_descriptors_is_named", || {
        let old = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(40), ..old }).unwrap();
        let mut hoard = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            hoard.push(file);
        }
        let error = plain();
        assert_eq!(error.cause(), &Cause::Descriptors { limit: 40 });
        assert_eq!(error.raw_os_error(), libc::EMFILE);
        assert!(error.to_string().contains("40 descriptors"), "{error}");
        hoard.pop();
        let ring = Ring::new(&RingConfig::default()).expect("one descriptor is enough");
        plain();
        drop(ring);
        Ring::new(&RingConfig::default()).expect("dropping gave it back");
    });
}

/// Makes `io_uring_setup` answer `errno` in this thread and those it starts.
fn forbid_io_uring(errno: i32) {
    const RET_ALLOW: u32 = 0x7FFF_0000;
    const RET_ERRNO: u32 = 0x0005_0000;
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut steps = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0), // The number of the call.
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_io_uring_setup as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, RET_ERRNO | errno as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    let pointer: *const libc::sock_fprog = &program;
    // SAFETY: the program outlives the call, which copies it.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, pointer), 0);
    }
}

#[test]
fn a_filter_that_forbids_is_named() {
    in_child("unavailable::a_filter_that_forbids_is_named", || {
        forbid_io_uring(libc::EPERM);
        let error = plain();
        assert_eq!((error.cause(), error.raw_os_error()), (&Cause::Seccomp, libc::EPERM));
        assert!(error.to_string().contains("seccomp"), "{error}");
    });
}

#[test]
fn a_filter_that_denies_the_call_exists_is_named() {
    in_child("unavailable::a_filter_that_denies_the_call_exists_is_named", || {
        forbid_io_uring(libc::ENOSYS);
        let error = plain();
        assert_eq!((error.cause(), error.raw_os_error()), (&Cause::Seccomp, libc::ENOSYS));
    });
}

#[test]
fn a_filter_of_this_thread_only_is_named() {
    in_child("unavailable::a_filter_of_this_thread_only_is_named", || {
        let filtered = std::thread::spawn(|| {
            forbid_io_uring(libc::EPERM);
            plain().cause().clone()
        });
        assert_eq!(filtered.join().unwrap(), Cause::Seccomp);
        Ring::new(&RingConfig::default()).expect("this thread has no filter");
    });
}

#[test]
fn failed_setups_leave_no_descriptor() {
    in_child("unavailable::failed_setups_leave_no_descriptor", || {
        let before = open_descriptors();
        for _ in 0..100 {
            refused(&RingConfig { entries: 0, ..RingConfig::default() });
            refused(&RingConfig { cq_entries: Some(1 << 20), ..RingConfig::default() });
        }
        assert_eq!(open_descriptors(), before, "impossible sizes");

        // The ring is created, but there is no room left to map its queues.
        let old = getrlimit(Resource::As);
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
        let current = Some(pages * rustix::param::page_size() as u64 + (256 << 10));
        setrlimit(Resource::As, Rlimit { current, ..old }).unwrap();
        let large = RingConfig { entries: 1 << 15, ..RingConfig::default() };
        for _ in 0..100 {
            assert_eq!(refused(&large).raw_os_error(), libc::ENOMEM);
        }
        setrlimit(Resource::As, old).unwrap();
        assert_eq!(open_descriptors(), before, "no room to map the queues");

        let sqpoll_idle = Some(std::time::Duration::from_millis(1));
        forbid_io_uring(libc::EPERM);
        for _ in 0..100 {
            plain();
            refused(&RingConfig { sqpoll_idle, one_thread: true, ..RingConfig::default() });
        }
        assert_eq!(open_descriptors(), before, "filtered");
    });
}
