//! Under AddressSanitizer, with memory of the kernel marked: who touches it is found.

use std::future::Future;
use std::process::Command;
use std::task::{Context, Waker};

use crate::common::{pipe, small_engine};

#[test]
fn touching_memory_that_a_read_in_flight_owns_is_found() {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.args(["poison::child_that_touches", "--ignored", "--nocapture"]).output();
    let output = output.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("use-after-poison"), "{errors}");
}

#[test]
#[ignore = "run by touching_memory_that_a_read_in_flight_owns_is_found"]
fn child_that_touches() {
    let engine = small_engine();
    let (reader, _writer) = pipe(&engine);
    let memory = vec![0_u8; 4096];
    let address = memory.as_ptr();
    let mut read = Box::pin(reader.read_at(memory, 0));
    assert!(read.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    // SAFETY: none; that is the point.
    let stolen = unsafe { address.add(100).read_volatile() };
    println!("{stolen} was read without anybody noticing");
}
