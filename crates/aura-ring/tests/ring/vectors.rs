//! Vectored reads and writes, chains of operations, operations rebuilt from their parts.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use aura_ring::{Sqe, Target};

use crate::support::{pattern, push, reap, reap_exactly, result_of, ring, run, scratch, target};

fn iovec(bytes: &mut [u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() }
}

#[test]
fn readv_fills_one_buffer_after_the_other() {
    let (ring, bytes) = (ring(8), pattern(3000));
    let file = scratch(&bytes);
    let (mut a, mut b, mut c) = ([0u8; 7], [0u8; 1000], [0u8; 500]);
    let iov = [iovec(&mut a), iovec(&mut b), iovec(&mut c)];
    assert_eq!(run(&ring, Sqe::readv(target(&file), iov.as_ptr(), 3, 1600)), 1400);
    assert_eq!((&a[..], &b[..]), (&bytes[1600..1607], &bytes[1607..2607]));
    assert_eq!(c[..393], bytes[2607..]);
    assert_eq!(c[393..], [0; 107]);
}

#[test]
fn writev_gathers_one_buffer_after_the_other() {
    let (ring, mut bytes) = (ring(8), pattern(3000));
    let file = scratch(b"");
    let (head, tail) = bytes.split_at_mut(11);
    let iov = [iovec(tail), iovec(head)];
    assert_eq!(run(&ring, Sqe::writev(target(&file), iov.as_ptr(), 2, 50)), 3000);
    let mut all = vec![0u8; 3050];
    file.read_exact_at(&mut all, 0).unwrap();
    assert_eq!(all[..50], [0; 50]);
    assert_eq!((&all[50..50 + 2989], &all[50 + 2989..]), (&bytes[11..], &bytes[..11]));
}

#[test]
fn a_linked_operation_runs_after_the_one_before() {
    let (ring, bytes) = (ring(8), pattern(4096));
    let file = scratch(b"");
    for round in 0..100_u64 {
        let mut back = vec![0u8; 4096];
        let at = round * 4096;
        // In a worker, so that without the link the read would likely find nothing.
        let write = Sqe::write(target(&file), bytes.as_ptr(), 4096, at).forced_async();
        push(&ring, write.linked().user_data(1));
        push(&ring, Sqe::read(target(&file), back.as_mut_ptr(), 4096, at).user_data(2));
        let cqes = reap_exactly(&ring, 2);
        assert_eq!((result_of(&cqes, 1), result_of(&cqes, 2)), (4096, 4096));
        assert_eq!(back, bytes);
    }
}

#[test]
fn a_failed_operation_cancels_those_linked_behind_it() {
    let ring = ring(8);
    let mut buf = [0u8; 8];
    push(&ring, Sqe::read(Target::Fd(-1), buf.as_mut_ptr(), 8, 0).linked().user_data(1));
    push(&ring, Sqe::nop().linked().user_data(2));
    push(&ring, Sqe::nop().user_data(3));
    push(&ring, Sqe::nop().user_data(4));
    let cqes = reap_exactly(&ring, 4);
    let results = [1, 2, 3, 4].map(|label| result_of(&cqes, label));
    assert_eq!(results, [-libc::EBADF, -libc::ECANCELED, -libc::ECANCELED, 0]);
}

#[test]
fn a_poll_completes_once_when_the_descriptor_gets_readable() {
    let (ring, (reader, mut writer)) = (ring(8), std::io::pipe().unwrap());
    push(&ring, Sqe::poll_readable(reader.as_raw_fd()));
    ring.submit().unwrap();
    assert!(reap(&ring).is_empty(), "an empty pipe is not readable");
    writer.write_all(b"x").unwrap();
    let events = reap_exactly(&ring, 1)[0].result;
    assert_eq!(events & i32::from(libc::POLLIN), i32::from(libc::POLLIN), "{events}");
    writer.write_all(b"y").unwrap();
    assert!(reap(&ring).is_empty() && ring.in_flight() == 0, "once is once");
}

#[test]
fn an_operation_rebuilt_from_its_parts_does_the_same_without_the_link() {
    let (ring, bytes) = (ring(8), pattern(512));
    let (file, mut buf) = (scratch(&bytes), [0u8; 100]);
    let first = Sqe::read(target(&file), buf.as_mut_ptr(), 100, 300).linked().user_data(7);
    let again = Sqe::from(first.parts());
    // Beyond the end, so that what is linked behind it would be cancelled.
    let short = Sqe::from(Sqe::read(target(&file), buf.as_mut_ptr(), 100, 500).linked().parts());
    push(&ring, short.user_data(1));
    push(&ring, Sqe::nop().user_data(2));
    let cqes = reap_exactly(&ring, 2);
    assert_eq!((result_of(&cqes, 1), result_of(&cqes, 2)), (12, 0));
    assert_eq!(run(&ring, again), 100);
    assert_eq!(buf, bytes[300..400]);
}
