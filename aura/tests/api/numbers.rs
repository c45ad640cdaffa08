//! What the engine says about itself adds up.

use std::io::Write;
use std::os::fd::AsRawFd;

use aura::{Engine, Error, Options};

use crate::common::{Outcomes, engine_of, file_with, outcome, small_engine};

#[test]
fn every_read_and_write_is_counted_once() {
    let engine = engine_of(3, 64);
    let file = file_with(&[1; 65_536]);
    let memory = engine.allocate_buffer(4096).unwrap();
    let outcomes = Outcomes::default();
    let mut bytes = 0;
    for number in 0..500usize {
        let len = 1 + number * 8;
        bytes += len as i64;
        // SAFETY: the memory lives until all is drained; what is in it is of no interest.
        let submitted = unsafe {
            match number % 2 {
                0 => engine.read(file.as_raw_fd(), (&memory).into(), len, 0, outcomes.hear()),
                _ => engine.write(file.as_raw_fd(), (&memory).into(), len, 8192, outcomes.hear()),
            }
        };
        submitted.unwrap();
        engine.fsync(900_000, |_| ()).unwrap(); // Fails; counts as completed, and as no latency.
        while engine.pending_count() > 20 {
            engine.wait(-1).unwrap();
        }
    }
    engine.drain(-1).unwrap();
    let stats = engine.stats().unwrap();
    assert_eq!((stats.ops_completed(), stats.ops_failed()), (1_000, 500));
    assert_eq!((stats.bytes_transferred(), stats.current_in_flight()), (bytes, 0));
    assert!((1..=100).contains(&stats.peak_in_flight()), "{}", stats.peak_in_flight());
    assert!(stats.p99_latency_ms() > 0.0 && stats.throughput_bps() > 0.0);
    let sum = |of: fn(&aura::RingStats) -> i64| -> i64 {
        (0..3).map(|ring| of(&engine.ring_stats(ring).unwrap())).sum()
    };
    assert_eq!(sum(aura::RingStats::ops_completed), 1_000);
    assert_eq!(sum(aura::RingStats::bytes_transferred), bytes);
    let latencies: u32 = (0..3).map(|ring| engine.histogram(ring).unwrap().total_count()).sum();
    assert_eq!(latencies, 500, "without a controller a histogram holds all there ever were");
}

/// The second finds room by taking the first one's completion off the queue, which is called back later.
#[test]
fn no_more_have_failed_than_have_completed() {
    let engine = engine_of(1, 1);
    let counts = || {
        let (stats, ring) = (engine.stats().unwrap(), engine.ring_stats(0).unwrap());
        assert_eq!(ring.ops_completed(), stats.ops_completed());
        (stats.ops_failed(), stats.ops_completed())
    };
    let memory = engine.allocate_buffer(1).unwrap();
    for _ in 0..2 {
        let check = |result: aura::Result<usize>| assert!(result.is_err());
        // SAFETY: the memory lives until all is drained.
        unsafe { engine.read(900_000, (&memory).into(), 1, 0, check) }.unwrap();
    }
    assert_eq!(counts(), (0, 0), "nothing has been called back");
    engine.drain(-1).unwrap();
    assert_eq!(counts(), (2, 2));
}

#[test]
fn a_histogram_agrees_with_itself() {
    let engine = engine_of(1, 64);
    let empty = engine.histogram(0).unwrap();
    assert_eq!((empty.total_count(), empty.overflow()), (0, 0));
    assert_eq!([0.0, 50.0, 100.0].map(|p| empty.percentile(p)), [None; 3]);
    let (reader, mut writer) = std::io::pipe().unwrap();
    let memory = engine.allocate_buffer(64).unwrap();
    for wait_ms in [0, 5, 130] {
        let outcomes = Outcomes::default();
        let fd = reader.as_raw_fd();
        // SAFETY: the memory lives until the operation has completed.
        unsafe { engine.read(fd, (&memory).into(), 64, 0, outcomes.hear()) }.unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait_ms));
        writer.write_all(b"x").unwrap();
        engine.drain(-1).unwrap();
    }
    let full = engine.histogram(0).unwrap();
    let counted: u32 = (0..320).map(|bucket| full.bucket(bucket)).sum();
    assert_eq!((full.total_count(), full.max_tracked_us()), (3, 100_000));
    assert_eq!(counted + full.overflow(), 3);
    assert!(full.overflow() >= 1, "130 ms are beyond the highest bucket");
    assert!(full.percentile(100.0).unwrap() >= 100.0);
    for outside in [-0.1, 100.1, f64::NAN, f64::INFINITY] {
        assert_eq!(full.percentile(outside), None, "{outside}");
    }
    let mut edge = 0;
    for bucket in 0..320 {
        assert_eq!(full.bucket_lower_us(bucket), edge, "buckets leave no gap");
        edge = full.bucket_upper_us(bucket);
    }
    assert_eq!(edge, 100_000);
    for beyond in [320, usize::MAX] {
        assert_eq!((full.bucket(beyond), full.bucket_upper_us(beyond)), (0, 0));
    }
}

#[test]
fn there_are_no_other_rings() {
    let engine = engine_of(2, 16);
    assert_eq!(engine.ring_count(), 2);
    for ring in [-1, 2, i32::MIN, i32::MAX] {
        assert!(matches!(engine.ring_stats(ring), Err(Error::InvalidArgument(_))));
        assert!(matches!(engine.histogram(ring), Err(Error::InvalidArgument(_))));
    }
}

#[test]
fn rings_name_their_phase_and_size() {
    const NAMES: [&str; 7] =
        ["BASELINE", "PROBING", "STEADY", "BACKOFF", "SETTLING", "CONVERGED", "PASSTHROUGH"];
    let engine = Engine::with_options(&Options::new().queue_depth(100).ring_count(1)).unwrap();
    let ring = engine.ring_stats(0).unwrap();
    assert_eq!(ring.aimd_phase_name(), NAMES[ring.aimd_phase() as usize]);
    assert_eq!(ring.aimd_phase_name(), "PASSTHROUGH", "where an adaptive engine starts");
    assert_eq!(ring.queue_depth(), 128, "rounded up");
    assert!(ring.in_flight_limit() >= 1 && ring.batch_threshold() >= 1);
    assert!(engine.stats().unwrap().optimal_in_flight() >= 1);
    assert!(engine.stats().unwrap().optimal_batch_size() >= 1);
}

#[test]
fn the_peak_is_the_most_that_was_in_flight() {
    let engine = engine_of(1, 64);
    let (reader, mut writer) = std::io::pipe().unwrap();
    let memory = engine.allocate_buffer(64).unwrap();
    let outcomes = Outcomes::default();
    for _ in 0..37 {
        let fd = reader.as_raw_fd();
        // SAFETY: the memory lives until all is drained; what is in it is of no interest.
        unsafe { engine.read(fd, (&memory).into(), 1, 0, outcomes.hear()) }.unwrap();
    }
    assert_eq!(engine.stats().unwrap().current_in_flight(), 37);
    writer.write_all(&[1; 37]).unwrap();
    engine.drain(-1).unwrap();
    let ring = engine.ring_stats(0).unwrap();
    assert_eq!((ring.peak_in_flight(), ring.pending_count()), (37, 0));
    assert_eq!(engine.stats().unwrap().peak_in_flight(), 37);
}

#[test]
fn the_pool_counts_what_is_handed_out() {
    let engine = small_engine();
    let stats = || engine.buffer_stats().unwrap();
    assert_eq!((stats().total_buffers(), stats().total_allocated_bytes()), (0, 0));
    let buffers: Vec<_> = [1, 4096, 100_000].map(|len| engine.allocate_buffer(len).unwrap()).into();
    assert_eq!(stats().total_buffers(), 3);
    assert!(stats().total_allocated_bytes() >= 104_097);
    assert!((2..=256).contains(&stats().shard_count()));
    drop(buffers);
    assert_eq!((stats().total_buffers(), stats().total_allocated_bytes()), (0, 0));
}

#[test]
fn a_healthy_engine_has_no_fatal_error() {
    let engine = small_engine();
    assert_eq!(outcome(&engine, |done| engine.fsync(900_000, done)), Err(libc::EBADF));
    assert_eq!(engine.get_fatal_error().unwrap(), 0);
}
