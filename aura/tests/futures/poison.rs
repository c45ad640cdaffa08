//! Under AddressSanitizer, with memory of the kernel marked: who touches it is found.

use std::future::Future;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::task::{Context, Waker};

use crate::common::{pipe, small_engine};

#[test]
fn touching_memory_that_a_read_in_flight_owns_is_found() {
    for child in ["child_that_touches_a_futures", "child_that_touches_the_pools"] {
        let mut program = Command::new(std::env::current_exe().unwrap());
        let program = program.args([&format!("poison::{child}"), "--ignored", "--nocapture"]);
        let output = program.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && errors.contains("use-after-poison"), "{errors}");
    }
}

/// Memory of a read in flight.
fn touch(address: *const u8) {
    // SAFETY: none; that is the point.
    let stolen = unsafe { address.add(100).read_volatile() };
    println!("{stolen} was read without anybody noticing");
}

#[test]
#[ignore = "run by touching_memory_that_a_read_in_flight_owns_is_found"]
fn child_that_touches_a_futures() {
    let engine = small_engine();
    let (reader, _writer) = pipe(&engine);
    let memory = vec![0_u8; 4096];
    let address = memory.as_ptr();
    let mut read = Box::pin(reader.read_at(memory, 0));
    assert!(read.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    touch(address);
}

/// In the pool's memory a callback's read is marked as well; and no longer when it is over.
#[test]
#[ignore = "run by touching_memory_that_a_read_in_flight_owns_is_found"]
fn child_that_touches_the_pools() {
    let engine = small_engine();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let memory = engine.allocate_buffer(4096).unwrap();
    for data in [&b"data"[..], b""] {
        // SAFETY: the buffer outlives the read.
        unsafe { engine.read(reader.as_raw_fd(), (&memory).into(), 4096, 0, |_| ()) }.unwrap();
        writer.write_all(data).unwrap();
        if data.is_empty() {
            touch(memory.as_ptr());
        }
        engine.drain(-1).unwrap();
        assert_eq!(&memory.as_slice()[..data.len()], data);
    }
}
