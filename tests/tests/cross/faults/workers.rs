//! A process that may start no more threads, the kernel's workers among them.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::engine;
use crate::support::{alone, scratch, skip};

/// A control group of this process alone.
struct Group {
    folder: PathBuf,
    parent: PathBuf,
}

impl Group {
    /// Joins a new one; `None` where that is impossible.
    fn join() -> Option<Self> {
        let mounted = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
        mounted.iter().map(Path::new).find_map(|parent| {
            let folder = parent.join(format!("aura-test-{}", std::process::id()));
            std::fs::create_dir(&folder).ok()?;
            let group = Self { folder, parent: parent.into() };
            let joined = std::fs::write(group.folder.join("cgroup.procs"), "0").is_ok();
            (joined && group.allow("max")).then_some(group)
        })
    }

    fn allow(&self, threads: &str) -> bool {
        std::fs::write(self.folder.join("pids.max"), threads).is_ok()
    }

    fn threads(&self) -> String {
        std::fs::read_to_string(self.folder.join("pids.current")).expect("in there")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A group that somebody is in cannot be removed.
        let left = std::fs::write(self.parent.join("cgroup.procs"), "0");
        if let Err(error) = left.and_then(|()| std::fs::remove_dir(&self.folder)) {
            eprintln!("a control group stays: {}: {error}", self.folder.display());
        }
    }
}

#[test]
fn where_the_kernel_can_start_no_worker_every_operation_ends_once() {
    const OPERATIONS: usize = 64;
    if !alone("faults::workers::where_the_kernel_can_start_no_worker_every_operation_ends_once") {
        return;
    }
    let Some(group) = Group::join() else {
        return skip(
            "no control group with a limit of threads: needs root and the pids controller",
        );
    };
    let engine = engine();
    let file = tempfile::tempfile_in(scratch()).unwrap();
    let results = Arc::new(Mutex::new(Vec::new()));
    let submit = || {
        let results = Arc::clone(&results);
        let hear = move |result: aura::Result<usize>| {
            results.lock().unwrap().push(result.map_err(|error| error.errno()));
        };
        engine.fsync(file.as_raw_fd(), hear).unwrap();
    };
    assert!(group.allow(group.threads().trim()));
    for _ in 0..OPERATIONS {
        submit();
    }
    let drained = engine.drain(300);
    let of_the_limited = results.lock().unwrap().len();
    assert!(group.allow("max"));
    engine.drain(60_000).unwrap();
    eprintln!("{of_the_limited} of {OPERATIONS} ended without a worker: {drained:?}");
    let first = std::mem::take(&mut *results.lock().unwrap());
    assert_eq!(first.len(), OPERATIONS);
    let cancelled = first.iter().filter(|result| **result == Err(libc::ECANCELED)).count();
    eprintln!("{cancelled} were cancelled by the kernel");
    assert!(first.iter().all(|result| matches!(result, Ok(0) | Err(libc::ECANCELED))), "{first:?}");
    submit();
    engine.drain(60_000).unwrap();
    assert_eq!(*results.lock().unwrap(), [Ok(0)], "with a worker again");
}
