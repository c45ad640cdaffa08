//! Registered files and buffers.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use aura_ring::register::{MAX_BUFFERS, MAX_FILES};
use aura_ring::{Ring, Sqe, Target};
use rustix::process::{Resource, getrlimit};

use crate::support::{pattern, ring, run, scratch, skip, target};

fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> i32 {
    result.expect_err("a refusal").raw_os_error().expect("the kernel's own")
}

fn iovec(bytes: &mut [u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() }
}

/// Reads the first byte of the registered file.
fn first_byte(ring: &Ring, index: u32) -> Result<u8, i32> {
    let mut byte = [0u8];
    match run(ring, Sqe::read(Target::Registered(index), byte.as_mut_ptr(), 1, 0)) {
        1 => Ok(byte[0]),
        error => Err(error),
    }
}

#[test]
fn registered_files_are_named_by_index_and_have_holes() {
    let ring = ring(8);
    let (a, b) = (scratch(b"A"), scratch(b"B"));
    ring.register_files(&[a.as_raw_fd(), -1, b.as_raw_fd()]).unwrap();
    drop(b); // The ring keeps it open.
    let bytes = [0, 1, 2, 3, u32::MAX].map(|index| first_byte(&ring, index));
    let bad = Err(-libc::EBADF);
    assert_eq!(bytes, [Ok(b'A'), bad, Ok(b'B'), bad, bad]);
    assert_eq!(run(&ring, Sqe::fsync(Target::Registered(2))), 0);
}

#[test]
fn updated_places_name_the_other_file() {
    let ring = ring(8);
    let (a, b) = (scratch(b"A"), scratch(b"B"));
    ring.register_files(&[a.as_raw_fd(), a.as_raw_fd(), -1]).unwrap();
    ring.update_files(1, &[-1, b.as_raw_fd()]).unwrap();
    let bytes = [0, 1, 2].map(|index| first_byte(&ring, index));
    assert_eq!(bytes, [Ok(b'A'), Err(-libc::EBADF), Ok(b'B')]);
    ring.update_files(0, &[b.as_raw_fd()]).unwrap();
    assert_eq!(first_byte(&ring, 0), Ok(b'B'));
}

#[test]
fn file_tables_refuse_as_documented() {
    let ring = ring(8);
    let file = scratch(b"A");
    let fd = file.as_raw_fd();
    assert_eq!(errno(ring.update_files(0, &[fd])), libc::ENXIO);
    assert_eq!(errno(ring.unregister_files()), libc::ENXIO);
    assert_eq!(errno(ring.register_files(&[fd, i32::MAX])), libc::EBADF);
    assert_eq!(errno(ring.register_files(&vec![-1; 1 << 21])), libc::EMFILE);

    ring.register_files(&[-1, -1]).unwrap();
    assert_eq!(errno(ring.register_files(&[fd])), libc::EBUSY);
    assert_eq!(errno(ring.update_files(2, &[fd])), libc::EINVAL);
    assert_eq!(errno(ring.update_files(1, &[fd, fd])), libc::EINVAL);
    assert_eq!(errno(ring.update_files(0, &[fd, i32::MAX])), libc::EBADF);
    assert_eq!(first_byte(&ring, 0), Ok(b'A'), "the place before the bad one is replaced");

    ring.unregister_files().unwrap();
    assert_eq!(first_byte(&ring, 0), Err(-libc::EBADF));
    ring.register_files(&[fd]).unwrap();
}

#[test]
fn the_largest_file_table_is_usable() {
    let ring = ring(8);
    let file = scratch(b"Z");
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let places = limit.min(MAX_FILES.into()) as usize;
    let mut fds = vec![-1; places];
    fds[places - 1] = file.as_raw_fd();
    ring.register_files(&fds).unwrap();
    assert_eq!(first_byte(&ring, places as u32 - 1), Ok(b'Z'));
    assert_eq!(first_byte(&ring, places as u32), Err(-libc::EBADF));
}

/// A ring with an empty table of two buffers.
fn ring_with_table(test: &str) -> Option<Ring> {
    let ring = ring(8);
    match ring.register_buffer_table(2) {
        Ok(()) => Some(ring),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            skip(test, &"no sparse tables before Linux 5.19");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Puts a buffer into the table. Every test here leaves its buffers alone until the ring is gone.
fn update(ring: &Ring, first: u32, buffers: &[libc::iovec]) -> io::Result<()> {
    // SAFETY: the buffers are locals of the tests, and every operation on them is reaped.
    unsafe { ring.update_buffers(first, buffers) }
}

#[test]
fn fixed_reads_and_writes_use_the_buffer_in_the_table() {
    let Some(ring) = ring_with_table("fixed reads and writes") else { return };
    let (mut bytes, mut room) = (pattern(8192), vec![0u8; 8192]);
    let file = scratch(b"");
    update(&ring, 0, &[iovec(&mut bytes), iovec(&mut room)]).unwrap();
    let write = Sqe::write_fixed(target(&file), bytes[100..].as_ptr(), 5000, 7, 0);
    assert_eq!(run(&ring, write), 5000);
    let mut stored = vec![0u8; 5000];
    file.read_exact_at(&mut stored, 7).unwrap();
    assert_eq!(stored, bytes[100..5100]);

    let read = Sqe::read_fixed(target(&file), room[50..].as_mut_ptr(), 4000, 7, 1);
    assert_eq!(run(&ring, read), 4000);
    assert_eq!(room[50..4050], bytes[100..4100]);
    assert!(room[..50].iter().chain(&room[4050..]).all(|&b| b == 0));
}

#[test]
fn fixed_operations_outside_their_buffer_are_efault() {
    let Some(ring) = ring_with_table("fixed operations outside") else { return };
    let (mut one, mut other) = (vec![0u8; 4096], vec![0u8; 4096]);
    let file = scratch(&pattern(4096));
    update(&ring, 0, &[iovec(&mut one)]).unwrap();
    let (inside, end) = (one.as_mut_ptr(), one[4000..].as_mut_ptr());
    let read =
        |pointer, len, index| run(&ring, Sqe::read_fixed(target(&file), pointer, len, 0, index));
    assert_eq!(read(inside, 4096, 0), 4096);
    assert_eq!(read(end, 97, 0), -libc::EFAULT, "beyond its end");
    assert_eq!(read(other.as_mut_ptr(), 1, 0), -libc::EFAULT, "another buffer");
    assert_eq!(read(inside, 1, 1), -libc::EFAULT, "an empty place");
    assert_eq!(read(inside, 1, 2), -libc::EFAULT, "beyond the table");
    assert!(other.iter().all(|&b| b == 0));
}

#[test]
fn cleared_places_are_empty_and_can_be_filled_again() {
    let Some(ring) = ring_with_table("cleared places") else { return };
    let (mut one, mut other) = (vec![0u8; 4096], vec![0u8; 4096]);
    let (first, second) = (one.as_mut_ptr(), other.as_mut_ptr());
    let file = scratch(&pattern(4096));
    let read = |pointer, index| run(&ring, Sqe::read_fixed(target(&file), pointer, 4096, 0, index));
    update(&ring, 0, &[iovec(&mut one), iovec(&mut one)]).unwrap();
    ring.clear_buffers(1, 1).unwrap();
    assert_eq!((read(first, 0), read(first, 1)), (4096, -libc::EFAULT));
    update(&ring, 1, &[iovec(&mut other)]).unwrap();
    assert_eq!((read(first, 1), read(second, 1)), (-libc::EFAULT, 4096));
    ring.clear_buffers(0, 2).unwrap();
    assert_eq!((read(first, 0), read(second, 1)), (-libc::EFAULT, -libc::EFAULT));
    ring.unregister_buffers().unwrap();
    ring.register_buffer_table(1).unwrap();
}

#[test]
fn buffer_tables_refuse_as_documented() {
    let plain = ring(8);
    let mut bytes = vec![0u8; 4096];
    let good = iovec(&mut bytes);
    assert_eq!(errno(update(&plain, 0, &[good])), libc::ENXIO);
    assert_eq!(errno(plain.clear_buffers(0, 1)), libc::ENXIO);
    assert_eq!(errno(plain.unregister_buffers()), libc::ENXIO);
    assert_eq!(errno(plain.register_buffer_table(MAX_BUFFERS + 1)), libc::EINVAL);

    let Some(ring) = ring_with_table("buffer tables refuse") else { return };
    assert_eq!(errno(ring.register_buffer_table(2)), libc::EBUSY);
    assert_eq!(errno(update(&ring, 2, &[good])), libc::EINVAL);
    assert_eq!(errno(update(&ring, 1, &[good, good])), libc::EINVAL);
    assert_eq!(errno(ring.clear_buffers(1, 2)), libc::EINVAL);
    assert_eq!(errno(ring.clear_buffers(0, u32::MAX)), libc::EINVAL);
    let unmapped = libc::iovec {
        iov_base: std::ptr::without_provenance_mut(4096), // Below `vm.mmap_min_addr`.
        iov_len: 4096,
    };
    assert_eq!(errno(update(&ring, 0, &[unmapped])), libc::EFAULT);
}

#[test]
fn a_bad_buffer_behind_a_good_one_is_reported() {
    let Some(ring) = ring_with_table("a bad buffer behind a good one") else { return };
    let mut bytes = vec![0u8; 4096];
    let pointer = bytes.as_mut_ptr();
    let unmapped = libc::iovec { iov_base: std::ptr::without_provenance_mut(4096), iov_len: 4096 };
    assert_eq!(errno(update(&ring, 0, &[iovec(&mut bytes), unmapped])), libc::EFAULT);
    let file = scratch(&pattern(4096));
    let read = run(&ring, Sqe::read_fixed(target(&file), pointer, 4096, 0, 0));
    assert_eq!(read, 4096, "the place before the bad one is filled");
}

#[test]
fn the_largest_buffer_table_is_usable() {
    let ring = ring(8);
    match ring.register_buffer_table(MAX_BUFFERS) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            return skip("largest buffer table", &"no sparse tables before Linux 5.19");
        }
        done => done.unwrap(),
    }
    let mut bytes = vec![0u8; 4096];
    update(&ring, MAX_BUFFERS - 1, &[iovec(&mut bytes)]).unwrap();
    let file = scratch(&pattern(4096));
    let last = (MAX_BUFFERS - 1) as u16;
    let read = Sqe::read_fixed(target(&file), bytes.as_mut_ptr(), 4096, 0, last);
    assert_eq!(run(&ring, read), 4096);
    assert_eq!(bytes, pattern(4096));
}
