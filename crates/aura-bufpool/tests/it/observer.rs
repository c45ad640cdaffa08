//! The observer hears of every slab, in order, and may refuse to let one go.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use aura_bufpool::{Pool, PoolOptions, Retire, SlabObserver};

#[derive(Default)]
struct Recorder {
    slabs: Mutex<BTreeMap<u32, (usize, usize)>>,
    log: Mutex<Vec<(bool, u32)>>,
    refuse: AtomicBool,
}

impl SlabObserver for Recorder {
    fn slab_created(&self, index: u32, base: usize, len: usize) {
        let before = self.slabs.lock().expect("no panic").insert(index, (base, len));
        assert_eq!(before, None, "index {index} is in use");
        self.log.lock().expect("no panic").push((true, index));
        // SAFETY: the slab was just made accessible, and no buffer of it is handed out yet.
        assert_eq!(unsafe { (base as *const u8).read() }, 0, "accessible and fresh");
    }

    fn slab_retiring(&self, index: u32, base: usize, len: usize) -> Retire {
        // SAFETY: the slab's memory is still there, and no buffer of it is in use.
        unsafe { (base as *mut u8).write(0xee) };
        self.log.lock().expect("no panic").push((false, index));
        if self.refuse.load(SeqCst) {
            return Retire::Keep;
        }
        let gone = self.slabs.lock().expect("no panic").remove(&index);
        assert_eq!(gone, Some((base, len)));
        Retire::GiveBack
    }
}

fn observed(options: PoolOptions) -> (Pool, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    let pool = Pool::new(options.observer(Arc::clone(&recorder) as _)).expect("a pool");
    (pool, recorder)
}

fn log(recorder: &Recorder) -> Vec<(bool, u32)> {
    std::mem::take(&mut recorder.log.lock().expect("no panic"))
}

#[test]
fn slabs_are_announced_before_use_and_withdrawn_before_their_memory_goes() {
    let (pool, recorder) = observed(PoolOptions::new());
    assert_eq!(log(&recorder), []);
    for _ in 0..2 {
        let small = pool.alloc(4096).expect("a buffer");
        let large = pool.alloc(1 << 20).expect("a buffer");
        assert_eq!(log(&recorder), [(true, 0), (true, 1)]);
        let slab = pool.slab_of(large.as_ptr()).expect("in a slab");
        assert_eq!(recorder.slabs.lock().expect("no panic")[&1], (slab.base, slab.len));
        pool.free(small).expect("in use");
        assert_eq!(pool.trim(), 256 << 10);
        assert_eq!(log(&recorder), [(false, 0)]);
        pool.free(large).expect("in use");
        assert_eq!(pool.trim(), 1 << 20);
        assert_eq!(log(&recorder), [(false, 1)]);
        assert_eq!(pool.trim(), 0);
    }
    assert_eq!(pool.stats().slabs_retired, 4);
}

#[test]
fn a_slab_that_the_observer_keeps_stays_usable() {
    let (pool, recorder) = observed(PoolOptions::new());
    recorder.refuse.store(true, SeqCst);
    let buffer = pool.alloc(4096).expect("a buffer");
    pool.free(buffer).expect("in use");
    assert_eq!(pool.trim(), 0);
    assert_eq!(log(&recorder), [(true, 0), (false, 0)]);
    assert_eq!(pool.stats().slabs, 1);
    let again = pool.alloc(4096).expect("a buffer");
    assert_eq!(pool.slab_of(again.as_ptr()).map(|slab| slab.index), Some(0));
    let base = pool.slab_of(again.as_ptr()).expect("in a slab").base as *const u8;
    // SAFETY: the slab is accessible; its first buffer is in use by nobody or by this test.
    assert_eq!(unsafe { base.read() }, 0xee, "the observer's mark shows that the memory stayed");
    pool.free(again).expect("in use");
    recorder.refuse.store(false, SeqCst);
    assert_eq!(pool.trim(), 256 << 10);
}

#[test]
fn every_slab_is_withdrawn_when_the_pool_ends() {
    let (pool, recorder) = observed(PoolOptions::new());
    for size in [4096, 8192, 65_536, 512 << 10, 1 << 20, 8 << 20] {
        pool.alloc(size).expect("a buffer");
    }
    let kept = pool.buffer(4096).expect("a buffer");
    drop(pool);
    assert_eq!(recorder.slabs.lock().expect("no panic").len(), 6);
    drop(kept);
    assert_eq!(recorder.slabs.lock().expect("no panic").len(), 0);
}

#[test]
fn surplus_goes_at_once_and_large_slabs_first() {
    let limit = 16 << 20;
    let (pool, recorder) = observed(PoolOptions::new().keep_free_bytes(limit));
    let large: Vec<_> = (0..16).map(|_| pool.alloc(1 << 20).expect("a buffer")).collect();
    large.into_iter().for_each(|buffer| pool.free(buffer).expect("in use"));
    assert_eq!(pool.stats().idle_bytes, limit / 4);
    let small: Vec<_> = (0..10_000).map(|_| pool.alloc(4096).expect("a buffer")).collect();
    small.into_iter().for_each(|buffer| pool.free(buffer).expect("in use"));
    assert!(pool.stats().idle_bytes <= limit, "{:?}", pool.stats());
    assert!(log(&recorder).iter().filter(|(created, _)| !created).count() > 12);
}

#[test]
fn idle_slabs_go_at_a_later_slow_path_and_not_before() {
    let (pool, recorder) = observed(PoolOptions::new().idle_after(Duration::from_millis(300)));
    let buffers: Vec<_> = (0..1000).map(|_| pool.alloc(4096).expect("a buffer")).collect();
    buffers.into_iter().for_each(|buffer| pool.free(buffer).expect("in use"));
    let idle = pool.stats().idle_bytes;
    assert!(idle > 3 << 20);
    let retired = |recorder: &Recorder| log(recorder).iter().any(|(created, _)| !created);
    assert!(!retired(&recorder));
    thread::sleep(Duration::from_millis(400));
    // Meets a shard because this class has no stock yet.
    let other = pool.alloc(64 << 10).expect("a buffer");
    assert!(retired(&recorder));
    assert_eq!(pool.stats().idle_bytes, 0);
    pool.free(other).expect("in use");
}
