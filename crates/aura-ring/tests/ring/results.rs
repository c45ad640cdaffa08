//! Failures and cancellations come back in the completion, as the negative of `errno`.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;

use aura_ring::{Opcode, Parts, Ring, RingConfig, Sqe, Target};

use crate::support::{
    pattern, push, reap, reap_exactly, result_of, ring, run, scratch, scratch_dir, skip, target,
};

#[test]
fn a_bad_descriptor_is_ebadf() {
    let ring = ring(8);
    let mut buf = [0u8; 8];
    let pointer = buf.as_mut_ptr();
    for fd in [-1, i32::MAX, i32::MIN] {
        let bad = Target::Fd(fd);
        assert_eq!(run(&ring, Sqe::read(bad, pointer, 8, 0)), -libc::EBADF, "{fd}");
        assert_eq!(run(&ring, Sqe::write(bad, pointer, 8, 0)), -libc::EBADF, "{fd}");
        assert_eq!(run(&ring, Sqe::fsync(bad)), -libc::EBADF, "{fd}");
        assert_eq!(run(&ring, Sqe::close(fd)), -libc::EBADF, "{fd}");
    }
    let read_only = File::open("/proc/self/exe").unwrap();
    let write = Sqe::write(target(&read_only), pointer, 8, 0);
    assert_eq!(run(&ring, write), -libc::EBADF);
}

#[test]
fn a_bad_address_is_efault() {
    let ring = ring(8);
    let file = scratch(&pattern(4096));
    let nowhere = std::ptr::without_provenance_mut::<u8>(8); // The first page is never mapped.
    assert_eq!(run(&ring, Sqe::read(target(&file), nowhere, 100, 0)), -libc::EFAULT);
    assert_eq!(run(&ring, Sqe::write(target(&file), nowhere, 100, 0)), -libc::EFAULT);
    assert_eq!(run(&ring, Sqe::readv(target(&file), nowhere.cast(), 1, 0)), -libc::EFAULT);
    let (dirfd, path) = (libc::AT_FDCWD, c"/");
    let mask = libc::STATX_SIZE;
    let statx = Sqe::statx(dirfd, path, 0, mask, nowhere.cast());
    assert_eq!(run(&ring, statx), -libc::EFAULT);
}

#[test]
fn a_missing_path_is_enoent() {
    let ring = ring(8);
    let dir = File::open(scratch_dir()).unwrap();
    let open = Sqe::openat(dir.as_raw_fd(), c"no such file", libc::O_RDONLY, 0);
    assert_eq!(run(&ring, open), -libc::ENOENT);
}

#[test]
fn a_bad_entry_does_not_hold_up_the_ones_behind_it() {
    let one_thread = RingConfig { one_thread: true, ..RingConfig::default() };
    if !Ring::new(&one_thread).unwrap().features().coop_taskrun {
        return skip("submit all", &"this kernel is older than 5.19 (5.18 would do)");
    }
    let ring = ring(8);
    push(&ring, Sqe::nop().user_data(1));
    push(&ring, Sqe::from(Parts { opcode: 250, ..Parts::default() }).user_data(2));
    push(&ring, Sqe::nop().user_data(3));
    assert_eq!(ring.submit().unwrap(), 3);
    let cqes = reap_exactly(&ring, 3);
    let results = [1, 2, 3].map(|label| result_of(&cqes, label));
    assert_eq!(results, [0, -libc::EINVAL, 0]);
}

#[test]
fn a_cancelled_pipe_read_ends_with_ecanceled_and_the_cancel_with_zero() {
    let (ring, (reader, mut writer)) = (ring(8), std::io::pipe().unwrap());
    let mut buf = [0u8; 16];
    push(&ring, Sqe::read(target(&reader), buf.as_mut_ptr(), 16, u64::MAX).user_data(1));
    assert_eq!(ring.submit().unwrap(), 1);
    assert!(reap(&ring).is_empty(), "an empty pipe has nothing to read");
    push(&ring, Sqe::cancel(1).user_data(2));
    let cqes = reap_exactly(&ring, 2);
    assert_eq!((result_of(&cqes, 1), result_of(&cqes, 2)), (-libc::ECANCELED, 0));
    // The read is gone: what is written later is there for others.
    writer.write_all(b"later").unwrap();
    let read = Sqe::read(target(&reader), buf.as_mut_ptr(), 16, u64::MAX);
    assert_eq!((run(&ring, read), &buf[..5]), (5, &b"later"[..]));
}

#[test]
fn cancelling_what_is_not_there_is_enoent() {
    let ring = ring(8);
    assert_eq!(run(&ring, Sqe::cancel(12_345)), -libc::ENOENT);
    assert_eq!(run(&ring, Sqe::nop()), 0);
    assert_eq!(run(&ring, Sqe::cancel(0xA11)), -libc::ENOENT, "it has completed");
}

#[test]
fn cancelling_picks_the_operation_with_that_label() {
    let (ring, (reader, mut writer)) = (ring(8), std::io::pipe().unwrap());
    let mut bufs = [[0u8; 4]; 3];
    for (label, buf) in (10..).zip(&mut bufs) {
        let read = Sqe::read(target(&reader), buf.as_mut_ptr(), 4, u64::MAX);
        push(&ring, read.user_data(label));
    }
    push(&ring, Sqe::cancel(11).user_data(1));
    let cqes = reap_exactly(&ring, 2);
    assert_eq!((result_of(&cqes, 1), result_of(&cqes, 11)), (0, -libc::ECANCELED));
    writer.write_all(b"onetwo..").unwrap();
    let cqes = reap_exactly(&ring, 2);
    assert_eq!((result_of(&cqes, 10), result_of(&cqes, 12)), (4, 4));
}

#[test]
fn unsupported_opcodes_are_the_ones_the_kernel_refuses() {
    let (ring, file) = (ring(8), scratch(b"x"));
    // Every kernel that has io_uring has these.
    for op in [Opcode::Nop, Opcode::Readv, Opcode::Writev, Opcode::Fsync, Opcode::ReadFixed] {
        assert!(ring.supports(op), "{op:?}");
    }
    let known = run(&ring, Sqe::ftruncate(target(&file), 1)) != -libc::EINVAL;
    assert_eq!(ring.supports(Opcode::Ftruncate), known);
}
