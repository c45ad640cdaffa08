//! Who keeps a pool alive, and what is left when it ends.

use std::{
    ptr::NonNull,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
};

use aura_bufpool::{Pool, PoolBuffer, PoolOptions, Retire, SlabObserver};

use crate::basics::pool;

/// Dropped with the pool, and so tells when that is.
#[derive(Default)]
struct Witness {
    retired: AtomicUsize,
}

impl SlabObserver for Witness {
    fn slab_created(&self, _: u32, _: usize, _: usize) {}
    fn slab_retiring(&self, _: u32, _: usize, _: usize) -> Retire {
        self.retired.fetch_add(1, SeqCst);
        Retire::GiveBack
    }
}

fn watched() -> (Pool, Arc<Witness>) {
    let witness = Arc::new(Witness::default());
    let pool = Pool::new(PoolOptions::new().observer(Arc::clone(&witness) as _)).expect("a pool");
    (pool, witness)
}

fn ended(witness: &Arc<Witness>) -> bool {
    Arc::strong_count(witness) == 1
}

#[test]
fn an_owned_buffer_outlives_every_handle() {
    for size in [4096, 4 << 20] {
        let (pool, witness) = watched();
        let mut buffer = pool.buffer(size).expect("a buffer");
        drop(pool.clone());
        drop(pool);
        assert!(!ended(&witness));
        buffer.fill(7);
        assert_eq!((buffer[size - 1], buffer.capacity()), (7, size));
        drop(buffer);
        assert!(ended(&witness));
        assert_eq!(witness.retired.load(SeqCst), 1);
    }
}

#[test]
fn an_owned_buffer_may_end_the_pool_on_a_thread_that_never_saw_it() {
    let (pool, witness) = watched();
    let buffers: Vec<PoolBuffer> =
        [4096, 2 << 20].map(|size| pool.buffer(size).expect("a buffer")).into();
    drop(pool);
    thread::spawn(move || drop(buffers)).join().expect("no panic");
    assert!(ended(&witness));
}

#[test]
fn a_forgotten_raw_buffer_does_not_keep_the_pool() {
    let (pool, witness) = watched();
    pool.alloc(4096).expect("a buffer");
    drop(pool);
    assert!(ended(&witness));
}

#[test]
fn a_pool_may_end_before_the_threads_that_cache_its_buffers() {
    let (pool, witness) = watched();
    let ready = Arc::new(Barrier::new(3));
    let mut goes = Vec::new();
    let mut threads = Vec::new();
    for _ in 0..2 {
        let (pool, ready) = (pool.clone(), Arc::clone(&ready));
        let (go, wait) = mpsc::channel::<()>();
        goes.push(go);
        threads.push(thread::spawn(move || {
            pool.free(pool.alloc(4096).expect("a buffer")).expect("in use");
            drop(pool);
            ready.wait();
            wait.recv().expect("told to go on");
            // The stale cache is in the way of nothing.
            let next = self::pool();
            let buffer = next.alloc(4096).expect("a buffer");
            assert_eq!(next.stats().thread_caches, 1);
            next.free(buffer).expect("in use");
        }));
    }
    ready.wait();
    drop(pool);
    assert!(ended(&witness));
    goes.iter().for_each(|go| go.send(()).expect("waiting"));
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
}

#[test]
fn the_last_buffers_and_the_last_handle_may_go_at_once() {
    for round in 0..2_000 {
        let (pool, witness) = watched();
        let (first, second) = (pool.buffer(4096).expect("one"), pool.buffer(4096).expect("two"));
        let start = Barrier::new(3);
        thread::scope(|scope| {
            let start = &start;
            let other = pool.clone();
            let one = scope.spawn(move || {
                // With a cache of its own in every other round.
                if round % 2 == 0 {
                    drop(other.buffer(4096).expect("a buffer"));
                }
                drop(other);
                start.wait();
                drop(first);
            });
            let two = scope.spawn(move || {
                start.wait();
                drop(second);
            });
            start.wait();
            drop(pool);
            // The threads' ends count as well: they hand their caches in.
            one.join().expect("no panic");
            two.join().expect("no panic");
        });
        assert!(ended(&witness), "round {round}");
    }
}

#[test]
fn a_thread_that_ends_after_the_handles_keeps_the_count_of_buffers() {
    let (pool, witness) = watched();
    // Taken by a thread that ends; its count of one must not get lost.
    let buffer = thread::scope(|scope| {
        scope.spawn(move || pool.buffer(4096).expect("a buffer")).join().expect("no panic")
    });
    assert!(!ended(&witness));
    assert_eq!(buffer[0], 0);
    drop(buffer);
    assert!(ended(&witness));
}

#[test]
fn many_pools_in_one_thread_leave_no_mapping() {
    let mappings = || std::fs::read_to_string("/proc/self/maps").expect("procfs").lines().count();
    for round in 0..2 {
        let before = mappings();
        for _ in 0..200 {
            let pool = pool();
            let raw = pool.alloc(4096).expect("a buffer");
            let owned = pool.buffer(1 << 20).expect("a buffer");
            assert_ne!(raw, NonNull::from(&owned[0]));
        }
        let after = mappings();
        // Other tests run meanwhile; two hundred pools of four mappings would stand out.
        assert!(after < before + 400, "round {round}: {before} mappings became {after}");
    }
}
