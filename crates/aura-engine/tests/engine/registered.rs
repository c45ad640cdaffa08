//! Registered files, which only this interface lets operations name.

use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::time::Duration;

use aura_engine::{Engine, Error, Memory, Op, Ring, Target};

use crate::odd::{Heard, file_of, lasting_memory, small_engine};

/// Reads 64 bytes through each ring, and returns the results and the first byte seen.
fn read_all(engine: &Engine<Ring>, index: u32) -> Vec<(i32, u8)> {
    let seen = (0..engine.ring_count()).map(|_| {
        let memory = lasting_memory(64);
        let heard = Heard::default();
        let op = Op::read(Target::Registered(index), memory, 64, 0).unwrap();
        // SAFETY: the memory is never given back.
        unsafe { engine.submit(&op, 0, heard.hear()) }.unwrap();
        engine.drain(Some(Duration::from_secs(10))).unwrap();
        let Memory::Address(start) = memory else { unreachable!("made just now") };
        // SAFETY: the read is over.
        (heard.all()[0], unsafe { *start })
    });
    seen.collect()
}

#[test]
fn registered_files_are_read_updated_and_forgotten_on_every_ring() {
    let engine = small_engine(2);
    let (one, two) = (file_of(1), file_of(2));
    engine.register_files(&[one.as_raw_fd(), -1]).unwrap();
    assert_eq!(read_all(&engine, 0), [(64, 1); 2]);
    assert_eq!(read_all(&engine, 1), [(-libc::EBADF, 0); 2], "an empty place");
    assert_eq!(read_all(&engine, 99), [(-libc::EBADF, 0); 2], "no place at all");
    engine.update_file(1, two.as_raw_fd()).unwrap();
    engine.update_file(0, -1).unwrap();
    assert_eq!(read_all(&engine, 1), [(64, 2); 2]);
    assert_eq!(read_all(&engine, 0), [(-libc::EBADF, 0); 2]);
    drop(two); // A registered file lives on.
    assert_eq!(read_all(&engine, 1), [(64, 2); 2]);
    engine.unregister_files().unwrap();
    assert_eq!(read_all(&engine, 1), [(-libc::EBADF, 0); 2]);
    assert!(matches!(engine.update_file(0, 1), Err(Error::NotRegistered(_))));
}

#[test]
fn what_was_queued_before_an_update_uses_the_file_from_before() {
    let engine = small_engine(1);
    let (mut one, two) = (file_of(1), file_of(2));
    engine.register_files(&[one.as_raw_fd()]).unwrap();
    let heard = Heard::default();
    let nines: &'static mut [u8] = Box::leak(vec![9u8; 64].into_boxed_slice());
    let memory = Memory::Address(nines.as_mut_ptr());
    let write = Op::write(Target::Registered(0), memory, 64, 0).unwrap();
    // SAFETY: the memory is never given back.
    unsafe { engine.submit(&write, 0, heard.hear()) }.unwrap();
    engine.update_file(0, two.as_raw_fd()).unwrap();
    engine.drain(None).unwrap();
    assert_eq!(heard.all(), [64]);
    let mut first = [0];
    one.seek(SeekFrom::Start(0)).unwrap();
    one.read_exact(&mut first).unwrap();
    assert_eq!(first, [9]);
    assert_eq!(read_all(&engine, 0), [(64, 2)], "untouched");
}
