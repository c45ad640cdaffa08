//! What the tests share: short ways to run operations, scratch files, child processes.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::{Duration, Instant};

use aura_ring::{Cqe, PushError, Ring, RingConfig, Sqe, Target};

/// No test needs nearly as long; a completion that takes longer is lost.
pub(crate) const LOST_AFTER: Duration = Duration::from_secs(20);

pub(crate) fn ring(entries: u32) -> Ring {
    Ring::new(&RingConfig { entries, ..RingConfig::default() }).expect("a plain ring")
}

/// Pushes without submitting. The tests keep what `sqe` names alive until its completion.
pub(crate) fn try_push(ring: &Ring, sqe: Sqe) -> Result<(), PushError> {
    // SAFETY: every test that calls this pushes from one thread at a time, and names memory that
    // it keeps until it has reaped the completion.
    unsafe { ring.push(&sqe) }
}

pub(crate) fn push(ring: &Ring, sqe: Sqe) {
    try_push(ring, sqe).expect("room for one more");
}

/// Takes what is ready. No system call.
pub(crate) fn reap(ring: &Ring) -> Vec<Cqe> {
    let mut out = [Cqe::default(); 64];
    let mut all = Vec::new();
    loop {
        // SAFETY: every test that calls this reaps from one thread at a time.
        let count = unsafe { ring.reap(&mut out) };
        all.extend_from_slice(&out[..count]);
        if count < out.len() {
            return all;
        }
    }
}

/// Submits what is queued, waits for `count` completions, takes them and makes sure that there are
/// no others.
#[track_caller]
pub(crate) fn reap_exactly(ring: &Ring, count: usize) -> Vec<Cqe> {
    let start = Instant::now();
    let mut all = Vec::new();
    while all.len() < count {
        assert!(start.elapsed() < LOST_AFTER, "{} of {count} completions came", all.len());
        ring.wait(Some(Duration::from_millis(100))).expect("waiting works");
        all.extend(reap(ring));
    }
    ring.submit().expect("flushing works");
    all.extend(reap(ring));
    assert_eq!(all.len(), count, "surplus completions: {all:?}");
    all
}

/// Runs one operation to its completion and returns the result.
#[track_caller]
pub(crate) fn run(ring: &Ring, sqe: Sqe) -> i32 {
    push(ring, sqe.user_data(0xA11));
    let cqe = reap_exactly(ring, 1)[0];
    assert_eq!(cqe.user_data, 0xA11);
    cqe.result
}

/// The result of the completion labelled so.
#[track_caller]
pub(crate) fn result_of(cqes: &[Cqe], user_data: u64) -> i32 {
    let mut found = cqes.iter().filter(|cqe| cqe.user_data == user_data);
    let result = found.next().expect("a completion with this label").result;
    assert!(found.next().is_none(), "two completions with label {user_data}");
    result
}

pub(crate) fn target(file: &impl AsRawFd) -> Target {
    Target::Fd(file.as_raw_fd())
}

/// A nameless file for reading and writing with these bytes, on the disk that holds the build.
pub(crate) fn scratch(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile_in(scratch_dir()).expect("a scratch file");
    file.write_all(bytes).expect("room on the disk");
    file
}

pub(crate) fn scratch_dir() -> &'static str {
    env!("CARGO_TARGET_TMPDIR")
}

/// `len` bytes that differ from place to place.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 251) as u8).collect()
}

/// Says that a test (or a part of it) did not run, and why.
pub(crate) fn skip(what: &str, why: &dyn std::fmt::Display) {
    eprintln!("SKIPPED {what}: {why}");
}

/// Runs `body` as the only test of a child process, so that it can change the limits of the
/// process or count its descriptors. `name` is the path of the calling test in this binary.
#[track_caller]
pub(crate) fn in_child(name: &str, body: impl FnOnce()) {
    const MARK: &str = "AURA_RING_TEST_CHILD";
    if std::env::var_os(MARK).is_some_and(|value| value == name) {
        return body();
    }
    let output = Command::new(std::env::current_exe().expect("the test binary"))
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(MARK, name)
        .output()
        .expect("the test binary starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    eprint!("{errors}");
    // A wrong name would select no test, and nothing would be tested.
    assert!(output.status.success() && text.contains("1 passed"), "{name}: {text}{errors}");
}

/// How many descriptors this process has open.
pub(crate) fn open_descriptors() -> usize {
    // One of them is the directory that is being read.
    std::fs::read_dir("/proc/self/fd").expect("/proc is mounted").count() - 1
}
