//! Registered buffers and files: their life cycle, and every way of getting it wrong.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use aura::{BufferRef, Engine, Error, Result};

use crate::common::{LONG, Outcomes, contents, engine_of, file_with, outcome, pattern, within};

/// Memory that stays where it is whatever a failing test leaves in flight.
fn lasting(len: usize, fill: u8) -> &'static mut [u8] {
    Box::leak(vec![fill; len].into_boxed_slice())
}

fn register(engine: &Engine, buffers: &[&mut [u8]]) -> Result<()> {
    // SAFETY: all memory here lasts for ever.
    unsafe { engine.register_buffers(buffers) }
}

fn read_fixed(engine: &Engine, fd: i32, place: BufferRef, len: usize) -> Result<Outcomes> {
    let outcomes = Outcomes::default();
    // SAFETY: all memory here lasts for ever.
    unsafe { engine.read(fd, place, len, 0, outcomes.hear()) }.map(|_| outcomes)
}

#[track_caller]
fn is_submission<T>(result: Result<T>, errno: i32) {
    match result {
        Err(error @ Error::Submission(_)) if error.errno() == errno => {}
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("accepted"),
    }
}

#[track_caller]
fn is_io<T>(result: Result<T>, errno: i32) {
    match result {
        Err(error @ Error::Io(_)) if error.errno() == errno => {}
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("accepted"),
    }
}

#[track_caller]
fn is_invalid<T>(result: Result<T>) {
    assert!(matches!(result, Err(Error::InvalidArgument(_))));
}

#[test]
fn registered_buffers_are_read_and_written_in_their_bounds() {
    for rings in [1, 3] {
        let engine = engine_of(rings, 16);
        let data = pattern(3, 8192);
        let file = file_with(&data);
        let fd = file.as_raw_fd();
        let (one, two) = (lasting(4096, 0), lasting(8192, 7));
        let (one_at, two_at) = (one.as_ptr(), two.as_ptr());
        register(&engine, &[one, two]).unwrap();
        for _ in 0..6 {
            let heard = read_fixed(&engine, fd, BufferRef::fixed(0, 96), 4000).unwrap();
            engine.drain(-1).unwrap();
            assert_eq!(heard.all(), [Ok(4000)]);
        }
        // SAFETY: the reads are over.
        assert!(unsafe { std::slice::from_raw_parts(one_at.add(96), 4000) } == &data[..4000]);
        // SAFETY: the memory lasts.
        let written = outcome(&engine, |done| unsafe {
            engine.write(fd, BufferRef::fixed_index(1), 8192, 8192, done)
        });
        assert_eq!(written, Ok(8192));
        // SAFETY: nothing writes to it.
        assert!(contents(&file)[8192..] == *unsafe { std::slice::from_raw_parts(two_at, 8192) });
        for (place, len) in [
            (BufferRef::fixed(0, 96), 4001),
            (BufferRef::fixed(0, 4097), 0),
            (BufferRef::fixed(0, usize::MAX), 1),
            (BufferRef::fixed(1, 8192), 1),
            (BufferRef::fixed(2, 0), 1),
            (BufferRef::fixed(i32::MAX, 0), 1),
        ] {
            is_invalid(read_fixed(&engine, fd, place, len));
        }
        engine.unregister_buffers().unwrap();
    }
}

/// An iovec of leaked memory.
fn iovec(memory: &'static mut [u8]) -> libc::iovec {
    libc::iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: memory.len() }
}

#[test]
fn registered_files_are_used_by_their_place() {
    for rings in [1, 3] {
        let engine = engine_of(rings, 16);
        let (first, second) = (file_with(&pattern(1, 4096)), file_with(&pattern(2, 4096)));
        engine.register_files(&[-1, first.as_raw_fd(), second.as_raw_fd()]).unwrap();
        for (place, seed) in [(1, 1), (2, 2)] {
            let file = engine.fixed_file(place).unwrap();
            let memory = lasting(4096, 0);
            let iov: &[_] = Box::leak(Box::new([iovec(lasting(100, 9)), iovec(lasting(50, 8))]));
            let at = memory.as_mut_ptr();
            // SAFETY: all memory here lasts for ever.
            let read = outcome(&engine, |done| unsafe {
                file.read(BufferRef::from_ptr(at.cast()), 4096, 0, done)
            });
            assert_eq!((read, &*memory), (Ok(4096), &*pattern(seed, 4096)));
            // SAFETY: as above.
            assert_eq!(outcome(&engine, |done| unsafe { file.writev(iov, 4096, done) }), Ok(150));
            assert_eq!(outcome(&engine, |done| file.fsync(done)), Ok(0));
            assert_eq!(outcome(&engine, |done| file.fdatasync(done)), Ok(0));
            // SAFETY: as above.
            assert_eq!(outcome(&engine, |done| unsafe { file.readv(iov, 4000, done) }), Ok(150));
            // SAFETY: as above.
            let written = outcome(&engine, |done| unsafe {
                file.write(BufferRef::from_ptr(at.cast()), 10, 0, done)
            });
            assert_eq!(written, Ok(10));
        }
        let expected = [vec![9; 100], vec![8; 50]].concat();
        assert_eq!(contents(&first)[4096..], expected);
        for nobody in [0, 3, i32::MAX] {
            let file = engine.fixed_file(nobody).unwrap();
            assert_eq!(outcome(&engine, |done| file.fsync(done)), Err(libc::EBADF), "{nobody}");
        }
        is_invalid(engine.fixed_file(-1));
    }
}

#[test]
fn what_is_not_registered_is_said_to_be_missing() {
    let engine = engine_of(1, 16);
    let file = file_with(&[1; 64]);
    is_submission(read_fixed(&engine, file.as_raw_fd(), BufferRef::fixed(0, 0), 1), libc::ENOENT);
    is_submission(engine.unregister_buffers(), libc::ENOENT);
    is_submission(engine.request_unregister_buffers(), libc::ENOENT);
    is_submission(engine.unregister_files(), libc::ENOENT);
    is_submission(engine.request_unregister_files(), libc::ENOENT);
    is_submission(engine.update_file(0, 1), libc::ENOENT);
    assert_eq!(engine.pending_count(), 0);
}

#[test]
fn registrations_that_make_no_sense_are_refused() {
    let engine = engine_of(2, 16);
    is_invalid(register(&engine, &[]));
    is_invalid(register(&engine, &[&mut []]));
    let shared = lasting(8192, 0).as_mut_ptr();
    // SAFETY: only the ranges matter; nothing is accessed through either.
    let overlapping = unsafe {
        [
            std::slice::from_raw_parts_mut(shared, 4097),
            std::slice::from_raw_parts_mut(shared.add(4096), 4096),
        ]
    };
    is_invalid(register(&engine, &overlapping));
    let too_many: Vec<&mut [u8]> = (0..12_289).map(|_| lasting(1, 0)).collect();
    is_invalid(register(&engine, &too_many));
    is_invalid(engine.register_files(&[]));
    is_invalid(engine.register_files(&[-2]));
    is_invalid(engine.register_files(&vec![-1; 32_769]));
    is_io(engine.register_files(&[900_000]), libc::EBADF);
    // Nothing of all that left a trace.
    register(&engine, &[lasting(4096, 0), lasting(4096, 0)]).unwrap();
    is_io(register(&engine, &[lasting(4096, 0)]), libc::EBUSY);
    engine.register_files(&[0, -1]).unwrap();
    is_io(engine.register_files(&[0]), libc::EBUSY);
    is_invalid(engine.update_file(2, 0));
    is_invalid(engine.update_file(-1, 0));
    is_invalid(engine.update_file(0, -2));
    is_io(engine.update_file(1, 900_000), libc::EBADF);
    engine.update_file(1, 0).unwrap();
    engine.update_file(1, -1).unwrap();
    engine.unregister_files().unwrap();
    engine.unregister_buffers().unwrap();
    engine.register_files(&[1]).unwrap();
    engine.request_unregister_files().unwrap();
}

#[test]
fn while_draining_new_uses_are_refused_and_then_all_starts_anew() {
    for rings in [1, 3] {
        let engine = engine_of(rings, 16);
        let (reader, mut writer) = std::io::pipe().unwrap();
        let fd = reader.as_raw_fd();
        register(&engine, &[lasting(4096, 0)]).unwrap();
        let heard = read_fixed(&engine, fd, BufferRef::fixed(0, 0), 64).unwrap();
        engine.request_unregister_buffers().unwrap();
        engine.request_unregister_buffers().unwrap(); // Asking twice is no error.
        is_io(read_fixed(&engine, fd, BufferRef::fixed(0, 0), 64), libc::EBUSY);
        is_io(register(&engine, &[lasting(4096, 0)]), libc::EBUSY);
        assert_eq!(outcome_of_a_plain_read(&engine), Ok(1), "others go on");
        writer.write_all(b"12345").unwrap();
        engine.drain(-1).unwrap();
        assert_eq!(heard.all(), [Ok(5)]);
        is_submission(read_fixed(&engine, fd, BufferRef::fixed(0, 0), 64), libc::ENOENT);
        let fresh = lasting(64, 0);
        let at = fresh.as_ptr();
        register(&engine, &[fresh]).unwrap();
        let heard = read_fixed(&engine, fd, BufferRef::fixed(0, 60), 4).unwrap();
        writer.write_all(b"fine").unwrap();
        engine.drain(-1).unwrap();
        assert_eq!(heard.all(), [Ok(4)]);
        // SAFETY: the read is over.
        assert_eq!(unsafe { std::slice::from_raw_parts(at.add(60), 4) }, b"fine");
    }
}

fn outcome_of_a_plain_read(engine: &Engine) -> std::result::Result<usize, i32> {
    let file = file_with(b"x");
    let outcomes = Outcomes::default();
    let memory = lasting(1, 0);
    // SAFETY: the memory lasts for ever.
    unsafe {
        let place = BufferRef::from_mut_slice(memory);
        engine.read(file.as_raw_fd(), place, 1, 0, outcomes.hear()).unwrap();
    }
    while outcomes.count() == 0 {
        engine.wait(1000).unwrap();
    }
    outcomes.all()[0]
}

#[test]
fn unregistering_waits_for_the_last_use() {
    let engine = Arc::new(engine_of(2, 16));
    let (reader, mut writer) = std::io::pipe().unwrap();
    register(&engine, &[lasting(4096, 0)]).unwrap();
    let heard = read_fixed(&engine, reader.as_raw_fd(), BufferRef::fixed(0, 0), 64).unwrap();
    let unregistering = Arc::clone(&engine);
    let seen = heard.clone();
    let unregistering = std::thread::spawn(move || {
        unregistering.unregister_buffers().unwrap();
        seen.count()
    });
    std::thread::sleep(std::time::Duration::from_millis(100)); // It waits by now, if it is right.
    assert!(!unregistering.is_finished());
    writer.write_all(b"x").unwrap();
    let uses = within(LONG, "unregistering", move || unregistering.join().unwrap());
    assert_eq!(uses, 1, "the callback ran before the memory was given back");
}

#[test]
fn in_a_callback_unregistering_does_not_wait() {
    let engine = Arc::new(engine_of(1, 16));
    let (reader, mut writer) = std::io::pipe().unwrap();
    let fd = reader.as_raw_fd();
    register(&engine, &[lasting(4096, 0)]).unwrap();
    engine.register_files(&[fd]).unwrap();
    let pending = read_fixed(&engine, fd, BufferRef::fixed(0, 0), 64).unwrap();
    let inner = Arc::clone(&engine);
    let (sender, answers) = std::sync::mpsc::channel();
    engine
        .nop(move |_| {
            let unregistered = (inner.unregister_buffers(), inner.unregister_files());
            let refused = read_fixed(&inner, fd, BufferRef::fixed(0, 0), 64);
            sender.send((unregistered.0.is_ok(), unregistered.1.is_ok())).unwrap();
            is_io(refused, libc::EBUSY);
        })
        .unwrap();
    let waiter = Arc::clone(&engine);
    within(LONG, "a callback that unregisters", move || waiter.wait(-1)).unwrap();
    assert_eq!(answers.try_recv(), Ok((true, true)));
    assert_eq!(engine.stats().unwrap().callback_panics(), 0);
    writer.write_all(b"x").unwrap();
    engine.drain(-1).unwrap();
    assert_eq!(pending.all(), [Ok(1)]);
    register(&engine, &[lasting(64, 0)]).unwrap();
}
