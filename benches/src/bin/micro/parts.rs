//! What is measured.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;

use aura_aimd::{Config, Controller, Latency, Window};
use aura_bench::content::mix;
use aura_bench::{BLOCK_BYTES, Error};
use aura_bufpool::{Pool, PoolOptions};
use aura_engine::RingSelect;
use aura_engine::internals::{Choice, SlotCycle};
use aura_histogram::LatencyHistogram;
use criterion::{BatchSize, Criterion};
use mimalloc::MiMalloc;

use crate::threads;

/// Latencies that go round: as many as fit the first-level cache.
const LATENCIES: usize = 1024;

pub(crate) fn measure(criterion: &mut Criterion) -> Result<(), Error> {
    histogram(criterion)?;
    pool(criterion)?;
    engine(criterion)?;
    controller(criterion)
}

/// Recording, of latencies within a tenth of each other and of latencies all over the range.
fn histogram(criterion: &mut Criterion) -> Result<(), Error> {
    let alike = |draw: u64| 90_000 + draw % 10_000;
    let spread = |draw: u64| (1_000 << (draw % 16)) + draw % 1_000;
    let draws = || (0..LATENCIES as u64).map(mix);
    let kinds: [(_, Vec<u64>); 2] =
        [("alike", draws().map(alike).collect()), ("spread", draws().map(spread).collect())];
    let mut group = criterion.benchmark_group("histogram");
    for (name, latencies) in kinds {
        let ours = LatencyHistogram::new();
        group.bench_function(format!("record-{name}"), |bencher| {
            let mut latencies = latencies.iter().cycle();
            bencher.iter(|| ours.record(*latencies.next().unwrap_or(&0)));
        });
        let mut reference = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 100_000_000, 2)?;
        group.bench_function(format!("hdrhistogram-{name}"), |bencher| {
            let mut latencies = latencies.iter().cycle();
            bencher.iter(|| reference.saturating_record(*latencies.next().unwrap_or(&0)));
        });
    }
    group.finish();
    Ok(())
}

/// Taking a page-aligned buffer and giving it back.
fn pool(criterion: &mut Criterion) -> Result<(), Error> {
    let pool = Pool::new(PoolOptions::new())?;
    let layout = Layout::from_size_align(BLOCK_BYTES, BLOCK_BYTES)?;
    let mut group = criterion.benchmark_group("pool");
    group.bench_function("pair", |bencher| {
        bencher.iter(|| {
            let buffer = pool.alloc(BLOCK_BYTES).expect("one buffer");
            pool.free(black_box(buffer)).expect("it is the pool's");
        });
    });
    group.bench_function("pair-owned", |bencher| {
        bencher.iter(|| drop(black_box(pool.buffer(BLOCK_BYTES))));
    });
    group.bench_function("system-pair", |bencher| bencher.iter(|| pair_of(&System, layout)));
    group.bench_function("mimalloc-pair", |bencher| bencher.iter(|| pair_of(&MiMalloc, layout)));
    group.bench_function("four-threads", |bencher| {
        bencher.iter_custom(|pairs| {
            threads::pairs(pairs, || {
                let buffer = pool.alloc(BLOCK_BYTES).expect("one buffer");
                pool.free(black_box(buffer)).expect("it is the pool's");
            })
        });
    });
    group.bench_function("system-four-threads", |bencher| {
        bencher.iter_custom(|pairs| threads::pairs(pairs, || pair_of(&System, layout)));
    });
    group.bench_function("mimalloc-four-threads", |bencher| {
        bencher.iter_custom(|pairs| threads::pairs(pairs, || pair_of(&MiMalloc, layout)));
    });
    group.bench_function("cross-thread", |bencher| {
        bencher.iter_custom(|pairs| {
            let take = || pool.alloc(BLOCK_BYTES).expect("a buffer").as_ptr();
            threads::handed_over(pairs, take, |buffer| {
                let buffer = std::ptr::NonNull::new(buffer).expect("as it was taken");
                pool.free(buffer).expect("it is the pool's");
            })
        });
    });
    for (name, allocator) in
        [("system", &System as &(dyn GlobalAlloc + Sync)), ("mimalloc", &MiMalloc)]
    {
        group.bench_function(format!("{name}-cross-thread"), |bencher| {
            bencher.iter_custom(|pairs| {
                // SAFETY: the layout has a size.
                let take = || unsafe { allocator.alloc(layout) };
                // SAFETY: taken from the same allocator with the same layout.
                threads::handed_over(pairs, take, |buffer| unsafe {
                    allocator.dealloc(buffer, layout);
                })
            });
        });
    }
    group.finish();
    Ok(())
}

#[inline]
fn pair_of(allocator: &impl GlobalAlloc, layout: Layout) {
    // SAFETY: the layout has a size; what is freed was allocated with it.
    unsafe { allocator.dealloc(black_box(allocator.alloc(layout)), layout) };
}

/// An operation's way through its slot, and the choice of a ring.
fn engine(criterion: &mut Criterion) -> Result<(), Error> {
    let mut group = criterion.benchmark_group("engine");
    let mut slots = SlotCycle::new()?;
    group.bench_function("slot-cycle", |bencher| bencher.iter(|| slots.cycle()));
    let modes = [
        ("adaptive", RingSelect::Adaptive),
        ("cpu-local", RingSelect::CpuLocal),
        ("round-robin", RingSelect::RoundRobin),
    ];
    for (name, mode) in modes {
        let choice = Choice::new(mode, 8);
        group.bench_function(format!("select-{name}"), |bencher| bencher.iter(|| choice.choose()));
    }
    group.finish();
    Ok(())
}

/// A window of observations into the controller. There is one every few milliseconds.
fn controller(criterion: &mut Criterion) -> Result<(), Error> {
    const WINDOW_NS: u64 = 10_000_000;
    let mut controller = Controller::new(Config::default())?;
    let mut now_ns = 0;
    criterion.benchmark_group("controller").bench_function("window", |bencher| {
        let next = || {
            now_ns += WINDOW_NS;
            let p99_ns = 100_000 + mix(now_ns) % 50_000;
            Window {
                now_ns,
                duration_ns: WINDOW_NS,
                operations: 1_000,
                bytes: 1_000 * BLOCK_BYTES as u64,
                in_flight_avg: 30.0,
                in_flight_max: 32,
                gated: 10,
                latency: Latency {
                    samples: 1_000,
                    p99_ns,
                    mean_ns: p99_ns / 2,
                    ..Latency::default()
                },
                ..Window::default()
            }
        };
        bencher.iter_batched(next, |window| controller.on_window(&window), BatchSize::SmallInput);
    });
    Ok(())
}
