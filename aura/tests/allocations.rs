//! Operations with buffers allocate nothing: neither when they are submitted, nor at the limit, nor
//! when they complete.
//!
//! A program of its own, because it counts what the whole process allocates; so it runs its checks
//! one after the other, in one test.

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::{Future, poll_fn};
use std::io::Write;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use aura::{Engine, File, IoBuf, Options};

/// Counts, and leaves the work to the system's.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is the system allocator's doing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(memory, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Enough for everything that is made once: pages of the pool, registered memory, statistics.
const WARM_UP: usize = 2_000;
const COUNTED: usize = 5_000;

/// Allocations during `COUNTED` repetitions, after some that do not count.
fn count(mut once: impl FnMut()) -> u64 {
    (0..WARM_UP).for_each(|_| once());
    let before = ALLOCATIONS.load(Ordering::SeqCst);
    (0..COUNTED).for_each(|_| once());
    ALLOCATIONS.load(Ordering::SeqCst) - before
}

/// Waits for all, without a set that would allocate.
async fn both<A: Future + Unpin, B: Future + Unpin>(mut a: A, mut b: B) -> (A::Output, B::Output) {
    let (mut of_a, mut of_b) = (None, None);
    poll_fn(|context| {
        if of_a.is_none()
            && let Poll::Ready(output) = Pin::new(&mut a).poll(context)
        {
            of_a = Some(output);
        }
        if of_b.is_none()
            && let Poll::Ready(output) = Pin::new(&mut b).poll(context)
        {
            of_b = Some(output);
        }
        if of_a.is_some() && of_b.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    (of_a.expect("it is over"), of_b.expect("it is over"))
}

fn file(engine: &Engine) -> File {
    let mut file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    file.write_all(&[7; 64 << 10]).unwrap();
    File::from_std(engine, file)
}

#[test]
fn operations_allocate_nothing() {
    for rings in [1, 2] {
        // The controller allocates when it looks at the figures, a few times per second.
        let options = Options::new().queue_depth(64).ring_count(rings).disable_adaptive(true);
        let engine = Engine::with_options(&options).unwrap();
        for register in [false, true] {
            let file = file(&engine);
            if register {
                file.register().unwrap();
            }
            let what = format!("rings: {rings}, registered: {register}");
            of_single_operations(&engine, &file, &what);
            within_one_block_on(&engine, &file, &what);
        }
    }
    at_the_limit();
    // The counter counts.
    assert!(count(|| drop(std::hint::black_box(vec![0_u8; 100]))) >= COUNTED as u64);
}

/// A `block_on` each: that is what short programs do.
fn of_single_operations(engine: &Engine, file: &File, what: &str) {
    let mut pooled = Some(engine.allocate_buffer(4096).unwrap());
    let allocated = count(|| {
        let buffer = pooled.take().expect("it came back");
        let (_, buffer) = aura::block_on(engine, file.read_at(buffer, 0)).unwrap();
        let (_, buffer) = aura::block_on(engine, file.write_at(buffer, 4096)).unwrap();
        pooled = Some(buffer);
    });
    assert_eq!(allocated, 0, "a pool buffer used again and again; {what}");

    let allocated = count(|| {
        let buffer = engine.allocate_buffer(4096).unwrap();
        let (_, buffer) = aura::block_on(engine, file.read_at(buffer, 0)).unwrap();
        drop(buffer);
    });
    assert_eq!(allocated, 0, "a new pool buffer each time; {what}");
}

fn within_one_block_on(engine: &Engine, file: &File, what: &str) {
    let mut vector = Some(vec![0; 4096]);
    let allocated = aura::block_on(engine, async {
        let mut before = 0;
        for round in 0..WARM_UP + COUNTED {
            if round == WARM_UP {
                before = ALLOCATIONS.load(Ordering::SeqCst);
            }
            let buffer = vector.take().expect("it came back");
            let (_, buffer) = file.read_at(buffer, 0).await.unwrap();
            let (_, buffer) = file.write_at(buffer, 8192).await.unwrap();
            let part = buffer.slice(10..20);
            let buffer = file.read_at(part, 0).await.unwrap().1.into_inner();
            let buffer = file.read_exact_at(buffer, 0).await.unwrap();
            vector = Some(file.write_all_at(buffer, 0).await.unwrap());
        }
        ALLOCATIONS.load(Ordering::SeqCst) - before
    });
    assert_eq!(allocated, 0, "a vector used again and again; {what}");

    let allocated = aura::block_on(engine, async {
        let mut before = 0;
        for round in 0..WARM_UP + COUNTED {
            if round == WARM_UP {
                before = ALLOCATIONS.load(Ordering::SeqCst);
            }
            file.sync_range(0, 10).await.unwrap();
        }
        ALLOCATIONS.load(Ordering::SeqCst) - before
    });
    assert_eq!(allocated, 0, "operations without memory; {what}");
}

/// With one permit, the second of two operations waits for its turn.
fn at_the_limit() {
    let options = Options::new().queue_depth(8).ring_count(1);
    let options = options.initial_in_flight(1).disable_adaptive(true);
    let engine = Engine::with_options(&options).unwrap();
    let file = file(&engine);
    let mut buffers = Some((vec![0; 512], vec![0; 512]));
    let waited_before = engine.stats().unwrap().refused_at_limit();
    let allocated = count(|| {
        let (one, two) = buffers.take().expect("they came back");
        let (one, two) = (file.read_at(one, 0), file.read_at(two, 512));
        let (one, two) = (std::pin::pin!(one), std::pin::pin!(two));
        let (one, two) = aura::block_on(&engine, both(one, two));
        buffers = Some((one.unwrap().1, two.unwrap().1));
    });
    let waited = engine.stats().unwrap().refused_at_limit() - waited_before;
    assert!(waited >= COUNTED as u64, "they did wait: {waited}");
    assert_eq!(allocated, 0, "at the limit");
}
