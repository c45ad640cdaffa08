//! What monitoring is told agrees with what was done.

use std::os::fd::AsRawFd;

use aura::{Engine, Metrics, Options};

use crate::common::{LONG, Outcomes, file_with, outcome, small_engine};

fn counts(metrics: &Metrics, kind: &str) -> (u64, u64) {
    let operations = metrics.operation(kind).expect("a kind of operation");
    (operations.count(), operations.errors())
}

#[test]
fn every_operation_is_counted_by_kind_with_its_bytes_and_its_failure() {
    let engine = small_engine();
    let file = file_with(&[7; 10_000]);
    let fd = file.as_raw_fd();
    let buffer = engine.allocate_buffer(4096).unwrap();
    let memory = buffer.to_ref();
    for _ in 0..3 {
        // SAFETY: the buffer outlives the operation.
        outcome(&engine, |done| unsafe { engine.read(fd, memory, 4096, 8192, done) }).unwrap();
    }
    // SAFETY: as above.
    outcome(&engine, |done| unsafe { engine.write(fd, memory, 100, 0, done) }).unwrap();
    // SAFETY: as above; the descriptor is none, so the kernel refuses.
    outcome(&engine, |done| unsafe { engine.write(1 << 20, memory, 100, 0, done) }).unwrap_err();
    outcome(&engine, |done| engine.fsync(fd, done)).unwrap();

    let metrics = engine.metrics();
    assert_eq!(counts(&metrics, "read"), (3, 0));
    assert_eq!(counts(&metrics, "write"), (2, 1));
    assert_eq!(counts(&metrics, "fsync"), (1, 0));
    assert_eq!(counts(&metrics, "fdatasync"), (0, 0));
    assert!(metrics.operation("cancel").is_none());
    assert_eq!((metrics.read_bytes(), metrics.written_bytes()), (3 * (10_000 - 8192), 100));
    assert_eq!(metrics.in_flight(), 0);
    let stats = engine.stats().unwrap();
    let all: u64 = metrics.operations().map(|operations| operations.count()).sum();
    assert_eq!(all as i64, stats.ops_completed());
    assert_eq!(metrics.read_bytes() + metrics.written_bytes(), stats.bytes_transferred() as u64);
    assert_eq!(
        metrics.reading().pool_bytes,
        engine.buffer_stats().unwrap().total_allocated_bytes() as u64
    );
}

#[test]
fn the_histogram_has_every_operation_and_their_time() {
    let engine = small_engine();
    for _ in 0..200 {
        engine.nop(|_| ()).unwrap();
        engine.wait(LONG.as_millis() as i32).unwrap();
    }
    let metrics = engine.metrics();
    let nops = metrics.operation("nop").unwrap();
    let durations: Vec<_> = nops.durations().collect();
    assert!(durations.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
    assert_eq!((nops.count(), durations.last().unwrap().1), (200, 200));
    // So many in each bucket bound the sum from above.
    let mut before = 0;
    let most: std::time::Duration = durations
        .iter()
        .map(|(bound, so_far)| *bound * (so_far - std::mem::replace(&mut before, *so_far)) as u32)
        .sum();
    assert!(nops.duration_sum() <= most && !nops.duration_sum().is_zero());
}

#[test]
fn a_cancelled_operation_is_an_error_of_its_kind() {
    let engine = small_engine();
    let (reader, _writer) = std::io::pipe().unwrap();
    let buffer = engine.allocate_buffer(64).unwrap();
    let outcomes = Outcomes::default();
    // SAFETY: the buffer outlives the operation.
    let request =
        unsafe { engine.read(reader.as_raw_fd(), buffer.to_ref(), 64, 0, outcomes.hear()) }
            .unwrap();
    engine.flush().unwrap();
    assert_eq!(engine.metrics().in_flight(), 1);
    // SAFETY: the engine is the request's own.
    unsafe { engine.cancel(&request) }.unwrap();
    engine.drain(LONG.as_millis() as i32).unwrap();
    assert_eq!(outcomes.all(), [Err(libc::ECANCELED)]);
    assert_eq!(counts(&engine.metrics(), "read"), (1, 1));
}

#[test]
fn the_target_in_force_is_told_and_none_without_a_controller() {
    let target = |options: Options| {
        Engine::with_options(&options.ring_count(1)).unwrap().metrics().latency_target()
    };
    let five = std::time::Duration::from_millis(5);
    assert_eq!(target(Options::new().max_p99_latency_ms(5.0)), Some(five));
    assert_eq!(target(Options::new().disable_adaptive(true)), None);
    assert!(target(Options::new()).is_some(), "the controller's own guard");
}

#[test]
fn adjustments_and_decisions_tell_of_the_same_changes() {
    let options = Options::new().ring_count(1).queue_depth(256).max_p99_latency_ms(0.001);
    let engine = Engine::with_options(&options.initial_in_flight(128)).unwrap();
    let file = file_with(&[1; 1 << 20]);
    let buffer = engine.allocate_buffer(4096).unwrap();
    let began = std::time::Instant::now();
    // A target that nothing meets: the limit has to come down.
    while engine.metrics().adjustments().1 == 0 {
        assert!(began.elapsed() < LONG, "the limit was never lowered: {:?}", engine.decisions());
        for block in 0..256 {
            // SAFETY: reads into memory that nobody looks at, and that outlives them.
            let read = unsafe {
                engine.read(file.as_raw_fd(), buffer.to_ref(), 4096, block * 4096, |_| ())
            };
            if read.is_err() {
                engine.poll().unwrap();
            }
        }
        engine.drain(LONG.as_millis() as i32).unwrap();
    }
    let (decisions, (up, down)) = (engine.decisions(), engine.metrics().adjustments());
    let moved = |is_up| {
        let is_so = |decision: &&aura::Decision| match is_up {
            true => decision.limit() > decision.limit_before(),
            false => decision.limit() < decision.limit_before(),
        };
        decisions.iter().filter(is_so).count() as u64
    };
    assert_eq!((moved(true), moved(false)), (up, down));
    assert!(decisions.windows(2).all(|pair| pair[0].at() <= pair[1].at()));
    assert!(decisions.windows(2).all(|pair| pair[0].limit() == pair[1].limit_before()));
    assert!(decisions.iter().any(|decision| decision.to_string().contains(decision.reason())));
}

#[test]
fn reading_goes_on_beside_operations_and_nothing_ever_falls() {
    let engine = small_engine();
    let reader = engine.metrics_reader();
    let watcher = std::thread::spawn(move || {
        let (mut before, mut readings) = (0, 0);
        while let Some(metrics) = reader.read() {
            let (count, errors) = counts(&metrics, "nop");
            assert!(count >= before && errors == 0);
            (before, readings) = (count, readings + 1);
        }
        readings
    });
    for _ in 0..20_000 {
        engine.nop(|_| ()).unwrap();
        engine.poll().unwrap();
    }
    engine.drain(LONG.as_millis() as i32).unwrap();
    assert_eq!(counts(&engine.metrics(), "nop"), (20_000, 0));
    drop(engine);
    assert!(watcher.join().expect("no assertion failed") > 0);
}
