//! Closes after operations whose file the kernel looks up late: nothing is overtaken.

use std::io::Write;
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::time::Duration;

use aura_engine::{Engine, Op, Ring, Target, request_is_pending};

use crate::odd::{Heard, file_of, lasting_memory, small_engine};

const ROUNDS: usize = 40;

fn fd_of(byte: u8) -> RawFd {
    file_of(byte).into_raw_fd()
}

fn submit(engine: &Engine<Ring>, op: &Op, heard: &Heard) -> aura_engine::Handle {
    // SAFETY: what the operations name is never given back.
    unsafe { engine.submit(op, 0, heard.hear()) }.unwrap()
}

/// Of the kinds that the kernel hands to a worker, which looks for the file when it begins.
fn operations(fd: RawFd) -> [Op; 6] {
    let target = Target::Fd(fd);
    let found = Box::into_raw(Box::new(std::mem::MaybeUninit::<libc::statx>::uninit())).cast();
    [
        Op::fsync(target),
        Op::fdatasync(target),
        Op::fallocate(target, 0, 0, 4096),
        Op::ftruncate(target, 10),
        Op::sync_file_range(target, 0, 0, 2),
        Op::statx(fd, c"", libc::AT_EMPTY_PATH, libc::STATX_SIZE, found),
    ]
    .map(|op| op.expect("an operation"))
}

#[test]
fn a_close_does_not_overtake_what_a_worker_of_the_kernel_was_given() {
    for rings in [1, 2] {
        let engine = small_engine(rings);
        for (kind, round) in (0..6).flat_map(|kind| (0..ROUNDS).map(move |round| (kind, round))) {
            let fd = fd_of(1);
            let (heard, closed) = (Heard::default(), Heard::default());
            // SAFETY: what the operations name is never given back.
            match unsafe { engine.submit(&operations(fd)[kind], 0, heard.hear()) } {
                Err(rejected) if rejected.error.errno() == libc::ENOSYS => {
                    eprintln!("SKIP: {}", rejected.error); // ftruncate before Linux 6.9
                    continue;
                }
                submitted => submitted.unwrap(),
            };
            if round % 2 == 0 {
                engine.flush().unwrap();
            }
            submit(&engine, &Op::close(fd).unwrap(), &closed);
            engine.drain(Some(Duration::from_secs(20))).unwrap();
            assert_eq!((heard.all(), closed.all()), (vec![0], vec![0]), "{kind}, {rings} rings");
        }
    }
}

#[test]
fn a_close_in_the_same_batch_does_not_overtake_either() {
    let engine = small_engine(1);
    for _ in 0..ROUNDS {
        let fd = fd_of(1);
        let heard = Heard::default();
        let batch = [Op::fsync(Target::Fd(fd)).unwrap(), Op::close(fd).unwrap()];
        let mut handles = Vec::new();
        let batch = batch.map(|op| (op, 0, heard.hear()));
        // SAFETY: no memory is named.
        unsafe { engine.submit_batch(batch, |handle| handles.push(handle)) }.unwrap();
        assert_eq!(handles.len(), 2);
        engine.drain(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(heard.all(), [0, 0]);
    }
}

/// A chain whose first operation waits for a pipe.
fn start_chain(engine: &Engine<Ring>, pipe: &std::io::PipeReader, fd: RawFd) -> (Heard, *mut u8) {
    let aura_engine::Memory::Address(memory) = lasting_memory(64) else { unreachable!() };
    let first = Op::read(Target::Fd(pipe.as_raw_fd()), lasting_memory(1), 1, 0).unwrap();
    let second = Op::read(Target::Fd(fd), aura_engine::Memory::Address(memory), 64, 0).unwrap();
    let heard = Heard::default();
    let chain = [first.linked(), second].map(|op| (op, 0, heard.hear()));
    // SAFETY: the memory is never given back.
    unsafe { engine.submit_batch(chain, |_| ()) }.unwrap();
    (heard, memory)
}

#[test]
fn a_close_waits_for_chains_that_name_its_file() {
    for rings in [1, 2] {
        let engine = small_engine(rings);
        let (reader, mut writer) = std::io::pipe().unwrap();
        let fd = fd_of(7);
        let (heard, memory) = start_chain(&engine, &reader, fd);
        let closed = Heard::default();
        let close = submit(&engine, &Op::close(fd).unwrap(), &closed);
        assert!(engine.wait(Some(Duration::from_millis(50))).is_err(), "nothing completes");
        assert!(request_is_pending(close) && closed.all().is_empty());
        assert_eq!(engine.in_flight(), 3);
        // Of other files nothing waits.
        let other = Heard::default();
        submit(&engine, &Op::close(fd_of(8)).unwrap(), &other);
        while other.all().is_empty() {
            engine.wait(Some(Duration::from_secs(20))).unwrap();
        }
        writer.write_all(b"x").unwrap();
        engine.drain(Some(Duration::from_secs(20))).unwrap();
        assert_eq!((heard.all(), closed.all()), (vec![1, 64], vec![0]));
        // SAFETY: 64 bytes that last, and nothing is in flight.
        assert!(unsafe { std::slice::from_raw_parts(memory, 64) }.iter().all(|byte| *byte == 7));
    }
}

#[test]
fn a_close_that_waits_is_carried_out_at_the_end() {
    let engine = small_engine(2);
    let (reader, _writer) = std::io::pipe().unwrap();
    let fd = fd_of(7);
    let (heard, _memory) = start_chain(&engine, &reader, fd);
    let closed = Heard::default();
    submit(&engine, &Op::close(fd).unwrap(), &closed);
    drop(engine);
    assert_eq!(heard.all(), [-libc::ECANCELED; 2]);
    assert_eq!(closed.all(), [0]);
}

/// With a table, what an index names changes only when nobody has yet to look it up.
#[test]
fn registered_files_are_not_changed_under_what_has_yet_to_look_them_up() {
    let engine = small_engine(2);
    let (old, new) = (fd_of(1), fd_of(2));
    let fsync = Op::fsync(Target::Registered(0)).unwrap();
    for _ in 0..ROUNDS {
        engine.register_files(&[old]).unwrap();
        let (before, after) = (Heard::default(), Heard::default());
        submit(&engine, &fsync, &before);
        let refused = engine.update_file(0, new).unwrap_err();
        assert_eq!(refused.errno(), libc::EBUSY);
        engine.drain(Some(Duration::from_secs(20))).unwrap();
        engine.update_file(0, new).unwrap();
        submit(&engine, &fsync, &after);
        engine.unregister_files().unwrap(); // Waits for it.
        assert_eq!((before.all(), after.all()), (vec![0], vec![0]));
    }
    for fd in [old, new] {
        submit(&engine, &Op::close(fd).unwrap(), &Heard::default());
    }
}
