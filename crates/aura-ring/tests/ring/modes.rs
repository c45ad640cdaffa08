//! The modes of a ring: a polling kernel thread, and one cooperating thread.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::thread;
use std::time::{Duration, Instant};

use aura_ring::{Cqe, Ring, RingConfig, Sqe};

use crate::support::{
    LOST_AFTER, pattern, push, reap, reap_exactly, run, scratch, scratch_dir, skip, target,
};

/// Spins until `count` completions came, without a system call beyond what `enter` does.
#[track_caller]
fn spin(ring: &Ring, count: usize, mut enter: impl FnMut(&Ring)) -> Vec<Cqe> {
    let start = Instant::now();
    let mut all = Vec::new();
    while all.len() < count {
        assert!(start.elapsed() < LOST_AFTER, "{} of {count} completions came", all.len());
        enter(ring);
        all.extend(reap(ring));
        std::hint::spin_loop();
    }
    all
}

#[test]
fn submission_polling_works_or_says_why_not() {
    let sqpoll_idle = Some(Duration::from_millis(5));
    let ring = Ring::new(&RingConfig { sqpoll_idle, ..RingConfig::default() }).unwrap();
    let features = ring.features();
    assert_ne!(features.sqpoll, features.sqpoll_refused.is_some());
    assert!(!features.coop_taskrun);
    if let Some(errno) = features.sqpoll_refused {
        skip("submission polling", &std::io::Error::from_raw_os_error(errno));
    }
    let (file, mut buf) = (scratch(&pattern(4096)), [0u8; 4096]);
    assert_eq!(run(&ring, Sqe::read(target(&file), buf.as_mut_ptr(), 4096, 0)), 4096);
    assert_eq!(buf[..], pattern(4096));
}

#[test]
fn the_polling_thread_takes_what_nobody_submits() {
    let sqpoll_idle = Some(Duration::from_secs(10));
    let ring = Ring::new(&RingConfig { sqpoll_idle, ..RingConfig::default() }).unwrap();
    if !ring.features().sqpoll {
        return skip("submission polling", &format!("{:?}", ring.features().sqpoll_refused));
    }
    // The first idle time begins with the first entry: until then the thread sleeps.
    assert_eq!(run(&ring, Sqe::nop()), 0);
    for label in 0..10 {
        push(&ring, Sqe::nop().user_data(label));
        assert_eq!(spin(&ring, 1, |_| {})[0].user_data, label);
    }
}

#[test]
fn a_submit_wakes_the_polling_thread_that_went_to_sleep() {
    let sqpoll_idle = Some(Duration::from_millis(1));
    let ring = Ring::new(&RingConfig { sqpoll_idle, ..RingConfig::default() }).unwrap();
    for label in 0..10 {
        thread::sleep(Duration::from_millis(15));
        push(&ring, Sqe::nop().user_data(label));
        ring.submit().unwrap();
        assert_eq!(spin(&ring, 1, |_| {})[0].user_data, label);
    }
}

#[test]
fn a_submission_polling_wait_times_out_and_gets_ready() {
    use aura_ring::Wake;
    let sqpoll_idle = Some(Duration::from_millis(1));
    let ring = Ring::new(&RingConfig { sqpoll_idle, ..RingConfig::default() }).unwrap();
    let ((reader, mut writer), mut buf) = (std::io::pipe().unwrap(), [0u8; 8]);
    push(&ring, Sqe::read(target(&reader), buf.as_mut_ptr(), 8, u64::MAX));
    assert_eq!(ring.wait(Some(Duration::from_millis(30))).unwrap(), Wake::TimedOut);
    writer.write_all(b"go").unwrap();
    assert_eq!(ring.wait(None).unwrap(), Wake::Ready);
    assert_eq!(reap_exactly(&ring, 1)[0].result, 2);
}

fn one_thread_ring(thread_bound: bool) -> Ring {
    let config =
        RingConfig { entries: 32, one_thread: true, thread_bound, ..RingConfig::default() };
    let ring = Ring::new(&config).unwrap();
    if !ring.features().coop_taskrun && !ring.features().defer_taskrun {
        skip("cooperative task work", &"this kernel is older than 5.19");
    } else if ring.features().defer_taskrun != thread_bound {
        skip("deferred task work", &"this kernel is older than 6.1");
    }
    ring
}

/// A file of 16 pages, opened around the page cache.
fn direct_file() -> Option<(tempfile::NamedTempFile, File)> {
    let mut named = tempfile::NamedTempFile::new_in(scratch_dir()).unwrap();
    named.write_all(&pattern(16 * 4096)).unwrap();
    named.as_file().sync_all().unwrap();
    match OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(named.path()) {
        Ok(file) => Some((named, file)),
        Err(error) => {
            skip("O_DIRECT reads", &error);
            None
        }
    }
}

#[repr(align(4096))]
struct Pages([u8; 16 * 4096]);

#[test]
fn one_thread_completes_direct_and_async_reads_without_waiting() {
    let Some((_named, file)) = direct_file() else { return };
    let mut pages = Box::new(Pages([0; 16 * 4096]));
    for (thread_bound, forced) in [(false, false), (false, true), (true, false), (true, true)] {
        let ring = one_thread_ring(thread_bound);
        pages.0.fill(0);
        for (index, page) in pages.0.chunks_exact_mut(4096).enumerate() {
            let offset = index as u64 * 4096;
            let read = Sqe::read(target(&file), page.as_mut_ptr(), 4096, offset);
            push(&ring, if forced { read.forced_async() } else { read });
        }
        assert_eq!(ring.submit().unwrap(), 16);
        let cqes = spin(&ring, 16, |ring| {
            if ring.needs_enter() {
                ring.submit().unwrap();
            }
        });
        assert!(cqes.iter().all(|cqe| cqe.result == 4096), "{cqes:?}");
        assert_eq!(pages.0[..], pattern(16 * 4096));
    }
}

/// The flag is what makes the loop above quick: without it, completions would wait for the next
/// interrupt that happens to hit this thread.
#[test]
fn one_thread_says_when_it_needs_to_enter() {
    if thread::available_parallelism().is_ok_and(|cpus| cpus.get() == 1) {
        return skip("needs_enter", &"one CPU: every switch to a worker enters the kernel anyway");
    }
    let ring = one_thread_ring(false);
    if !ring.features().coop_taskrun {
        return;
    }
    assert!(!ring.needs_enter());
    let (file, mut byte) = (scratch(b"x"), [0u8]);
    let (start, mut asked) = (Instant::now(), 0);
    while asked == 0 {
        if start.elapsed() > LOST_AFTER {
            return skip(
                "needs_enter",
                &"the CPUs are busy: every switch enters the kernel anyway",
            );
        }
        let read = Sqe::read(target(&file), byte.as_mut_ptr(), 1, 0).forced_async();
        push(&ring, read);
        ring.submit().unwrap();
        spin(&ring, 1, |ring| {
            if ring.needs_enter() {
                asked += 1;
                ring.submit().unwrap();
                assert!(!ring.needs_enter(), "entering has done what was put off");
            }
        });
    }
}

#[test]
fn a_bound_ring_lets_no_other_thread_enter() {
    let ring = one_thread_ring(true);
    if !ring.features().defer_taskrun {
        return;
    }
    let elsewhere = thread::scope(|scope| scope.spawn(|| ring.submit()).join().unwrap());
    assert_eq!(elsewhere.unwrap_err().raw_os_error(), Some(libc::EEXIST));
    push(&ring, Sqe::nop());
    ring.submit().unwrap();
    assert_eq!(reap_exactly(&ring, 1)[0].result, 0);
}
