//! Arguments that make no sense, or nearly none.

use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use aura::{Engine, Error, File, IoBuf, IoBufMut, OpenOptions};

use crate::common::{SOON, open_with, pattern, scratch, skip, small_engine, within};

fn errno<T>(result: aura::Result<T>) -> i32 {
    result.map(drop).expect_err("this is refused").errno()
}

#[test]
fn reads_past_the_end_give_nothing_and_the_buffer() {
    let engine = small_engine();
    let file = open_with(&engine, b"contents");
    for offset in [8, 9, 1 << 30] {
        let (bytes, buffer) = aura::block_on(&engine, file.read_at(vec![7; 5], offset)).unwrap();
        assert_eq!((bytes, &buffer[..]), (0, &[7; 5][..]));
        let buffers = [vec![7; 5], vec![8; 3]];
        let (bytes, buffers) = aura::block_on(&engine, file.readv_at(buffers, offset)).unwrap();
        assert_eq!((bytes, buffers), (0, [vec![7; 5], vec![8; 3]]));
        let error = aura::block_on(&engine, file.read_exact_at(vec![7; 5], offset)).unwrap_err();
        assert_eq!(error.transferred(), 0);
        let kind = std::io::Error::from(error).kind();
        assert_eq!(kind, std::io::ErrorKind::UnexpectedEof);
    }
    // Partly: the rest of the buffer is as it was, and a vector is not made longer than is true.
    let (bytes, buffer) = aura::block_on(&engine, file.read_at(vec![7; 5], 6)).unwrap();
    assert_eq!((bytes, &buffer[..]), (2, &b"ts\x07\x07\x07"[..]));
    let empty = Vec::with_capacity(100);
    let (bytes, buffer) = aura::block_on(&engine, file.read_at(empty, 6)).unwrap();
    assert_eq!((bytes, &buffer[..]), (2, &b"ts"[..]));
}

#[test]
fn offsets_that_no_file_has_are_refused_with_the_buffer() {
    let engine = small_engine();
    let file = open_with(&engine, b"contents");
    for offset in [u64::MAX, 1 << 63, i64::MAX as u64 + 1] {
        let error = aura::block_on(&engine, file.read_at(vec![7; 5], offset)).unwrap_err();
        assert_eq!(error.errno(), libc::EINVAL, "{offset}: {error}");
        assert_eq!(error.into_buffer().unwrap(), [7; 5]);
        let error = aura::block_on(&engine, file.write_at("text", offset)).unwrap_err();
        assert_eq!((error.errno(), error.into_buffer()), (libc::EINVAL, Some("text")));
        let error = aura::block_on(&engine, file.readv_at([vec![7; 5]], offset)).unwrap_err();
        assert_eq!((error.errno(), error.into_buffer().unwrap()), (libc::EINVAL, [vec![7; 5]]));
        for operation in [
            file.set_len(offset),
            file.allocate(offset, 1),
            file.allocate(0, offset),
            file.punch_hole(offset, 1),
            file.sync_range(offset, 1),
        ] {
            assert_eq!(errno(aura::block_on(&engine, operation)), libc::EINVAL);
        }
    }
    // The last offset there is: the kernel's to judge, and the buffer comes back.
    let last = i64::MAX as u64;
    if let Err(error) = aura::block_on(&engine, file.read_at(vec![7; 5], last)) {
        assert_eq!(error.into_buffer().unwrap(), [7; 5]);
    }
    assert!(aura::block_on(&engine, file.write_at("text", last)).is_err());
    let all = aura::block_on(&engine, file.read_to_end(Vec::new(), 0)).unwrap().1;
    assert_eq!(all, b"contents", "nothing of that reached the file");
}

#[test]
fn operations_of_zero_length_do_nothing() {
    let engine = small_engine();
    let file = open_with(&engine, b"contents");
    let none: [u8; 0] = [];
    aura::block_on(&engine, async {
        assert_eq!(file.read_at(Vec::new(), 0).await.unwrap(), (0, Vec::new()));
        assert_eq!(file.read_at(Box::<[u8]>::default(), 3).await.unwrap().0, 0);
        assert_eq!(file.write_at(Vec::new(), 0).await.unwrap(), (0, Vec::new()));
        assert_eq!(file.write_at("", 100).await.unwrap(), (0, ""));
        assert_eq!(file.read_exact_at(Vec::new(), 100).await.unwrap(), none);
        assert_eq!(file.write_all_at(Vec::new(), 100).await.unwrap(), none);
        let part = vec![7; 4].slice(2..2);
        let (bytes, part) = file.read_at(part, 0).await.unwrap();
        assert_eq!((bytes, part.into_inner()), (0, vec![7; 4]));
        let buffers = [Vec::new(), vec![0; 4], Vec::new(), vec![0; 10]];
        let (bytes, buffers) = file.readv_at(buffers, 0).await.unwrap();
        assert_eq!((bytes, &buffers[1][..], &buffers[3][..4]), (8, &b"cont"[..], &b"ents"[..]));
        assert_eq!(file.metadata().await.unwrap().len(), 8);
    });
}

#[test]
fn vectored_operations_take_up_to_1024_buffers() {
    let engine = small_engine();
    let bytes = pattern(1, 4096);
    let file = open_with(&engine, &bytes);
    let buffers = |count: usize| (0..count).map(|_| vec![0_u8; 4]).collect::<Vec<_>>();
    let (read, got) = aura::block_on(&engine, file.readv_at(buffers(1024), 0)).unwrap();
    assert_eq!(read, 4096);
    assert!(got.concat() == bytes);
    let (written, _) = aura::block_on(&engine, file.writev_at(got, 4096)).unwrap();
    assert_eq!(written, 4096);
    let error = aura::block_on(&engine, file.readv_at(buffers(1025), 0)).unwrap_err();
    assert_eq!(error.errno(), libc::EINVAL);
    assert!(error.to_string().contains("1024"), "the text names the limit: {error}");
    assert_eq!(error.into_buffer().unwrap().len(), 1025);
    let error = aura::block_on(&engine, file.writev_at(buffers(1025), 0)).unwrap_err();
    assert_eq!((error.errno(), error.into_buffer().unwrap().len()), (libc::EINVAL, 1025));
    // None at all: nothing moved, or a clear refusal; the buffers come back in any case.
    match aura::block_on(&engine, file.readv_at(buffers(0), 0)) {
        Ok((bytes, back)) => assert_eq!((bytes, back.len()), (0, 0)),
        Err(error) => {
            assert!(matches!(error.error(), Error::InvalidArgument(_)), "{error}");
            assert!(error.into_buffer().unwrap().is_empty());
        }
    }
}

#[test]
fn misaligned_direct_operations_say_what_was_wrong() {
    let engine = small_engine();
    let named = tempfile::NamedTempFile::new_in(scratch()).unwrap();
    named.as_file().set_len(1 << 20).unwrap();
    let options = OpenOptions::new().read(true).write(true).direct(true);
    let file = match aura::block_on(&engine, engine.open(named.path(), options)) {
        Ok(file) => file,
        Err(error) => return skip(&format!("no direct I/O here: {error}")),
    };
    let buffer = || engine.allocate_buffer(8192).unwrap();
    if aura::block_on(&engine, file.read_at(buffer(), 3)).is_ok() {
        return skip("this file system takes direct reads of any alignment");
    }
    for register in [false, true] {
        if register {
            file.register().unwrap();
        }
        let check = |what: &str, value: u64, error: &dyn std::fmt::Display, errno| {
            let text = error.to_string();
            assert_eq!(errno, libc::EINVAL, "{what}: {text}");
            assert!(text.contains("aligned"), "{what}: {text}");
            assert!(text.contains(&value.to_string()), "{what}, {value} given: {text}");
            assert!(["512", "4096"].iter().any(|wanted| text.contains(wanted)), "{what}: {text}");
        };
        let error = aura::block_on(&engine, file.read_at(buffer(), 1234)).unwrap_err();
        check("offset of a read", 1234, &error, error.errno());
        assert_eq!(error.into_buffer().unwrap().len(), 8192);
        let error = aura::block_on(&engine, file.write_at(buffer(), 1234)).unwrap_err();
        check("offset of a write", 1234, &error, error.errno());
        let error = aura::block_on(&engine, file.read_at(buffer().slice(..1000), 0)).unwrap_err();
        check("length", 1000, &error, error.errno());
        let odd = buffer().slice(1..4097);
        let address = odd.stable_ptr().addr();
        let error = aura::block_on(&engine, file.read_at(odd, 0)).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.errno(), libc::EINVAL, "{text}");
        assert!(text.contains(&format!("{address:#x}")), "memory at {address:#x}: {text}");
        let io = std::io::Error::from(error);
        assert_eq!(io.kind(), std::io::ErrorKind::InvalidInput);
        assert!(io.to_string().contains("aligned"), "{io}");
        // Vectored: at least the number, and the buffers.
        let error = aura::block_on(&engine, file.readv_at([vec![0; 100]], 0)).unwrap_err();
        assert_eq!(error.errno(), libc::EINVAL);
        assert_eq!(error.into_buffer().unwrap(), [vec![0; 100]]);
    }
    let (bytes, _) = aura::block_on(&engine, file.read_at(buffer(), 4096)).unwrap();
    assert_eq!(bytes, 8192, "aligned, it works");
}

#[test]
fn paths_and_options_that_make_no_sense_are_refused() {
    let engine = small_engine();
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let path = folder.path().join("file");
    let open = |path: &OsStr, options: OpenOptions| {
        aura::block_on(&engine, engine.open(path, options)).map(drop)
    };
    let read = OpenOptions::new().read(true);
    for path in [&b"a\0b"[..], b"\0", b"/tmp/\0"] {
        let error = open(OsStr::from_bytes(path), read).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(text) if text.contains("zero")), "{error}");
        let error = aura::block_on(&engine, engine.metadata(OsStr::from_bytes(path))).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
    }
    assert_eq!(errno(open(OsStr::new(""), read)), libc::ENOENT);
    assert_eq!(errno(open(OsStr::from_bytes(&[b'a'; 300]), read)), libc::ENAMETOOLONG);
    assert_eq!(errno(open(OsStr::from_bytes(&[b'/'; 5000]), read)), libc::ENAMETOOLONG);
    let new = OpenOptions::new;
    for options in [
        new(),
        new().create(true),
        new().read(true).create_new(true),
        new().read(true).truncate(true),
        new().append(true).truncate(true),
        new().custom_flags(libc::O_RDWR),
    ] {
        let error = open(path.as_os_str(), options).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{options:?}: {error}");
        assert!(!path.exists(), "{options:?}");
    }
    open(path.as_os_str(), new().write(true).create_new(true)).unwrap();
    assert_eq!(errno(open(path.as_os_str(), new().write(true).create_new(true))), libc::EEXIST);
    let file = aura::block_on(&engine, engine.open(&path, new().append(true))).unwrap();
    for part in ["one", "two"] {
        aura::block_on(&engine, file.write_at(part, 0)).unwrap();
    }
    assert_eq!(std::fs::read(&path).unwrap(), b"onetwo");
}

#[test]
fn a_file_is_closed_by_its_last_handle_only() {
    let engine = small_engine();
    let file = open_with(&engine, b"contents");
    let number = file.as_raw_fd();
    let other = file.clone();
    assert!(other.same_as(&file));
    assert_eq!(errno(aura::block_on(&engine, file.close())), libc::EBUSY);
    aura::block_on(&engine, other.read_at(vec![0; 8], 0)).expect("the other handle works");
    let third = other.clone();
    let back = other.into_std().expect_err("there is another handle");
    drop(third);
    assert_eq!(back.as_raw_fd(), number);
    aura::block_on(&engine, back.close()).unwrap();
}

#[test]
fn files_open_for_less_refuse_the_rest() {
    let engine = small_engine();
    let path = tempfile::NamedTempFile::new_in(scratch()).unwrap();
    let open = |options| aura::block_on(&engine, engine.open(path.path(), options)).unwrap();
    let (reader, writer) =
        (open(OpenOptions::new().read(true)), open(OpenOptions::new().write(true)));
    let error = aura::block_on(&engine, reader.write_at(vec![1; 3], 0)).unwrap_err();
    assert_eq!((error.errno(), error.into_buffer()), (libc::EBADF, Some(vec![1; 3])));
    let error = aura::block_on(&engine, writer.read_at(vec![1; 3], 0)).unwrap_err();
    assert_eq!((error.errno(), error.into_buffer()), (libc::EBADF, Some(vec![1; 3])));
}

/// Address space without memory behind it: more than one operation moves.
#[derive(Debug)]
struct Huge {
    base: *mut u8,
    len: usize,
    init: usize,
}

// SAFETY: the mapping belongs to the value.
unsafe impl Send for Huge {}

impl Huge {
    fn new(len: usize) -> Self {
        let (access, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
        );
        // SAFETY: a new mapping.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), len, access, flags, -1, 0) };
        assert_ne!(base, libc::MAP_FAILED);
        Self { base: base.cast(), len, init: len }
    }
}

impl Drop for Huge {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`.
        unsafe { libc::munmap(self.base.cast(), self.len) };
    }
}

// SAFETY: the mapping stays where it is, and is initialised with zeros.
unsafe impl IoBuf for Huge {
    fn stable_ptr(&self) -> *const u8 {
        self.base
    }

    fn bytes_init(&self) -> usize {
        self.init
    }

    fn bytes_total(&self) -> usize {
        self.len
    }
}

// SAFETY: as above.
unsafe impl IoBufMut for Huge {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.base
    }

    unsafe fn set_init(&mut self, _bytes: usize) {}
}

#[test]
fn buffers_beyond_the_kernels_limit_are_moved_in_part() {
    const MOST: usize = (2 << 30) - 4096;
    within(SOON * 4, "huge buffers", || {
        let engine = small_engine();
        let file = open_with(&engine, b"contents");
        let (bytes, huge) = aura::block_on(&engine, file.read_at(Huge::new(3 << 30), 0)).unwrap();
        assert_eq!(bytes, 8);
        let error = aura::block_on(&engine, file.read_exact_at(huge, 0)).unwrap_err();
        assert_eq!(error.transferred(), 8);
        let huge = error.into_buffer().unwrap();
        let five = Huge::new(5 << 30);
        let (bytes, _) = aura::block_on(&engine, file.readv_at([huge, five], 0)).unwrap();
        assert_eq!(bytes, 8);
        // This file takes everything without looking at it.
        let null = std::fs::OpenOptions::new().write(true).open("/dev/null").unwrap();
        let null = File::from_std(&engine, null);
        let (bytes, huge) = aura::block_on(&engine, null.write_at(Huge::new(5 << 30), 0)).unwrap();
        assert_eq!(bytes, MOST);
        let mut huge = aura::block_on(&engine, null.write_all_at(huge, 0)).unwrap();
        huge.init = MOST + 1;
        aura::block_on(&engine, null.write_all_at(huge, 0)).unwrap();
    });
}

#[test]
fn a_descriptor_that_is_not_open_gives_an_error_and_the_buffer() {
    let engine = small_engine();
    // A directory stands for what can be opened, but not read.
    let folder: OwnedFd = std::fs::File::open(scratch()).unwrap().into();
    let folder = File::from_fd(&engine, folder);
    let error = aura::block_on(&engine, folder.read_at(vec![3; 3], 0)).unwrap_err();
    assert_eq!((error.errno(), error.into_buffer()), (libc::EISDIR, Some(vec![3; 3])));
    // Only the path: nothing but metadata.
    let options = OpenOptions::new().read(true).custom_flags(libc::O_PATH);
    let file = aura::block_on(&engine, engine.open(scratch(), options)).unwrap();
    let error = aura::block_on(&engine, file.read_at(vec![3; 3], 0)).unwrap_err();
    assert_eq!((error.errno(), error.into_buffer()), (libc::EBADF, Some(vec![3; 3])));
    assert!(aura::block_on(&engine, file.metadata()).unwrap().is_dir());
}

/// An engine whose operations are awaited elsewhere, before and after it is gone.
#[test]
fn operations_of_an_engine_that_is_gone_give_their_buffers_back() {
    let engine: Engine = small_engine();
    let file = open_with(&engine, b"contents");
    let never_polled = file.read_at(vec![5; 5], 0);
    drop(engine);
    for read in [never_polled, file.read_at(vec![5; 5], 0)] {
        let error = futures_executor::block_on(read).unwrap_err();
        assert_eq!((error.errno(), error.into_buffer()), (libc::ESHUTDOWN, Some(vec![5; 5])));
    }
    assert_eq!(errno(futures_executor::block_on(file.sync_all())), libc::ESHUTDOWN);
    let file = file.into_std().expect("nobody else has it");
    assert_eq!(crate::common::contents(&file), b"contents");
}
