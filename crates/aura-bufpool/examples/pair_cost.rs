//! Nanoseconds for taking a buffer and giving it back, next to the system allocator.
//!
//! `cargo run --release -p aura-bufpool --example pair_cost`
//!
//! Every line is the best of several rounds, so that a busy machine disturbs it less; only lines of
//! one run are comparable. The work is checked: the accounting must end at zero.

use std::{
    alloc::{Layout, alloc, dealloc},
    hint::black_box,
    ptr::{NonNull, null_mut},
    sync::atomic::{AtomicPtr, AtomicU64, Ordering, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use aura_bufpool::{Pool, PoolOptions};
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 7;
const PAIRS: u32 = 200_000;

fn main() {
    let pool = Pool::new(PoolOptions::new().idle_after(Duration::MAX)).expect("a pool");
    let start = Instant::now();
    let second = Pool::new(PoolOptions::new()).expect("a second pool");
    println!("creating a pool: {} µs", start.elapsed().as_micros());

    for size in [4096, 65_536, 1 << 20] {
        let pairs = if size < 1 << 20 { PAIRS } else { PAIRS / 10 };
        report(&format!("{size} B, same thread, raw"), best(pairs, || raw_pair(&pool, size)));
        report(
            &format!("{size} B, same thread, PoolBuffer"),
            best(pairs, || owned_pair(&pool, size)),
        );
        report(&format!("{size} B, same thread, std::alloc"), best(pairs, || std_pair(size)));
    }
    let alternate = best(PAIRS / 2, || {
        raw_pair(&pool, 4096);
        raw_pair(&second, 4096);
    });
    report("4096 B, two pools in turn, raw, per pair", alternate / 2.0);
    report(
        "4096 B, 128 taken, then 128 given, per pair",
        best(PAIRS / 128, || wave(&pool)) / 128.0,
    );

    let held = pool.alloc(4096).expect("a buffer");
    let address = held.as_ptr().cast_const();
    let lookup = best(PAIRS, || {
        black_box(pool.slab_of(black_box(address)));
    });
    report("slab_of", lookup);
    pool.free(held).expect("held");

    report("4096 B, taken here, given back there", ping(&pool));
    report("4096 B, four threads, raw, CPU time", threads(|| raw_pair(&pool, 4096)));
    report("4096 B, four threads, PoolBuffer", threads(|| owned_pair(&pool, 4096)));
    report("4096 B, four threads, std::alloc", threads(|| std_pair(4096)));

    let stats = pool.stats();
    assert_eq!((stats.allocated_bytes, stats.allocated_buffers), (0, 0), "{stats:?}");
    println!("{stats:?}");
}

fn report(what: &str, ns: f64) {
    println!("{what:<52} {ns:>9.1} ns");
}

fn best(times: u32, mut work: impl FnMut()) -> f64 {
    (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            (0..times).for_each(|_| work());
            start.elapsed().as_nanos() as f64 / f64::from(times)
        })
        .fold(f64::INFINITY, f64::min)
}

fn raw_pair(pool: &Pool, size: usize) {
    let buffer = pool.alloc(black_box(size)).expect("a buffer");
    pool.free(black_box(buffer)).expect("just taken");
}

fn owned_pair(pool: &Pool, size: usize) {
    drop(black_box(pool.buffer(black_box(size)).expect("a buffer")));
}

fn std_pair(size: usize) {
    let layout = Layout::from_size_align(black_box(size), 4096).expect("a layout");
    // SAFETY: the layout has a size, and the same one frees the memory.
    unsafe { dealloc(black_box(alloc(layout)), layout) };
}

fn wave(pool: &Pool) {
    let mut taken = [NonNull::dangling(); 128];
    taken.fill_with(|| pool.alloc(4096).expect("a buffer"));
    taken.iter().for_each(|&buffer| pool.free(buffer).expect("just taken"));
}

/// One thread takes, the other gives back; they pass buffers through a ring of slots. Per buffer,
/// which includes the hand-over.
fn ping(pool: &Pool) -> f64 {
    const SLOTS: usize = 256;
    const COUNT: usize = PAIRS as usize;
    let slots = [const { AtomicPtr::<u8>::new(null_mut()) }; SLOTS];
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            for at in 0..COUNT {
                let slot = &slots[at % SLOTS];
                loop {
                    let pointer = slot.swap(null_mut(), Ordering::Acquire);
                    if let Some(buffer) = NonNull::new(pointer) {
                        break pool.free(buffer).expect("taken there");
                    }
                    thread::yield_now();
                }
            }
        });
        for at in 0..COUNT {
            let buffer = pool.alloc(4096).expect("a buffer");
            let slot = &slots[at % SLOTS];
            while !slot.load(Ordering::Relaxed).is_null() {
                thread::yield_now();
            }
            slot.store(buffer.as_ptr(), Ordering::Release);
        }
    });
    start.elapsed().as_nanos() as f64 / COUNT as f64
}

/// CPU time per pair in each of four threads, so that waiting for a CPU does not count.
fn threads(work: impl Fn() + Sync) -> f64 {
    let ns = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let start = clock_gettime(ClockId::ThreadCPUTime);
                (0..PAIRS).for_each(|_| work());
                let spent = clock_gettime(ClockId::ThreadCPUTime) - start;
                ns.fetch_add(spent.tv_sec as u64 * 1_000_000_000 + spent.tv_nsec as u64, Relaxed);
            });
        }
    });
    ns.into_inner() as f64 / 4.0 / f64::from(PAIRS)
}
