//! Registered memory that is taken back while it is in use.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aura::{BufferRef, Engine, Options};

use crate::support::scratch;

const LEN: usize = 64 << 10;
const ROUNDS: usize = 150;
/// What the file is full of, and what the owner fills memory with that came back.
const DATA: u8 = 7;
const MINE: u8 = 9;

/// Reads into the registered memory, wherever and whether there is any, until it is over.
fn fire(engine: &Engine, fd: i32, over: &AtomicBool, read: &AtomicUsize) {
    let mut offset = 0;
    while !over.load(Ordering::Relaxed) {
        offset = (offset + 4096) % LEN;
        let place = BufferRef::fixed(0, offset);
        // SAFETY: registered memory lasts for ever here, and nothing but the kernel uses it meanwhile.
        match unsafe { engine.read(fd, place, 4096, 0, |result| assert_eq!(result.unwrap(), 4096)) }
        {
            Ok(_) => drop(read.fetch_add(1, Ordering::Relaxed)),
            Err(error) => {
                // At the limit, being unregistered, not registered.
                let expected = [libc::EAGAIN, libc::EBUSY, libc::ENOENT];
                assert!(expected.contains(&error.errno()), "{error}");
                std::thread::yield_now();
            }
        }
    }
}

#[test]
fn memory_unregistered_under_fire_is_not_written_to_afterwards() {
    use std::io::Write;
    let options = Options::new().ring_count(2).queue_depth(64).disable_adaptive(true);
    let engine = Engine::with_options(&options).unwrap();
    let mut file = tempfile::tempfile_in(scratch()).unwrap();
    file.write_all(&[DATA; 4096]).unwrap();
    let areas: [&'static mut [u8]; 2] =
        [0, 0].map(|_| Box::leak(vec![MINE; LEN].into_boxed_slice()));
    let areas = areas.map(<[u8]>::as_mut_ptr);
    let poller = engine.start_poller().unwrap();
    let (over, read, mut used) = (AtomicBool::new(false), AtomicUsize::new(0), 0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| fire(&engine, file.as_raw_fd(), &over, &read));
        }
        for round in 0..ROUNDS {
            // SAFETY: the memory lasts, and is the owner's while it is not registered.
            let area = unsafe { std::slice::from_raw_parts_mut(areas[round % 2], LEN) };
            assert!(area.iter().all(|byte| *byte == MINE), "round {round}: written to afterwards");
            let before = read.load(Ordering::Relaxed);
            // SAFETY: as above; it is not used until it has been unregistered.
            unsafe { engine.register_buffers(&[area]) }.unwrap();
            std::thread::sleep(std::time::Duration::from_millis(1));
            engine.unregister_buffers().unwrap();
            used += usize::from(read.load(Ordering::Relaxed) > before);
            // SAFETY: it is the owner's again.
            unsafe { std::slice::from_raw_parts_mut(areas[round % 2], LEN) }.fill(MINE);
        }
        over.store(true, Ordering::Relaxed);
    });
    drop(poller);
    engine.drain(60_000).unwrap();
    let stats = engine.stats().unwrap();
    assert_eq!((stats.callback_panics(), stats.ops_failed()), (0, 0));
    assert_eq!(stats.ops_completed(), read.load(Ordering::Relaxed) as i64);
    assert!(used > ROUNDS / 4, "in {used} of {ROUNDS} rounds only was the memory in use");
}
