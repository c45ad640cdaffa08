//! The list of system calls in docs/reliability.md is all that the library needs.

use std::os::fd::AsRawFd;

use aura::{BufferRef, Engine, OpenOptions, Options, RingSelect, block_on};
use libc::c_long;

use super::filter::allow_only;
use crate::support::{alone, scratch};

const PAGE: &str = include_str!("../../../../docs/reliability.md");
const HEADING: &str = "### System calls";

/// Calls by the names in the list. What is listed and not named here fails the test.
const CALLS: &[(&str, c_long)] = &[
    ("io_uring_setup", libc::SYS_io_uring_setup),
    ("io_uring_enter", libc::SYS_io_uring_enter),
    ("io_uring_register", libc::SYS_io_uring_register),
    ("mmap", libc::SYS_mmap),
    ("munmap", libc::SYS_munmap),
    ("madvise", libc::SYS_madvise),
    ("eventfd2", libc::SYS_eventfd2),
    ("epoll_create1", libc::SYS_epoll_create1),
    ("epoll_ctl", libc::SYS_epoll_ctl),
    ("epoll_pwait", libc::SYS_epoll_pwait),
    ("epoll_pwait2", libc::SYS_epoll_pwait2),
    #[cfg(target_arch = "x86_64")]
    ("epoll_wait", libc::SYS_epoll_wait),
    ("read", libc::SYS_read),
    ("write", libc::SYS_write),
    ("close", libc::SYS_close),
    ("fcntl", libc::SYS_fcntl),
    ("futex", libc::SYS_futex),
    ("clock_gettime", libc::SYS_clock_gettime),
    ("clock_nanosleep", libc::SYS_clock_nanosleep),
    ("prlimit64", libc::SYS_prlimit64),
    ("sched_getaffinity", libc::SYS_sched_getaffinity),
    ("sched_yield", libc::SYS_sched_yield),
    ("getcpu", libc::SYS_getcpu),
    ("openat", libc::SYS_openat),
    ("lseek", libc::SYS_lseek),
    ("statx", libc::SYS_statx),
    ("newfstatat", libc::SYS_newfstatat),
];

/// What threads of Rust and glibc, and their memory, need whatever they do.
const OF_ANY_THREAD: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_prctl,
    libc::SYS_rseq,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
];

fn documented() -> Vec<c_long> {
    let (_, section) = PAGE.split_once(HEADING).expect("the section is there");
    let list = section.split("```").nth(1).expect("with a list").trim_start_matches("text");
    let number = |name: &str| {
        let known = CALLS.iter().find(|(known, _)| *known == name);
        known.unwrap_or_else(|| panic!("{name} is listed and not known here")).1
    };
    list.split_whitespace().map(number).collect()
}

#[test]
fn an_engine_needs_no_system_call_that_is_not_listed() {
    if !alone("faults::sandbox::an_engine_needs_no_system_call_that_is_not_listed") {
        return;
    }
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let path = folder.path().join("file");
    let calls = [&documented()[..], OF_ANY_THREAD].concat();
    // A call that is not allowed kills the process, which names it: SIGSYS.
    let sandboxed = std::thread::spawn(move || {
        allow_only(&calls);
        for rings in [1, 3] {
            use_everything(rings, &path);
        }
    });
    sandboxed.join().unwrap();
}

fn use_everything(rings: i32, path: &std::path::Path) {
    let options = Options::new().ring_count(rings).queue_depth(64);
    let engine = Engine::with_options(&options.ring_select(RingSelect::RoundRobin)).unwrap();
    let options = OpenOptions::new().read(true).write(true).create(true).register(true);
    let file = block_on(&engine, async {
        let file = engine.open(path, options).await.unwrap();
        file.write_all_at(vec![7; 100_000], 0).await.unwrap();
        file.sync_all().await.unwrap();
        file.allocate(0, 200_000).await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), 200_000);
        let data = file.read_exact_at(vec![0; 100_000], 0).await.unwrap();
        assert!(data.iter().all(|byte| *byte == 7));
        file
    });
    let memory: &'static mut [u8] = Box::leak(vec![0; 4096].into_boxed_slice());
    // SAFETY: the memory lasts, and is not used otherwise.
    unsafe { engine.register_buffers(&[memory]) }.unwrap();
    for _ in 0..200 {
        engine.nop(|result| assert_eq!(result.unwrap(), 0)).unwrap_or_else(|_| {
            engine.wait(1000).unwrap();
            engine.nop(|_| ()).unwrap()
        });
    }
    engine.drain(-1).unwrap();
    let _ = engine.wait(20); // Sleeps until the time is up.
    let fixed = BufferRef::fixed(0, 0);
    // SAFETY: registered memory.
    let read = unsafe { engine.read(file.as_raw_fd(), fixed, 64, 0, |_| ()) };
    engine.cancel_request(&read.unwrap()).unwrap();
    engine.poll_fd().unwrap();
    let poller = engine.start_poller().unwrap();
    engine.nop(|_| ()).unwrap();
    drop(poller);
    engine.drain(-1).unwrap();
    engine.unregister_buffers().unwrap();
    drop(engine.allocate_buffer(1 << 20).unwrap());
    drop(file);
    drop(engine);
}
