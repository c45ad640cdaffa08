//! Threads that submit and end, and what the kernel then gives up on: it is done all the same, but not on
//! a file that was not meant.

use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use aura_engine::{Config, Engine, Memory, Op, Target};

use crate::odd::{Heard, Odd, eventually, lasting_memory, odd_engine};

/// Threads that end with an operation in the hands of a worker of the kernel's.
const THREADS: usize = 10_000;
const BLOCK: usize = 512;
/// No other test of this process gets a descriptor as high as this, within the usual limit of 1024.
const NOBODYS: i32 = 1_000;

fn config(depth: u32) -> Config {
    Config { queue_depth: depth, ring_count: Some(1), disable_adaptive: true, ..Config::default() }
}

/// The kernel hands these operations to a worker of the thread's at once, and the thread takes its workers
/// with it.
#[test]
fn what_the_workers_of_ended_threads_were_given_is_done() {
    let (engine, orders) = odd_engine(&config(16_384));
    orders[0].force_async.store(true, Ordering::SeqCst);
    let mut file = tempfile::tempfile().unwrap();
    let data: Vec<u8> = (0..64 * BLOCK).map(|at| (at / BLOCK) as u8).collect();
    file.write_all(&data).unwrap();
    let (fd, heard) = (file.as_raw_fd(), Heard::default());
    let memory: &'static mut [u8] = Box::leak(vec![0xee; THREADS * BLOCK].into_boxed_slice());
    let reads = memory.chunks_mut(BLOCK).enumerate().map(|(number, place)| {
        let address = Memory::Address(place.as_mut_ptr());
        Op::read(Target::Fd(fd), address, BLOCK, (number % 64 * BLOCK) as i64).unwrap()
    });
    for few in reads.collect::<Vec<_>>().chunks(32) {
        let threads = few.iter().map(|read| start_thread_that_ends(&engine, read, &heard));
        threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
    }
    engine.drain(Some(Duration::from_secs(60))).unwrap();
    let given_up = orders[0].given_up.load(Ordering::SeqCst);
    eprintln!("{given_up} of {THREADS} reads were given up by the kernel at first");
    let heard = heard.all();
    assert_eq!(heard.len(), THREADS);
    assert!(heard.iter().all(|result| *result == BLOCK as i32), "{:?}", heard.iter().min());
    for (number, place) in memory.chunks(BLOCK).enumerate() {
        assert!(place.iter().all(|byte| *byte == (number % 64) as u8), "read {number}");
    }
}

/// How a number comes to name another file.
#[derive(Clone, Copy, Debug)]
enum Way {
    Close,
    Update,
    Unregister,
}

#[test]
fn only_what_was_submitted_before_its_number_was_given_away_stays_undone() {
    for way in [Way::Close, Way::Update, Way::Unregister] {
        let (engine, orders) = odd_engine(&config(64));
        let (old, mut to_old) = std::io::pipe().unwrap();
        let (new, mut to_new) = std::io::pipe().unwrap();
        let number = rustix::io::fcntl_dupfd_cloexec(&old, NOBODYS).unwrap().into_raw_fd();
        let target = if let Way::Close = way { Target::Fd(number) } else { Target::Registered(0) };
        if !matches!(way, Way::Close) {
            engine.register_files(&[number]).unwrap();
        }
        let (before, after) = (Heard::default(), Heard::default());
        let read = Op::read(target, lasting_memory(1), 1, 0).unwrap();
        start_thread_that_ends(&engine, &read, &before).join().unwrap();
        match way {
            Way::Close => close_and_reuse(&engine, number, new.as_raw_fd()),
            Way::Update => engine.update_file(0, new.as_raw_fd()).unwrap(),
            Way::Unregister => {
                engine.unregister_files().unwrap();
                engine.register_files(&[new.as_raw_fd()]).unwrap();
            }
        }
        start_thread_that_ends(&engine, &read, &after).join().unwrap();
        // When there is something to read, the kernel finds that the threads have ended.
        to_old.write_all(b"old").unwrap();
        to_new.write_all(b"new").unwrap();
        engine.drain(Some(Duration::from_secs(20))).unwrap();
        assert_eq!((before.all(), after.all()), (vec![-libc::ECANCELED], vec![1]), "{way:?}");
        assert!(orders[0].given_up.load(Ordering::SeqCst) >= 2, "the kernel gave up on both");
        // SAFETY: the number is the test's own.
        drop(unsafe { OwnedFd::from_raw_fd(number) });
    }
}

fn close_and_reuse(engine: &Engine<Odd>, number: RawFd, new: RawFd) {
    // SAFETY: no memory is named.
    unsafe { engine.submit(&Op::close(number).unwrap(), 0, |_| ()) }.unwrap();
    engine.flush().unwrap();
    // SAFETY: only asks whether the number is in use.
    eventually("closed", || unsafe { libc::fcntl(number, libc::F_GETFD) } < 0);
    // SAFETY: two numbers, one of which was closed.
    assert_eq!(unsafe { libc::dup3(new, number, libc::O_CLOEXEC) }, number);
}

/// A write that failed with `EFAULT` may have been carried out: it is done again only where twice is once.
#[test]
fn what_may_have_been_appended_is_not_appended_again() {
    for (appends, registered) in [(false, false), (true, false), (false, true), (true, true)] {
        let (engine, orders) = odd_engine(&config(16));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let file = std::fs::File::options().create(true).append(appends).write(true).open(&path);
        let file = file.unwrap();
        let fd = file.as_raw_fd();
        engine.register_files(&[fd]).unwrap();
        let target = if registered { Target::Registered(0) } else { Target::Fd(fd) };
        let heard = Heard::default();
        let write = Op::write(target, lasting_memory(8), 8, 0).unwrap();
        orders[0].writes_to_fail.store(1, Ordering::SeqCst);
        // SAFETY: the memory is never given back.
        unsafe { engine.submit(&write, 0, heard.hear()) }.unwrap();
        engine.drain(Some(Duration::from_secs(20))).unwrap();
        // Whether a registered file appends is not known.
        let expected = if appends || registered { -libc::EFAULT } else { 8 };
        assert_eq!(heard.all(), [expected], "appends: {appends}, registered: {registered}");
        assert_eq!(file.metadata().unwrap().len(), 8, "appends: {appends}, {registered}");
    }
}

fn start_thread_that_ends(engine: &Arc<Engine<Odd>>, op: &Op, heard: &Heard) -> JoinHandle<()> {
    let (engine, op, hear) = (Arc::clone(engine), *op, heard.hear());
    std::thread::spawn(move || {
        // SAFETY: the callers never give the memory back.
        unsafe { engine.submit(&op, 0, hear) }.unwrap();
        engine.flush().unwrap();
    })
}
