//! What the tests share: bounds against hangs, engines, files, pipes, executors.

use std::future::Future;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use aura::{Engine, File, Options};

/// A bound against hangs, far above what anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// For what ends within a second, or never.
pub(crate) const SOON: Duration = Duration::from_secs(15);

/// Runs `work` on a thread of its own, so that a hang fails the test and not the whole run.
#[track_caller]
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (sender, done) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
    });
    match done.recv_timeout(limit) {
        Ok(Ok(value)) => value,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => panic!("{what}: not over after {limit:?}"),
    }
}

/// One ring of 64 entries, no controller: its limit is 64.
pub(crate) fn small_engine() -> Engine {
    fixed_engine(64)
}

/// One ring without a controller, with so many entries.
pub(crate) fn fixed_engine(depth: i32) -> Engine {
    let options = Options::new().queue_depth(depth).ring_count(1).disable_adaptive(true);
    Engine::with_options(&options).unwrap()
}

/// A directory on a real file system, which `/tmp` need not be.
pub(crate) fn scratch() -> &'static str {
    env!("CARGO_TARGET_TMPDIR")
}

/// A file with these contents, open for reading and writing; its name is gone.
pub(crate) fn file_with(contents: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile_in(scratch()).unwrap();
    file.write_all(contents).unwrap();
    file
}

/// The same on an engine.
pub(crate) fn open_with(engine: &Engine, contents: &[u8]) -> File {
    File::from_std(engine, file_with(contents))
}

/// `len` bytes that differ from place to place and from seed to seed.
pub(crate) fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..len).map(|_| (random.next() >> 24) as u8).collect()
}

/// A read end on the engine, from which nothing comes before something is written.
pub(crate) fn pipe(engine: &Engine) -> (File, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    (File::from_fd(engine, OwnedFd::from(reader)), writer)
}

/// Numbers that look random and are the same in every run (xorshift, Marsaglia 2003).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 11) as usize % bound
    }
}

/// The bytes of a file from its start, by another descriptor's position.
pub(crate) fn contents(file: &std::fs::File) -> Vec<u8> {
    std::fs::read(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap()
}

/// Says that something was not tested, where nobody overlooks it.
pub(crate) fn skip(why: &str) {
    let line = format!("SKIP: {why}");
    eprintln!("{line}");
    if let Some(path) = std::env::var_os("AURA_SKIP_LOG") {
        let log = std::fs::OpenOptions::new().append(true).create(true).open(path);
        writeln!(log.unwrap(), "{line}").unwrap();
    }
}

/// Counts how often it wakes.
#[derive(Default)]
pub(crate) struct CountingWaker(pub(crate) AtomicUsize);

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls once, with a waker that does nothing.
pub(crate) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Calls `done` again and again until it holds. For what other threads bring about.
#[track_caller]
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < SOON, "{what}: not after {SOON:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Lets the engine process for a moment, until nothing has completed for a while.
pub(crate) fn settle(engine: &Engine) {
    while engine.wait(50).is_ok_and(|processed| processed > 0) {}
}

/// Descriptors that the process has open.
pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Waits until no more are open than there were.
#[track_caller]
pub(crate) fn all_closed_but(before: usize) {
    let start = Instant::now();
    while open_descriptors() > before {
        if start.elapsed() > SOON / 3 {
            let list = std::fs::read_dir("/proc/self/fd").unwrap();
            let list: Vec<_> =
                list.filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok()).collect();
            let (count, last) = (list.len(), &list[list.len().saturating_sub(10)..]);
            panic!("{before} descriptors were open, now {count}, the last of them: {last:?}");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// For tests that measure or change their whole process: runs the test of this name again, alone
/// in a process. `true` in that process.
#[track_caller]
pub(crate) fn alone(test: &str) -> bool {
    const CHILD: &str = "AURA_TEST_ALONE";
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.args([test, "--exact", "--nocapture"]).env(CHILD, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("1 passed") || text.contains("1 failed"), "no such test: {test}\n{text}");
    assert!(output.status.success(), "alone in its process:\n{text}");
    false
}
