//! What is resident: nothing at first, what is touched later, nothing after a trim.

use std::{fs, process::Command, time::Duration};

use aura_bufpool::{MAX_BUFFER_BYTES, Pool, PoolOptions};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::basics::pool;

/// Resident bytes of the mappings within `len` bytes from `base`.
fn resident(base: usize, len: usize) -> usize {
    let maps = fs::read_to_string("/proc/self/smaps").expect("procfs");
    let (mut inside, mut sum) = (false, 0);
    for line in maps.lines() {
        let first = line.split_whitespace().next().unwrap_or_default();
        if let Some((start, end)) = first.split_once('-')
            && let (Ok(start), Ok(end)) =
                (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16))
        {
            inside = start < base + len && end > base;
        } else if inside && first == "Rss:" {
            let kib = line.split_whitespace().nth(1).expect("a number");
            sum += kib.parse::<usize>().expect("a number") << 10;
        }
    }
    sum
}

#[test]
fn memory_is_resident_where_touched_and_gone_after_a_trim() {
    let pool = pool();
    let raw = pool.alloc(4096).expect("a buffer");
    let slab = pool.slab_of(raw.as_ptr()).expect("in a slab");
    assert_eq!(resident(slab.base, slab.len), 0, "taking a buffer touches nothing");
    // SAFETY: in use by this test.
    unsafe { raw.as_ptr().write(1) };
    assert_eq!(resident(slab.base, slab.len), 4096);

    let mut large = pool.buffer(32 << 20).expect("a buffer");
    large.fill(1);
    let big = pool.slab_of(large.as_ptr()).expect("in a slab");
    assert_eq!(resident(big.base, big.len), 32 << 20);
    drop(large);
    pool.free(raw).expect("in use");
    assert!(resident(big.base, big.len) > 0, "kept for reuse");
    assert_eq!(pool.trim(), (32 << 20) + slab.len);
    assert_eq!(resident(big.base, big.len) + resident(slab.base, slab.len), 0);
    assert_eq!(pool.stats().committed_bytes, 0);

    let fresh = pool.buffer(32 << 20).expect("a buffer");
    assert!(fresh.iter().all(|&byte| byte == 0), "memory that went and came back is zero");
}

/// Runs one ignored test of this binary in a process of its own.
fn in_child(test: &str) {
    let own = std::env::current_exe().expect("own path");
    let output = Command::new(own)
        .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
        .output()
        .expect("a child process");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{test}: {output:?}");
}

#[test]
fn little_address_space_gives_a_smaller_arena_or_an_error() {
    in_child("memory::child_with_little_address_space");
}

#[test]
#[ignore = "limits its process; run by little_address_space_gives_a_smaller_arena_or_an_error"]
fn child_with_little_address_space() {
    let used = || {
        let statm = fs::read_to_string("/proc/self/statm").expect("procfs");
        statm.split(' ').next().expect("a size").parse::<u64>().expect("a size") * 4096
    };
    let limit = |bytes| {
        let maximum = getrlimit(Resource::As).maximum;
        setrlimit(Resource::As, Rlimit { current: Some(bytes), maximum }).expect("own limit");
    };
    limit(used() + (1 << 30));
    let pool = pool();
    assert_eq!(pool.stats().reserved_bytes, 512 << 20);
    let mut buffer = pool.buffer(1 << 20).expect("a buffer");
    buffer.fill(3);
    drop((buffer, pool));

    limit(used() + (300 << 20));
    assert_eq!(self::pool().stats().reserved_bytes, MAX_BUFFER_BYTES);
    limit(used() + (100 << 20));
    let refused = Pool::new(PoolOptions::new());
    assert!(refused.is_err(), "{refused:?}");
}

#[test]
fn creating_a_pool_makes_next_to_nothing_resident() {
    in_child("memory::child_that_only_creates");
}

#[test]
#[ignore = "needs a process of its own; run by creating_a_pool_makes_next_to_nothing_resident"]
fn child_that_only_creates() {
    let anonymous = || {
        let status = fs::read_to_string("/proc/self/smaps_rollup").expect("procfs");
        let line = status.lines().find(|line| line.starts_with("Anonymous:")).expect("a line");
        line.split_whitespace().nth(1).expect("a number").parse::<usize>().expect("a number")
    };
    drop(pool());
    let before = anonymous();
    let pools: Vec<Pool> = (0..16).map(|_| pool()).collect();
    let per_pool_kib = anonymous().saturating_sub(before) / pools.len();
    assert!(per_pool_kib < 64, "{per_pool_kib} KiB");
}

#[test]
fn a_forked_child_can_use_its_copy() {
    in_child("memory::child_that_forks");
}

#[test]
#[ignore = "forks; run by a_forked_child_can_use_its_copy"]
fn child_that_forks() {
    let pool = pool();
    let mut buffer = pool.buffer(4096).expect("a buffer");
    buffer[0] = 1;
    // SAFETY: the child only uses the pool, whose locks no other thread holds, and exits.
    let child = unsafe { libc::fork() };
    if child == 0 {
        buffer[0] = 2;
        let more: Vec<_> = (0..500).map(|_| pool.buffer(8192).expect("a buffer")).collect();
        drop((more, buffer));
        let fine = pool.stats().allocated_buffers == 0 && pool.trim() > 0;
        // SAFETY: ends the child without running what belongs to the parent.
        unsafe { libc::_exit(if fine { 0 } else { 1 }) };
    }
    let mut status = -1;
    // SAFETY: waits for the child just made, with a valid place for its status.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!((status, buffer[0]), (0, 1));
}

#[test]
fn unlimited_idling_is_possible() {
    let pool = Pool::new(PoolOptions::new().idle_after(Duration::MAX)).expect("a pool");
    drop(pool.buffer(8 << 20).expect("a buffer"));
    assert_eq!(pool.reap(), 0);
    assert_eq!(pool.stats().idle_bytes, 8 << 20);
}
