//! Random numbers, files, measurements of the process, loud skips.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};

/// Marsaglia's xorshift, 13/7/17: fast, and the same for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 16) % bound as u64) as usize
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let next = self.next().to_ne_bytes();
            chunk.copy_from_slice(&next[..chunk.len()]);
        }
    }
}

/// A folder on the file system of the build, which is a real one more often than `/tmp` is.
pub(crate) fn scratch() -> &'static str {
    env!("CARGO_TARGET_TMPDIR")
}

/// A new file for reading and writing without the page cache, or `None` where that is impossible.
pub(crate) fn direct_file(directory: &std::path::Path) -> Option<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true).custom_flags(libc::O_DIRECT);
    options.open(directory.join("direct")).ok()
}

pub(crate) fn skip(why: &str) {
    let line = format!("SKIP: {why}");
    eprintln!("{line}");
    if let Some(path) = std::env::var_os("AURA_SKIP_LOG") {
        let log = std::fs::OpenOptions::new().append(true).create(true).open(path);
        writeln!(log.expect("the log can be opened"), "{line}").expect("and written");
    }
}

pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("procfs").count()
}

pub(crate) fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a resident size");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

/// Runs the test of this name again, alone in a process that can be measured. `true` in there.
#[track_caller]
pub(crate) fn alone(test: &str) -> bool {
    const CHILD: &str = "AURA_TEST_ALONE";
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let mut child = Command::new(std::env::current_exe().expect("this binary"));
    child.args([test, "--exact", "--nocapture"]).env(CHILD, "1").stderr(Stdio::inherit());
    let output = child.output().expect("the test runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("running 1 test"), "no such test: {test}\n{text}");
    assert!(output.status.success(), "alone in its process:\n{text}");
    false
}
