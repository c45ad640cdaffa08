//! What the tests share: files, outcomes of operations, bounds against hangs, child processes.

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use aura::{Engine, Options};

/// A bound against hangs, far above what anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(60);

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

/// An engine for one test: small, so that many can live side by side.
pub(crate) fn small_engine() -> Engine {
    Engine::with_options(&Options::new().queue_depth(64).ring_count(1)).unwrap()
}

/// An engine of several rings without a controller.
pub(crate) fn engine_of(rings: i32, depth: i32) -> Engine {
    let options = Options::new().queue_depth(depth).ring_count(rings).disable_adaptive(true);
    Engine::with_options(&options).unwrap()
}

/// A file with these contents, open for reading and writing; its name is gone.
pub(crate) fn file_with(contents: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile_in(scratch()).unwrap();
    file.write_all(contents).unwrap();
    file
}

/// A directory on a real file system, which `/tmp` need not be.
pub(crate) fn scratch() -> &'static str {
    env!("CARGO_TARGET_TMPDIR")
}

/// `len` bytes that differ from place to place and from seed to seed.
pub(crate) fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x >> 24) as u8
        })
        .collect()
}

/// The bytes of a file from its start, by another descriptor's position.
pub(crate) fn contents(file: &std::fs::File) -> Vec<u8> {
    let mut all = Vec::new();
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    std::fs::File::open(path).unwrap().read_to_end(&mut all).unwrap();
    all
}

/// Results of operations, in the order in which their callbacks ran: bytes or `errno`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcomes(Arc<Mutex<Vec<Result<usize, i32>>>>);

impl Outcomes {
    /// A callback that records what it hears.
    pub(crate) fn hear(&self) -> impl FnOnce(aura::Result<usize>) + Send + 'static {
        let all = Arc::clone(&self.0);
        move |result| all.lock().unwrap().push(result.map_err(|error| error.errno()))
    }

    pub(crate) fn all(&self) -> Vec<Result<usize, i32>> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// Submits one operation, processes it, and returns what its callback heard.
#[track_caller]
pub(crate) fn outcome(
    engine: &Engine,
    submit: impl FnOnce(
        Box<dyn FnOnce(aura::Result<usize>) + Send>,
    ) -> aura::Result<aura::RequestHandle>,
) -> Result<usize, i32> {
    let outcomes = Outcomes::default();
    submit(Box::new(outcomes.hear())).expect("the submission is accepted");
    engine.drain(LONG.as_millis() as i32).expect("it completes");
    let all = outcomes.all();
    assert_eq!(all.len(), 1, "one operation, one completion");
    all[0]
}

/// Calls `done` again and again until it holds. For what other threads bring about.
#[track_caller]
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < LONG, "{what}: not after {LONG:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether the descriptor becomes readable within the time.
pub(crate) fn readable(fd: RawFd, within: Duration) -> bool {
    let mut entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid entry.
    let ready = unsafe { libc::poll(&raw mut entry, 1, within.as_millis() as i32) };
    ready == 1 && entry.revents & libc::POLLIN != 0
}

/// CPU time that the calling thread has used.
pub(crate) fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the result has room.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Puts the calling thread on one CPU; `false` if the machine does not let it.
pub(crate) fn pin_to_cpu(cpu: usize) -> bool {
    // SAFETY: a set of zeros is an empty one; the pointer is valid.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) == 0
    }
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

/// For tests that change their whole process, or measure it: runs the test of this name again,
/// alone in a process. `true` in that process.
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
