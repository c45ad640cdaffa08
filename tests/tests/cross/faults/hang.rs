//! The end of an engine whose reads hang in a file system: in bounded time, and without touching
//! afterwards what was given back or given up.
//!
//! A process with such reads may be impossible to end but by a signal, so the test has a child.

use std::future::Future;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use aura::{BufferRef, File};

use super::engine;
use super::server::Server;

/// The documented bound is 5 s and 2 s; the rest is for a machine that has other things to do.
const BOUND: Duration = Duration::from_secs(7 + 60);
const CANARY: u8 = 0xc5;

#[test]
fn an_engine_with_reads_that_hang_ends_in_time_and_touches_nothing_afterwards() {
    let mounts = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().expect("this binary"));
    child
        .args(["faults::hang::child_that_ends_an_engine_with_hung_reads", "--exact", "--ignored"])
        .arg("--nocapture")
        .env("TMPDIR", mounts.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = child.spawn().expect("it starts");
    let ended = ends_within(&mut child, Duration::from_secs(90));
    if !ended {
        child.kill().expect("a child");
    }
    abort_mounts(mounts.path()); // Or a dead child's reads keep it from being gone.
    let status = child.wait().expect("a child");
    let (mut text, mut errors) = (String::new(), String::new());
    child.stdout.take().expect("piped").read_to_string(&mut text).unwrap();
    child.stderr.take().expect("piped").read_to_string(&mut errors).unwrap();
    assert!(ended && status.success() && text.contains("1 passed"), "{status}:\n{text}{errors}");
    eprint!("{errors}");
}

fn ends_within(child: &mut Child, limit: Duration) -> bool {
    let start = Instant::now();
    while start.elapsed() < limit {
        if child.try_wait().expect("a child").is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// Ends the connections of file systems that are still mounted in the folder, with what waits there.
fn abort_mounts(folder: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("procfs");
    for mount in mounts.lines().filter_map(|line| line.split(' ').nth(1)) {
        if Path::new(mount).starts_with(folder) {
            let path = std::ffi::CString::new(mount).expect("a path");
            // SAFETY: a path that ends.
            unsafe { libc::umount2(path.as_ptr(), libc::MNT_FORCE | libc::MNT_DETACH) };
        }
    }
}

/// Memory with known contents that is not the library's, and that it must leave alone.
struct Bystanders(Vec<Vec<u8>>);

impl Bystanders {
    fn new() -> Self {
        // Of the sizes that the reads and the engine had, so that it is likely theirs if they freed it.
        Self((0..512).map(|number| vec![CANARY; [64, 4096, 65_536, 3000][number % 4]]).collect())
    }

    fn are_untouched(&self) -> bool {
        self.0.iter().flatten().all(|byte| *byte == CANARY)
    }
}

#[test]
#[ignore = "run by an_engine_with_reads_that_hang_ends_in_time_and_touches_nothing_afterwards"]
fn child_that_ends_an_engine_with_hung_reads() {
    let Some(server) = Server::start() else { return };
    let said = Arc::new(Mutex::new(String::new()));
    let log = Arc::clone(&said);
    aura::set_log_handler(move |_, text| log.lock().unwrap().push_str(text));
    let engine = engine();

    // Three operations that do not end: of a callback and of a future in the file system, and a pipe's.
    let fenced: &'static mut [u8] = Box::leak(vec![CANARY; 3 * 4096].into_boxed_slice());
    let start = fenced.as_mut_ptr();
    let hung = server.open("hung");
    let (hung_heard, pipe_heard) = (Arc::new(AtomicU32::new(0)), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&hung_heard);
    // SAFETY: the memory lasts, and is looked at when the read is over.
    unsafe {
        let middle = BufferRef::from_ptr(start.add(4096).cast());
        let count = move |_| _ = heard.fetch_add(1, Ordering::SeqCst);
        engine.read(hung.as_raw_fd(), middle, 4096, 0, count).unwrap();
    }
    let (reader, mut writer) = std::io::pipe().unwrap();
    let piped: &'static mut [u8] = Box::leak(vec![CANARY; 64].into_boxed_slice());
    let heard = Arc::clone(&pipe_heard);
    // SAFETY: the memory lasts.
    unsafe {
        let place = BufferRef::from_ptr(piped.as_mut_ptr().cast());
        let keep = move |result: aura::Result<usize>| {
            heard.lock().unwrap().push(result.map_err(|error| error.errno()));
        };
        engine.read(reader.as_raw_fd(), place, 64, 0, keep).unwrap();
    }
    let file = File::from_std(&engine, server.open("hung"));
    let mut read = Box::pin(file.read_at(vec![CANARY; 4096], 0));
    assert!(read.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let begun = Instant::now();
    // One request is for the pages that both want.
    while server.hanging() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the reads do not arrive");
        engine.poll().unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(read);
    drop(file);

    let begun = Instant::now();
    drop(engine);
    let took = begun.elapsed();
    eprintln!("an engine with two reads that hang and one of a pipe is gone after {took:?}");
    assert!(took < BOUND, "{took:?}");
    assert_eq!(
        *pipe_heard.lock().unwrap(),
        [Err(libc::ECANCELED)],
        "the pipe's read was cancelled"
    );
    let said = said.lock().unwrap().clone();
    let at_the_end = hung_heard.load(Ordering::SeqCst);
    // The kernel may manage to cancel a read whose request the server has not looked at.
    let is_given_up = said.contains("could neither complete nor be cancelled");
    assert!(is_given_up || at_the_end == 1, "{said:?}");

    // Whoever gets the memory that was freed, nobody writes there when the reads end after all.
    let bystanders = Bystanders::new();
    let another = super::engine();
    let mut buffers: Vec<_> = (0..64).map(|_| another.allocate_buffer(4096).unwrap()).collect();
    buffers.iter_mut().for_each(|buffer| buffer.as_mut_slice().fill(CANARY));
    server.release();
    std::io::Write::write_all(&mut writer, &[1; 64]).unwrap();
    let time_to_arrive = Duration::from_millis(500);
    std::thread::sleep(time_to_arrive);
    assert!(bystanders.are_untouched(), "memory of others was written to");
    assert!(buffers.iter().flat_map(|buffer| buffer.as_slice()).all(|byte| *byte == CANARY));
    assert!(piped.iter().all(|byte| *byte == CANARY), "a cancelled read wrote");
    // SAFETY: the memory lasts; the read is over.
    let fenced = unsafe { std::slice::from_raw_parts(start, 3 * 4096) };
    let fences = fenced[..4096].iter().chain(&fenced[8192..]);
    assert!(fences.copied().all(|byte| byte == CANARY), "beside the memory that was given up");
    if fenced[4096..8192].iter().all(|byte| *byte == CANARY) {
        eprintln!("the kernel did not finish the reads that were given up");
    }
    assert_eq!(hung_heard.load(Ordering::SeqCst), at_the_end, "a callback after the end");
    assert_eq!(pipe_heard.lock().unwrap().len(), 1, "a second completion");
    another.nop(|_| ()).unwrap();
    another.drain(-1).unwrap();
}
