//! Rows of the fault table of docs/reliability.md that need a file system, a device or a tool of their
//! own. What cannot be provoked here is skipped with the reason.

mod device;
mod filter;
mod fire;
mod hang;
mod refusals;
mod reuse;
mod sandbox;
mod server;
mod short;
mod workers;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aura::{Engine, File, Options, block_on};
use server::Server;

use crate::support::{scratch, skip};

fn engine() -> Engine {
    Engine::with_options(&Options::new().queue_depth(64).ring_count(1)).unwrap()
}

#[test]
fn errors_of_the_device_arrive_verbatim_with_the_buffer() {
    let Some(server) = Server::start() else { return };
    let engine = engine();
    let file = File::from_std(&engine, server.open("broken"));
    block_on(&engine, async {
        let failed = file.read_at(vec![1; 512], 0).await.unwrap_err();
        assert_eq!((failed.errno(), failed.into_buffer()), (libc::EIO, Some(vec![1; 512])));
        for (offset, errno) in [(0, libc::ENOSPC), (4096, libc::EDQUOT)] {
            let failed = file.write_at(vec![2; 512], offset).await.unwrap_err();
            assert_eq!((failed.errno(), failed.into_buffer()), (errno, Some(vec![2; 512])));
        }
    });
}

#[test]
fn a_failed_fsync_is_reported_once_and_not_repeated() {
    let Some(server) = Server::start() else { return };
    let engine = engine();
    let file = File::from_std(&engine, server.open("unsynced"));
    for synced in 1..=2 {
        let failed = block_on(&engine, async { file.sync_all().await.unwrap_err() });
        assert_eq!(failed.errno(), libc::EIO);
        assert_eq!(server.seen.syncs.load(Ordering::SeqCst), synced);
    }
}

/// Runs `child_that_copies` in a process of its own, started by another program.
fn run_child(starter: &str, arguments: &[&str], remedy: &str) {
    let program = std::env::current_exe().expect("this binary");
    let started = Command::new(starter)
        .args(arguments)
        .arg(program)
        .args(["faults::child_that_copies", "--exact", "--ignored", "--nocapture"])
        .output();
    let output = match started {
        Ok(output) => output,
        Err(error) => return skip(&format!("{starter}: {error}; {remedy}")),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    if !text.contains("running 1 test") {
        let why = String::from_utf8_lossy(&output.stderr);
        return skip(&format!("{starter} starts nothing here: {}; {remedy}", why.trim()));
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "under {starter} {arguments:?}:\n{text}{errors}");
}

#[test]
fn refused_system_calls_lose_and_double_nothing() {
    for errno in ["EAGAIN", "EBUSY", "EINTR"] {
        let inject = format!("inject=io_uring_enter:error={errno}:when=3+5");
        let quiet = ["-f", "-qqq", "-o", "/dev/null", "-e", "trace=io_uring_enter", "-e", &inject];
        run_child("strace", &quiet, "apt-get install strace");
    }
}

#[test]
fn a_clock_with_an_offset_changes_nothing() {
    let day_later = ["--time", "--fork", "--monotonic", "86400"];
    run_child("unshare", &day_later, "time namespaces need Linux 5.6 and root");
}

/// Writes and reads with callbacks and futures, and checks all of it.
#[test]
#[ignore = "run by refused_system_calls_lose_and_double_nothing and others"]
fn child_that_copies() {
    const BLOCKS: u64 = 300;
    let engine = engine();
    let file = tempfile::tempfile_in(scratch()).unwrap();
    let heard = Arc::new(AtomicU32::new(0));
    for _ in 0..BLOCKS {
        let heard = Arc::clone(&heard);
        let count = move |result: aura::Result<usize>| {
            heard.fetch_add(u32::from(result.is_ok()), Ordering::SeqCst);
        };
        while engine.nop(count.clone()).is_err() {
            engine.wait(1000).unwrap();
        }
    }
    engine.drain(20_000).unwrap();
    assert_eq!(u64::from(heard.load(Ordering::SeqCst)), BLOCKS);
    let file = File::from_std(&engine, file);
    block_on(&engine, async {
        for block in 0..BLOCKS {
            file.write_all_at(vec![block as u8; 512], block * 512).await.unwrap();
        }
        file.sync_data().await.unwrap();
        for block in 0..BLOCKS {
            let data = file.read_exact_at(vec![0; 512], block * 512).await.unwrap();
            assert!(data.iter().all(|byte| *byte == block as u8), "block {block}");
        }
    });
    let p99_ms = engine.stats().unwrap().p99_latency_ms();
    assert!((0.0..60_000.0).contains(&p99_ms), "a p99 of {p99_ms} ms");
}

/// A file system of 64 KiB in memory, for this test's mount namespace only if there is one.
#[test]
fn a_full_file_system_says_so_and_the_rest_is_intact() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "aura-full"])
        .arg(folder.path())
        .output();
    match mounted {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr);
            return skip(&format!("no tmpfs can be mounted: {}; needs root", why.trim()));
        }
        Err(error) => return skip(&format!("mount: {error}; apt-get install mount")),
    }
    let engine = engine();
    let path = folder.path().join("file");
    let mut options = std::fs::File::options();
    let file = options.read(true).write(true).create(true).truncate(true).open(path).unwrap();
    let file = File::from_std(&engine, file);
    block_on(&engine, async {
        let failed = file.write_all_at(vec![3; 128 << 10], 0).await.unwrap_err();
        assert_eq!(failed.errno(), libc::ENOSPC);
        let fits = failed.transferred();
        assert_eq!(failed.into_buffer().map(|buffer| buffer.len()), Some(128 << 10));
        let data = file.read_exact_at(vec![0; fits], 0).await.unwrap();
        assert!(fits > 0 && data.iter().all(|byte| *byte == 3));
    });
    drop(file);
    drop(engine);
    let unmounted = Command::new("umount").arg(folder.path()).status().expect("as mount");
    assert!(unmounted.success());
}
