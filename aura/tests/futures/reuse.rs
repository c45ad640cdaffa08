//! Numbers of descriptors that are given away again while something is queued for the old file.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc;

use aura::File;

use crate::common::{SOON, alone, file_with, poll_once, small_engine, within};

/// While a callback keeps the poller busy, what is submitted stays queued.
#[test]
fn a_forgotten_write_does_not_reach_the_file_that_gets_the_number() {
    // Alone, because the number is anybody's for a moment.
    if !alone("reuse::a_forgotten_write_does_not_reach_the_file_that_gets_the_number") {
        return;
    }
    within(SOON, "a forgotten write", || {
        let engine = Arc::new(small_engine());
        let poller = engine.start_poller().unwrap();
        let (entered, in_callback) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        engine
            .nop(move |_| {
                entered.send(()).unwrap();
                let _ = released.recv();
            })
            .unwrap();
        in_callback.recv().unwrap();

        let victim = file_with(b"precious");
        let first = File::from_std(&engine, file_with(b""));
        let number = first.as_raw_fd();
        let mut write = Box::pin(first.write_at(b"mischief".as_slice(), 0));
        assert!(poll_once(write.as_mut()).is_pending());
        std::mem::forget(write);
        drop(first.into_std().expect("nobody else has it"));
        // SAFETY: both descriptors are ours; `number` is free or somebody else's by accident.
        let copy = unsafe { libc::dup(victim.as_raw_fd()) };
        release.send(()).unwrap();
        drop(poller);
        let _ = engine.drain(1000);
        let mut contents = Vec::new();
        std::io::Read::read_to_end(
            &mut std::fs::File::open(format!("/proc/self/fd/{}", victim.as_raw_fd())).unwrap(),
            &mut contents,
        )
        .unwrap();
        (&victim).flush().unwrap();
        assert_eq!(contents, b"precious", "number {number} became {copy}");
    });
}
