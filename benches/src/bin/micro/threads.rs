//! Pairs of taking and giving back, by several threads.

use std::sync::Barrier;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const THREADS: u64 = 4;
/// Buffers on their way from thread to thread.
const IN_TRANSIT: usize = 256;

/// Four threads take and give back, each for itself. The time that one pair takes a thread, if all
/// threads had a CPU.
pub(crate) fn pairs(pairs: u64, pair: impl Fn() + Sync) -> Duration {
    let start = Barrier::new(THREADS as usize + 1);
    let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u64);
    std::thread::scope(|scope| {
        let threads = [(); THREADS as usize].map(|()| {
            scope.spawn(|| {
                start.wait();
                (0..pairs).for_each(|_| pair());
            })
        });
        start.wait();
        let begun = Instant::now();
        threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
        begun.elapsed() * cpus.min(THREADS) as u32 / THREADS as u32
    })
}

/// One thread takes, another gives back: the time of a pair, hand-over included, which is the same for
/// every allocator.
pub(crate) fn handed_over(
    pairs: u64,
    take: impl Fn() -> *mut u8,
    give: impl Fn(*mut u8) + Sync,
) -> Duration {
    let belt = Belt::new();
    std::thread::scope(|scope| {
        let begun = Instant::now();
        let giver = scope.spawn(|| (0..pairs).for_each(|_| give(belt.pull())));
        (0..pairs).for_each(|_| belt.put(take()));
        giver.join().expect("it does not panic");
        begun.elapsed()
    })
}

/// A queue from one thread to one other.
struct Belt {
    places: [AtomicPtr<u8>; IN_TRANSIT],
    put: Counter,
    pulled: Counter,
}

/// On a cache line of its own.
#[repr(align(128))]
struct Counter(AtomicUsize);

impl Belt {
    fn new() -> Self {
        Self {
            places: [const { AtomicPtr::new(std::ptr::null_mut()) }; IN_TRANSIT],
            put: Counter(AtomicUsize::new(0)),
            pulled: Counter(AtomicUsize::new(0)),
        }
    }

    fn put(&self, buffer: *mut u8) {
        let put = self.put.0.load(Ordering::Relaxed);
        while put - self.pulled.0.load(Ordering::Acquire) == IN_TRANSIT {
            std::thread::yield_now();
        }
        self.places[put % IN_TRANSIT].store(buffer, Ordering::Relaxed);
        self.put.0.store(put + 1, Ordering::Release);
    }

    fn pull(&self) -> *mut u8 {
        let pulled = self.pulled.0.load(Ordering::Relaxed);
        while self.put.0.load(Ordering::Acquire) == pulled {
            std::thread::yield_now();
        }
        let buffer = self.places[pulled % IN_TRANSIT].load(Ordering::Relaxed);
        self.pulled.0.store(pulled + 1, Ordering::Release);
        buffer
    }
}
