//! Several threads: buffers wander, threads end, the same pointer is freed twice at once.

use std::{
    cell::RefCell,
    ptr::NonNull,
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use aura_bufpool::{FreeError, Pool, PoolBuffer, PoolOptions};

use crate::basics::pool;

/// Runs threads to their very end: a scope alone does not wait for thread-local destructors, where a
/// thread's cache goes back.
fn run<'env, F: FnOnce() + Send + 'env>(works: impl IntoIterator<Item = F>) {
    thread::scope(|scope| {
        let threads: Vec<_> = works.into_iter().map(|work| scope.spawn(work)).collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    });
}

/// Lets test threads pass bare pointers.
#[derive(Clone, Copy)]
struct Sent(NonNull<u8>);

// SAFETY: the pool's buffers may be used on any thread; the tests hand each over to one.
unsafe impl Send for Sent {}
// SAFETY: as above.
unsafe impl Sync for Sent {}

fn assert_nothing_in_use(pool: &Pool) {
    let stats = pool.stats();
    let in_use = (stats.allocated_buffers, stats.allocated_bytes, stats.requested_bytes);
    assert_eq!(in_use, (0, 0, 0), "{stats:?}");
}

#[test]
fn buffers_taken_here_are_given_back_there() {
    let pool = pool();
    let (raw_out, raw_in) = mpsc::sync_channel::<(Sent, usize)>(64);
    let (owned_out, owned_in) = mpsc::sync_channel::<PoolBuffer>(64);
    thread::scope(|scope| {
        let there = pool.clone();
        let raw_there = scope.spawn(move || {
            for (Sent(buffer), size) in raw_in {
                assert_eq!(there.size_of(buffer), Some(size));
                there.free(buffer).expect("in use");
            }
        });
        let owned_there = scope.spawn(move || {
            for buffer in owned_in {
                assert!(buffer.iter().all(|&byte| byte == buffer.len() as u8));
            }
        });
        for round in 0..20_000_usize {
            let size = 1 + round * 7919 % 20_000;
            raw_out.send((Sent(pool.alloc(size).expect("a buffer")), size)).expect("receiver");
            let mut buffer = pool.buffer(1 + size / 16).expect("a buffer");
            let mark = buffer.len() as u8;
            buffer.fill(mark);
            owned_out.send(buffer).expect("receiver");
        }
        drop((raw_out, owned_out));
        raw_there.join().expect("no panic");
        owned_there.join().expect("no panic");
    });
    assert_nothing_in_use(&pool);
    let stats = pool.stats();
    assert!(stats.committed_bytes < 32 << 20, "wandering buffers are reused: {stats:?}");
}

#[test]
fn four_hammering_threads_never_share_a_buffer() {
    let pool = Pool::new(PoolOptions::new().keep_free_bytes(4 << 20)).expect("a pool");
    let pool = &pool;
    run((1..=4_u64).map(|thread| {
        move || {
            let mut state = thread.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut held: Vec<(PoolBuffer, u64)> = Vec::new();
            for step in 0..20_000_u64 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                if held.len() < 40 && state % 16 < 9 {
                    // Mostly small, now and then up to 4 MiB.
                    let shift = if state % 1021 == 0 { 22 } else { 12 + (state >> 32) % 8 };
                    let mut buffer = pool.buffer(1 << shift).expect("a buffer");
                    let mark = thread << 32 | step;
                    let len = buffer.len();
                    buffer[..8].copy_from_slice(&mark.to_ne_bytes());
                    buffer[len - 8..].copy_from_slice(&mark.to_ne_bytes());
                    held.push((buffer, mark));
                } else if !held.is_empty() {
                    let (buffer, mark) = held.swap_remove((state >> 20) as usize % held.len());
                    assert_eq!(buffer[..8], mark.to_ne_bytes());
                    assert_eq!(buffer[buffer.len() - 8..], mark.to_ne_bytes());
                }
                if step % 5000 == 0 {
                    pool.trim();
                }
            }
        }
    }));
    assert_nothing_in_use(pool);
}

#[test]
fn ten_thousand_short_threads_leave_nothing() {
    let pool = pool();
    for _ in 0..2_500 {
        run((0..4).map(|_| {
            || {
                let buffers: Vec<_> = (0..40).map(|_| pool.alloc(4096).expect("one")).collect();
                let owned = pool.buffer(100_000).expect("a buffer");
                buffers.into_iter().for_each(|buffer| pool.free(buffer).expect("in use"));
                drop(owned);
            }
        }));
    }
    assert_nothing_in_use(&pool);
    let stats = pool.stats();
    assert_eq!((stats.cached_bytes, stats.thread_caches), (0, 0), "{stats:?}");
    assert!(stats.committed_bytes <= 16 << 20, "{stats:?}");
    pool.trim();
    assert_eq!(pool.stats().committed_bytes, 0);
}

#[test]
fn of_two_frees_at_once_exactly_one_succeeds() {
    let pool = pool();
    let rounds = 3_000;
    let buffers: Vec<Sent> =
        (0..rounds).map(|_| Sent(pool.alloc(4096).expect("a buffer"))).collect();
    let (barrier, freed, refused) = (Barrier::new(2), AtomicUsize::new(0), AtomicUsize::new(0));
    run((0..2).map(|_| {
        || {
            barrier.wait();
            for &Sent(buffer) in &buffers {
                match pool.free(buffer) {
                    Ok(()) => freed.fetch_add(1, Ordering::Relaxed),
                    Err(error) => {
                        assert_eq!(error, FreeError::DoubleFree);
                        refused.fetch_add(1, Ordering::Relaxed)
                    }
                };
            }
        }
    }));
    assert_eq!((freed.into_inner(), refused.into_inner()), (rounds, rounds));
    assert_nothing_in_use(&pool);
    let mut again: Vec<_> = (0..rounds).map(|_| pool.alloc(4096).expect("a buffer")).collect();
    again.sort();
    again.dedup();
    assert_eq!(again.len(), rounds, "no buffer was handed out twice");
}

#[test]
fn buffers_may_be_used_while_the_thread_ends() {
    thread_local! {
        static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
    }
    struct Late(Pool, Option<PoolBuffer>, Sent);
    impl Drop for Late {
        fn drop(&mut self) {
            self.0.free(self.2.0).expect("in use");
            let another = self.0.alloc(4096).expect("a buffer");
            drop(self.1.take());
            self.0.free(another).expect("in use");
        }
    }
    let pool = pool();
    // Both orders of destruction: the pool's thread-local state is first used before or after.
    for late_first in [false, true] {
        run([|| {
            if late_first {
                LATE.with(|_| ());
            }
            let owned = pool.buffer(9000).expect("a buffer");
            let raw = pool.alloc(4096).expect("a buffer");
            LATE.set(Some(Late(pool.clone(), Some(owned), Sent(raw))));
        }]);
    }
    assert_nothing_in_use(&pool);
}

#[test]
fn every_pool_a_thread_uses_is_cached() {
    let pools: Vec<Pool> = (0..20).map(|_| pool()).collect();
    for _ in 0..3 {
        for pool in &pools {
            let buffer = pool.alloc(4096).expect("a buffer");
            pool.free(buffer).expect("in use");
            assert_eq!(pool.stats().thread_caches, 1);
        }
    }
    for pool in &pools {
        assert!(pool.stats().cached_bytes > 0);
        assert_nothing_in_use(pool);
    }
}

#[test]
fn free_buffers_of_other_shards_are_used_before_memory_grows() {
    let pool = Pool::new(PoolOptions::new().shards(2)).expect("a pool");
    // Threads take turns at the shards, so some of these find their own shard empty.
    for _ in 0..8 {
        run([|| {
            let buffers: Vec<_> = (0..40).map(|_| pool.buffer(4096).expect("a buffer")).collect();
            drop(buffers);
        }]);
        assert_eq!(pool.stats().slabs, 1);
    }
}
