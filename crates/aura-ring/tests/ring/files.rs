//! Operations on files and paths, one by one, checked through `std`.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};

use aura_ring::{Opcode, Sqe};

use crate::support::{pattern, push, reap_exactly, ring, run, scratch, scratch_dir, skip, target};

fn contents(file: &mut File) -> Vec<u8> {
    let mut all = Vec::new();
    file.seek(SeekFrom::Start(0)).expect("a seekable file");
    file.read_to_end(&mut all).expect("a readable file");
    all
}

#[test]
fn read_fetches_the_bytes_at_the_offset() {
    let (ring, bytes) = (ring(8), pattern(10_000));
    let file = scratch(&bytes);
    let mut buf = [0u8; 512];
    assert_eq!(run(&ring, Sqe::read(target(&file), buf.as_mut_ptr(), 512, 777)), 512);
    assert_eq!(buf, bytes[777..777 + 512]);
}

#[test]
fn read_stops_at_the_end_of_the_file() {
    let (ring, bytes) = (ring(8), pattern(1000));
    let file = scratch(&bytes);
    let mut buf = [0xEE_u8; 512];
    assert_eq!(run(&ring, Sqe::read(target(&file), buf.as_mut_ptr(), 512, 900)), 100);
    assert_eq!(buf[..100], bytes[900..]);
    assert!(buf[100..].iter().all(|&b| b == 0xEE), "bytes beyond the result were touched");
    assert_eq!(run(&ring, Sqe::read(target(&file), buf.as_mut_ptr(), 512, 1000)), 0);
}

#[test]
fn read_at_the_largest_offset_uses_the_position_of_the_file() {
    let (ring, bytes) = (ring(8), pattern(1000));
    let mut file = scratch(&bytes);
    file.seek(SeekFrom::Start(300)).unwrap();
    let mut buf = [0u8; 100];
    assert_eq!(run(&ring, Sqe::read(target(&file), buf.as_mut_ptr(), 100, u64::MAX)), 100);
    assert_eq!(buf, bytes[300..400]);
    assert_eq!(file.stream_position().unwrap(), 400);
}

#[test]
fn write_stores_the_bytes_at_the_offset() {
    let (ring, bytes) = (ring(8), pattern(4096));
    let mut file = scratch(&[0x55; 1000]);
    assert_eq!(run(&ring, Sqe::write(target(&file), bytes.as_ptr(), 4096, 500)), 4096);
    let all = contents(&mut file);
    assert_eq!(all.len(), 4596);
    assert_eq!((&all[..500], &all[500..]), (&[0x55; 500][..], &bytes[..]));
}

#[test]
fn forced_async_reads_and_writes_do_the_same() {
    let (ring, bytes) = (ring(8), pattern(4096));
    let mut file = scratch(b"");
    let write = Sqe::write(target(&file), bytes.as_ptr(), 4096, 10).forced_async();
    assert_eq!(run(&ring, write), 4096);
    assert_eq!(contents(&mut file)[10..], bytes);
    let mut buf = [0u8; 4096];
    let read = Sqe::read(target(&file), buf.as_mut_ptr(), 4096, 10).forced_async();
    assert_eq!(run(&ring, read), 4096);
    assert_eq!(buf[..], bytes);
}

#[test]
fn syncs_succeed_and_keep_the_bytes() {
    let (ring, bytes) = (ring(8), pattern(100_000));
    let mut file = scratch(&bytes);
    let flags = libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    assert_eq!(run(&ring, Sqe::sync_file_range(target(&file), 4096, 8192, flags)), 0);
    assert_eq!(run(&ring, Sqe::sync_file_range(target(&file), 0, 0, flags)), 0);
    assert_eq!(run(&ring, Sqe::fdatasync(target(&file))), 0);
    assert_eq!(run(&ring, Sqe::fsync(target(&file))), 0);
    assert_eq!(contents(&mut file), bytes);
}

#[test]
fn syncs_reach_the_kernel_with_their_flags() {
    let (ring, (reader, _writer)) = (ring(8), std::io::pipe().unwrap());
    let file = scratch(b"x");
    // Only the right fields being read tells these apart from a no-op.
    assert_eq!(run(&ring, Sqe::fsync(target(&reader))), -libc::EINVAL);
    assert_eq!(run(&ring, Sqe::fdatasync(target(&reader))), -libc::EINVAL);
    assert_eq!(run(&ring, Sqe::sync_file_range(target(&reader), 0, 0, 0)), -libc::ESPIPE);
    assert_eq!(run(&ring, Sqe::sync_file_range(target(&file), 0, 0, 1 << 20)), -libc::EINVAL);
}

#[test]
fn fallocate_extends_the_file() {
    let ring = ring(8);
    let file = scratch(b"abc");
    match run(&ring, Sqe::fallocate(target(&file), 0, 0, 65_536)) {
        0 => {}
        error if error == -libc::EOPNOTSUPP => return skip("fallocate", &"not on this disk"),
        error => panic!("{error}"),
    }
    let meta = file.metadata().unwrap();
    assert_eq!(meta.len(), 65_536);
    assert!(meta.blocks() >= 65_536 / 512, "{} blocks", meta.blocks());
}

#[test]
fn fallocate_can_keep_the_size_and_punch_holes() {
    const KIB_64: usize = 65_536;
    let (ring, bytes) = (ring(8), pattern(KIB_64));
    let mut file = scratch(&bytes);
    file.sync_all().unwrap(); // Blocks are counted when they are allocated, not when written.
    let before = file.metadata().unwrap().blocks();
    let mode = libc::FALLOC_FL_KEEP_SIZE;
    match run(&ring, Sqe::fallocate(target(&file), mode, KIB_64 as u64, 1 << 20)) {
        0 => {}
        error if error == -libc::EOPNOTSUPP => return skip("fallocate", &"not on this disk"),
        error => panic!("{error}"),
    }
    let grown = file.metadata().unwrap();
    assert_eq!(grown.len(), KIB_64 as u64);
    assert!(grown.blocks() >= before + (1 << 20) / 512, "{before} {}", grown.blocks());

    let mode = libc::FALLOC_FL_KEEP_SIZE | libc::FALLOC_FL_PUNCH_HOLE;
    assert_eq!(run(&ring, Sqe::fallocate(target(&file), mode, 16_384, 32_768)), 0);
    let mut expected = bytes;
    expected[16_384..16_384 + 32_768].fill(0);
    assert_eq!(contents(&mut file), expected);
    assert!(file.metadata().unwrap().blocks() < grown.blocks());
}

#[test]
fn ftruncate_shortens_and_lengthens() {
    let ring = ring(8);
    if !ring.supports(Opcode::Ftruncate) {
        return skip("ftruncate", &"this kernel is older than 6.9");
    }
    let mut file = scratch(&pattern(5000));
    assert_eq!(run(&ring, Sqe::ftruncate(target(&file), 123)), 0);
    assert_eq!(contents(&mut file), pattern(123));
    assert_eq!(run(&ring, Sqe::ftruncate(target(&file), 9000)), 0);
    assert_eq!(file.metadata().unwrap().len(), 9000);
    assert_eq!(contents(&mut file)[123..], [0; 9000 - 123]);
}

#[test]
fn openat_creates_and_close_closes() {
    let (ring, dir) = (ring(8), tempfile::tempdir_in(scratch_dir()).unwrap());
    let at = File::open(dir.path()).unwrap();
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR | libc::O_CLOEXEC;
    let fd = run(&ring, Sqe::openat(at.as_raw_fd(), c"new", flags, 0o640));
    assert!(fd >= 0, "{fd}");
    // SAFETY: the descriptor was opened just now and belongs to nobody else.
    let file = unsafe { File::from_raw_fd(fd) };
    file.write_all_at(b"written by std", 0).unwrap();
    assert_eq!(fs::read(dir.path().join("new")).unwrap(), b"written by std");
    // The umask can only take bits away.
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777 & !0o640, 0);

    let again = run(&ring, Sqe::openat(at.as_raw_fd(), c"new", flags, 0o640));
    assert_eq!(again, -libc::EEXIST);
}

#[test]
fn close_gives_the_other_end_of_a_pipe_its_end_of_file() {
    let (ring, (mut reader, writer)) = (ring(8), std::io::pipe().unwrap());
    let fd = std::os::fd::IntoRawFd::into_raw_fd(writer);
    assert_eq!(run(&ring, Sqe::close(fd)), 0);
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}

#[test]
fn statx_agrees_with_std() {
    let (ring, dir) = (ring(8), tempfile::tempdir_in(scratch_dir()).unwrap());
    let path = dir.path().join("file");
    fs::write(&path, pattern(4321)).unwrap();
    let meta = fs::metadata(&path).unwrap();
    let name = CString::new(path.to_str().unwrap()).unwrap();
    let at = File::open(dir.path()).unwrap();
    let by_path = (libc::AT_FDCWD, name.as_c_str(), 0);
    let by_name = (at.as_raw_fd(), c"file", 0);
    let file = File::open(&path).unwrap();
    let by_fd = (file.as_raw_fd(), c"", libc::AT_EMPTY_PATH);
    for (dirfd, name, flags) in [by_path, by_name, by_fd] {
        let mut out = MaybeUninit::<libc::statx>::zeroed();
        let mask = libc::STATX_BASIC_STATS;
        assert_eq!(run(&ring, Sqe::statx(dirfd, name, flags, mask, out.as_mut_ptr())), 0);
        // SAFETY: plain integers, and all zero before the kernel wrote to it.
        let out = unsafe { out.assume_init() };
        assert_eq!(out.stx_mask & mask, mask);
        assert_eq!((out.stx_size, out.stx_ino), (meta.len(), meta.ino()));
        assert_eq!(u32::from(out.stx_mode), meta.mode());
        assert_eq!(out.stx_mtime.tv_sec, meta.mtime());
    }
}

#[test]
fn nop_completes_with_zero_and_its_label() {
    let ring = ring(8);
    push(&ring, Sqe::nop().user_data(u64::MAX));
    push(&ring, Sqe::nop().user_data(0));
    let cqes = reap_exactly(&ring, 2);
    assert_eq!([cqes[0].user_data, cqes[1].user_data], [u64::MAX, 0]);
    assert_eq!([cqes[0].result, cqes[1].result], [0, 0]);
}
