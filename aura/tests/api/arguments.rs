//! Arguments that make no sense: refused by the call, with the variant and number of the
//! reference; and those that only the kernel can judge: reported in the callback.

use std::os::fd::AsRawFd;
use std::ptr::null_mut;

use aura::{BufferRef, Engine, Error, Options};

use crate::common::{Outcomes, file_with, outcome, scratch, small_engine};

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    for (options, word) in [
        (Options::new().queue_depth(0), "queue_depth"),
        (Options::new().queue_depth(-5), "queue_depth"),
        (Options::new().queue_depth(i32::MAX), "queue_depth"),
        (Options::new().ring_count(-1), "ring_count"),
        (Options::new().ring_count(100_000), "ring_count"),
        (Options::new().initial_in_flight(0), "initial_in_flight"),
        (Options::new().initial_in_flight(i32::MIN), "initial_in_flight"),
        (Options::new().queue_depth(8).initial_in_flight(9), "initial_in_flight"),
        (Options::new().queue_depth(8).min_in_flight(9), "min_in_flight"),
        (Options::new().min_in_flight(-1), "min_in_flight"),
        (Options::new().initial_in_flight(2).min_in_flight(3), "in_flight"),
        (Options::new().max_p99_latency_ms(-0.1), "max_p99"),
        (Options::new().max_p99_latency_ms(f64::NAN), "max_p99"),
        (Options::new().max_p99_latency_ms(f64::NEG_INFINITY), "max_p99"),
        (Options::new().max_p99_latency_ms(f64::MAX), "max_p99"),
        (Options::new().max_p99_latency_ms(f64::MIN_POSITIVE), "max_p99"),
        (Options::new().buffer_alignment(0), "buffer_alignment"),
        (Options::new().buffer_alignment(1000), "buffer_alignment"),
        (Options::new().buffer_alignment(1 << 63), "buffer_alignment"),
        (Options::new().enable_sqpoll(true).sqpoll_idle_ms(-1), "sqpoll_idle"),
        (Options::new().enable_sqpoll(true).sqpoll_idle_ms(0), "sqpoll_idle"),
    ] {
        match Engine::with_options(&options) {
            Err(Error::InvalidArgument(text)) => assert!(text.contains(word), "{word}: {text}"),
            other => panic!("{word}: {other:?}"),
        }
    }
}

#[test]
fn unusual_settings_work() {
    for options in [
        Options::new().queue_depth(1).ring_count(1),
        Options::new().queue_depth(3).ring_count(2).min_in_flight(1).initial_in_flight(2),
        Options::new().queue_depth(5).buffer_alignment(1),
        Options::new().queue_depth(1000).ring_count(17),
        Options::new().ring_count(1).max_p99_latency_ms(0.001),
        Options::new().ring_count(1).sqpoll_idle_ms(1).enable_sqpoll(true),
        Options::new().ring_count(1).single_thread(true),
    ] {
        let engine = Engine::with_options(&options).unwrap();
        assert_eq!(outcome(&engine, |done| engine.nop(done)), Ok(0), "{options:?}");
    }
}

/// Each must be refused, and its callback dropped without being called.
#[track_caller]
fn refused(what: &str, submit: impl FnOnce(Outcomes) -> aura::Result<aura::RequestHandle>) {
    let outcomes = Outcomes::default();
    match submit(outcomes.clone()) {
        Err(error @ Error::InvalidArgument(_)) => assert_eq!(error.errno(), libc::EINVAL),
        other => panic!("{what}: {other:?}"),
    }
    assert_eq!(outcomes.count(), 0, "{what}");
}

#[test]
fn bad_transfers_are_refused() {
    let engine = small_engine();
    let file = file_with(&[0; 4096]);
    let fd = file.as_raw_fd();
    let mut memory = vec![0u8; 4096];
    // SAFETY: nothing is submitted that names the memory.
    let (good, null) =
        unsafe { (BufferRef::from_mut_slice(&mut memory), BufferRef::from_ptr(null_mut())) };
    for (what, fd, buf, len, offset) in [
        ("negative descriptor", -1, good, 1, 0),
        ("AT_FDCWD is no file", libc::AT_FDCWD, good, 1, 0),
        ("no buffer", fd, null, 1, 0),
        ("above 2 GiB", fd, good, 0x8000_0000, 0),
        ("above the kernel's maximum", fd, good, 0x7fff_f001, 0),
        ("absurd length", fd, good, usize::MAX, 0),
        ("offset -1 would mean the file position", fd, good, 1, -1),
        ("negative offset", fd, good, 1, i64::MIN),
        ("negative registered index", fd, BufferRef::fixed(-1, 0), 1, 0),
        ("negative registered index", fd, BufferRef::fixed_index(i32::MIN), 1, 0),
    ] {
        // SAFETY: refused.
        refused(what, |o| unsafe { engine.read(fd, buf, len, offset, o.hear()) });
        // SAFETY: refused.
        refused(what, |o| unsafe { engine.write(fd, buf, len, offset, o.hear()) });
    }
    let iov = vec![aura::iovec { iov_base: null_mut(), iov_len: 0 }; 1025];
    for (what, fd, iov, offset) in [
        ("no parts", fd, &iov[..0], 0),
        ("too many parts", fd, &iov[..], 0),
        ("negative offset", fd, &iov[..1], -7),
        ("negative descriptor", -9, &iov[..1], 0),
    ] {
        // SAFETY: refused.
        refused(what, |o| unsafe { engine.readv(fd, iov, offset, o.hear()) });
        // SAFETY: refused.
        refused(what, |o| unsafe { engine.writev(fd, iov, offset, o.hear()) });
    }
    assert_eq!(engine.pending_count(), 0);
}

#[test]
fn bad_operations_on_files_are_refused() {
    let engine = small_engine();
    let file = file_with(&[0; 4096]);
    let fd = file.as_raw_fd();
    refused("fsync", |o| engine.fsync(-1, o.hear()));
    refused("fdatasync", |o| engine.fdatasync(-1, o.hear()));
    refused("close", |o| engine.close(-1, o.hear()));
    refused("openat", |o| engine.openat(-1, c"x", 0, 0, o.hear()));
    refused("fallocate", |o| engine.fallocate(-1, 0, 0, 1, o.hear()));
    refused("fallocate mode", |o| engine.fallocate(fd, -1, 0, 1, o.hear()));
    refused("fallocate offset", |o| engine.fallocate(fd, 0, -1, 1, o.hear()));
    refused("fallocate length", |o| engine.fallocate(fd, 0, 0, 0, o.hear()));
    refused("ftruncate", |o| engine.ftruncate(-1, 0, o.hear()));
    refused("ftruncate length", |o| engine.ftruncate(fd, -1, o.hear()));
    refused("sync_file_range", |o| engine.sync_file_range(-1, 0, 0, 0, o.hear()));
    refused("sync offset", |o| engine.sync_file_range(fd, -1, 0, 0, o.hear()));
    refused("sync length", |o| engine.sync_file_range(fd, 0, -1, 0, o.hear()));
    refused("sync flags", |o| engine.sync_file_range(fd, 0, 0, 0x100, o.hear()));
    // SAFETY: refused.
    refused("statx", |o| unsafe {
        engine.statx(libc::AT_FDCWD, c"/", 0, libc::STATX_ALL, null_mut(), o.hear())
    });
}

#[test]
fn what_the_kernel_refuses_is_reported_verbatim() {
    let engine = small_engine();
    let buffer = engine.allocate_buffer(4096).unwrap();
    let memory = buffer.to_ref();
    let closed = 900_000; // Above any limit of descriptors, so nobody else's.
    let directory = std::fs::File::open(scratch()).unwrap();
    let read_only = std::fs::File::open("/proc/self/exe").unwrap();
    let read = |fd| {
        // SAFETY: the buffer lives until the operation has completed.
        outcome(&engine, |done| unsafe { engine.read(fd, memory, 4096, 0, done) })
    };
    assert_eq!(read(closed), Err(libc::EBADF));
    assert_eq!(read(directory.as_raw_fd()), Err(libc::EISDIR));
    // SAFETY: as above.
    let write =
        outcome(&engine, |done| unsafe { engine.write(read_only.as_raw_fd(), memory, 1, 0, done) });
    assert_eq!(write, Err(libc::EBADF));
    assert_eq!(outcome(&engine, |done| engine.fsync(closed, done)), Err(libc::EBADF));
    assert_eq!(outcome(&engine, |done| engine.close(closed, done)), Err(libc::EBADF));
    let missing = |done| engine.openat(libc::AT_FDCWD, c"/no/such/file", 0, 0, done);
    assert_eq!(outcome(&engine, missing), Err(libc::ENOENT));
    // SAFETY: a bad address is what this is about; the kernel checks it.
    let fault = outcome(&engine, |done| unsafe {
        let nowhere = BufferRef::from_ptr(std::ptr::without_provenance_mut(4096));
        engine.read(read_only.as_raw_fd(), nowhere, 4096, 0, done)
    });
    assert_eq!(fault, Err(libc::EFAULT), "repeated, and reported when it stays");
    assert_eq!(engine.stats().unwrap().ops_failed(), 7);
}

#[test]
fn misaligned_direct_io_is_refused_by_the_kernel() {
    let file = file_with(&[1; 8192]);
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    use std::os::unix::fs::OpenOptionsExt;
    let direct = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(path);
    let Ok(direct) = direct else {
        crate::common::skip("O_DIRECT is not possible where the target folder is");
        return;
    };
    let engine = small_engine();
    let buffer = engine.allocate_buffer(8192).unwrap();
    let read = |at: usize, len, offset| {
        // SAFETY: the buffer lives until the operation has completed, and has room.
        outcome(&engine, |done| unsafe {
            let start = BufferRef::from_ptr(buffer.as_ptr().add(at).cast_mut().cast());
            engine.read(direct.as_raw_fd(), start, len, offset, done)
        })
    };
    assert_eq!(read(0, 4096, 4096), Ok(4096));
    assert_eq!(read(0, 4096, 1), Err(libc::EINVAL));
    assert_eq!(read(0, 100, 0), Err(libc::EINVAL));
}
