//! Every operation with good arguments, checked against what the standard library sees.

use std::ffi::CString;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use aura::BufferRef;

use crate::common::{contents, file_with, outcome, pattern, scratch, small_engine};

#[test]
fn reads_see_the_file_and_end_where_it_ends() {
    let engine = small_engine();
    let data = pattern(1, 10_000);
    let file = file_with(&data);
    let fd = file.as_raw_fd();
    let buffer = engine.allocate_buffer(8192).unwrap();
    for (offset, expected) in [(0, 8192), (1, 8192), (9_000, 1_000), (9_999, 1), (10_000, 0)] {
        // SAFETY: the buffer lives until the end of the test.
        let read = outcome(&engine, |done| unsafe {
            engine.read(fd, (&buffer).into(), 8192, offset, done)
        });
        assert_eq!(read, Ok(expected));
        let offset = offset as usize;
        assert_eq!(buffer.as_slice()[..expected], data[offset..offset + expected]);
    }
    // SAFETY: nothing is touched; a length of 0 names no memory.
    let empty = outcome(&engine, |done| unsafe {
        engine.read(fd, BufferRef::from_ptr(std::ptr::null_mut()), 0, 0, done)
    });
    assert_eq!(empty, Ok(0));
}

#[test]
fn writes_reach_the_file() {
    let engine = small_engine();
    let file = file_with(&[0; 100]);
    let data = pattern(2, 5_000);
    let mut expected = vec![0; 100];
    // SAFETY: the data lives until the end of the test.
    let from_slice = unsafe { BufferRef::from_slice(&data) };
    for offset in [50usize, 7_000, 0] {
        // SAFETY: as above.
        let written = outcome(&engine, |done| unsafe {
            engine.write(file.as_raw_fd(), from_slice, 5_000, offset as i64, done)
        });
        assert_eq!(written, Ok(5_000));
        expected.resize(expected.len().max(offset + 5_000), 0);
        expected[offset..offset + 5_000].copy_from_slice(&data);
        assert!(contents(&file) == expected, "after the write at {offset}");
    }
}

#[test]
fn vectored_operations_gather_and_scatter() {
    let engine = small_engine();
    let file = file_with(b"");
    let fd = file.as_raw_fd();
    let parts: Vec<Vec<u8>> = (1..=1024u64).map(|n| pattern(n, (n as usize * 37) % 300)).collect();
    let iov: Vec<aura::iovec> = parts
        .iter()
        .map(|part| aura::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() })
        .collect();
    let all = parts.concat();
    // SAFETY: parts and array live until the end of the test.
    let written = outcome(&engine, |done| unsafe { engine.writev(fd, &iov, 11, done) });
    assert_eq!(written, Ok(all.len()));
    assert!(contents(&file)[11..] == all);
    let mut back: Vec<Vec<u8>> = parts.iter().map(|part| vec![0; part.len()]).collect();
    let iov: Vec<aura::iovec> = back
        .iter_mut()
        .map(|part| aura::iovec { iov_base: part.as_mut_ptr().cast(), iov_len: part.len() })
        .collect();
    // SAFETY: as above.
    let read = outcome(&engine, |done| unsafe { engine.readv(fd, &iov, 11, done) });
    assert_eq!(read, Ok(all.len()));
    assert!(back == parts);
}

#[test]
fn syncs_succeed() {
    let engine = small_engine();
    let file = file_with(&[1; 100_000]);
    let fd = file.as_raw_fd();
    assert_eq!(outcome(&engine, |done| engine.fsync(fd, done)), Ok(0));
    assert_eq!(outcome(&engine, |done| engine.fdatasync(fd, done)), Ok(0));
    let flags = libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    for (offset, len) in [(0, 0), (4096, 8192), (0, i64::from(u32::MAX))] {
        let range = |done| engine.sync_file_range(fd, offset, len, flags, done);
        assert_eq!(outcome(&engine, range), Ok(0));
    }
}

#[test]
fn files_are_opened_and_closed() {
    let engine = small_engine();
    let directory = tempfile::tempdir_in(scratch()).unwrap();
    let path = CString::new(directory.path().join("new").as_os_str().as_bytes()).unwrap();
    let flags = libc::O_CREAT | libc::O_RDWR | libc::O_CLOEXEC;
    let opened =
        outcome(&engine, |done| engine.openat(libc::AT_FDCWD, &path, flags, 0o640, done)).unwrap();
    // SAFETY: the descriptor is new and ours.
    let mut file = unsafe { std::fs::File::from_raw_fd(opened as i32) };
    file.write_all(b"hello").unwrap();
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o640);
    let relative = std::fs::File::open(directory.path()).unwrap();
    let dirfd = relative.as_raw_fd();
    let again =
        outcome(&engine, |done| engine.openat(dirfd, c"new", libc::O_RDONLY, 0, done)).unwrap();
    assert_eq!(std::fs::read(format!("/proc/self/fd/{again}")).unwrap(), b"hello");
    assert_eq!(outcome(&engine, |done| engine.close(again as i32, done)), Ok(0));
    assert_eq!(outcome(&engine, |done| engine.close(file.into_raw_fd(), done)), Ok(0));
}

/// The path may be gone as soon as the call has returned.
#[test]
fn paths_are_copied() {
    let engine = small_engine();
    let directory = tempfile::tempdir_in(scratch()).unwrap();
    std::fs::write(directory.path().join("there"), b"12345").unwrap();
    let path = CString::new(directory.path().join("there").as_os_str().as_bytes()).unwrap();
    // SAFETY: a statx of zeros is valid; it lives until the operation has completed.
    let mut status: aura::statx = unsafe { std::mem::zeroed() };
    let into = &raw mut status;
    let outcomes = crate::common::Outcomes::default();
    let mask = libc::STATX_SIZE;
    // SAFETY: as above.
    unsafe { engine.statx(libc::AT_FDCWD, &path, 0, mask, into, outcomes.hear()) }.unwrap();
    let opened = crate::common::Outcomes::default();
    engine.openat(libc::AT_FDCWD, &path, libc::O_RDONLY, 0, opened.hear()).unwrap();
    let mut bytes = path.into_bytes_with_nul();
    bytes.fill(b'x');
    drop(bytes);
    engine.drain(-1).unwrap();
    assert_eq!((outcomes.all(), status.stx_size), (vec![Ok(0)], 5));
    let fd = opened.all()[0].expect("opened");
    assert_eq!(outcome(&engine, |done| engine.close(fd as i32, done)), Ok(0));
}

#[test]
fn statx_says_what_the_standard_library_says() {
    let engine = small_engine();
    let file = file_with(&[0; 12_345]);
    // SAFETY: a statx of zeros is valid; it lives until the operation has completed.
    let mut status: aura::statx = unsafe { std::mem::zeroed() };
    let into = &raw mut status;
    // SAFETY: as above.
    let asked = outcome(&engine, |done| unsafe {
        let (flags, mask) = (libc::AT_EMPTY_PATH, libc::STATX_BASIC_STATS);
        engine.statx(file.as_raw_fd(), c"", flags, mask, into, done)
    });
    let metadata = file.metadata().unwrap();
    assert_eq!(asked, Ok(0));
    assert_eq!((status.stx_size, status.stx_ino), (metadata.len(), metadata.ino()));
    assert_eq!(u32::from(status.stx_mode), metadata.mode());
}

#[test]
fn files_change_their_size_and_their_space() {
    let engine = small_engine();
    let file = file_with(&[5; 20_000]);
    let fd = file.as_raw_fd();
    let len = || file.metadata().unwrap().len();
    assert_eq!(outcome(&engine, |done| engine.fallocate(fd, 0, 0, 50_000, done)), Ok(0));
    assert_eq!(len(), 50_000);
    let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    assert_eq!(outcome(&engine, |done| engine.fallocate(fd, punch, 4096, 4096, done)), Ok(0));
    let now = contents(&file);
    assert!(now[..4096].iter().all(|byte| *byte == 5));
    assert!(now[4096..8192].iter().all(|byte| *byte == 0));
    for size in [3, 70_000, 0] {
        assert_eq!(outcome(&engine, |done| engine.ftruncate(fd, size, done)), Ok(0));
        assert_eq!(len(), size as u64);
    }
}

#[test]
fn a_no_op_comes_back() {
    let engine = small_engine();
    assert_eq!(outcome(&engine, |done| engine.nop(done)), Ok(0));
}

#[test]
fn buffers_are_aligned_as_asked_and_outlive_their_engine() {
    use aura::{Engine, Error, Options};
    for alignment in [512, 4096, 65_536] {
        let options = Options::new().ring_count(1).buffer_alignment(alignment);
        let engine = Engine::with_options(&options).unwrap();
        let mut buffers: Vec<_> =
            [1, 4095, 4096, 1 << 20].map(|len| engine.allocate_buffer(len).unwrap()).into();
        for refused in [0, usize::MAX, (128 << 20) + 1] {
            let error = engine.allocate_buffer(refused).unwrap_err();
            assert!(matches!(error, Error::BufferAlloc(_)), "{error}");
            assert_eq!(error.errno(), libc::EINVAL, "{refused} bytes: {error}");
        }
        drop(engine);
        for buffer in &mut buffers {
            assert_eq!(buffer.as_ptr().addr() % alignment, 0);
            assert!(!buffer.is_empty());
            buffer.as_mut().fill(0x5a);
            assert!(buffer.as_ref().iter().all(|byte| *byte == 0x5a));
        }
        std::thread::spawn(move || drop(buffers)).join().unwrap();
    }
}
