//! What can be changed while an engine runs.

use aura_engine::{Config, Engine, Op};

fn engine(rings: u32) -> std::sync::Arc<Engine> {
    let config = Config { ring_count: Some(rings), queue_depth: 64, ..Config::default() };
    Engine::create(&config).expect("the kernel has io_uring")
}

#[test]
fn a_batch_threshold_holds_on_every_ring_and_can_be_given_back() {
    let engine = engine(2);
    engine.set_batch_threshold(Some(5)).unwrap();
    assert_eq!(engine.stats().batch, 5);
    for ring in 0..2 {
        assert_eq!(engine.ring_stats(ring).unwrap().batch, 5);
    }
    // Fewer than the threshold stay queued; the poller takes them along.
    for _ in 0..4 {
        // SAFETY: a no-op names no memory.
        unsafe { engine.submit(&Op::nop(), 0, |_| ()) }.unwrap();
    }
    assert_eq!(engine.drain(None).unwrap(), 4);
    engine.set_batch_threshold(None).unwrap();
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let engine = engine(2);
    assert_eq!(engine.set_batch_threshold(Some(0)).unwrap_err().errno(), libc::EINVAL);
    assert_eq!(engine.set_batch_threshold(Some(65)).unwrap_err().errno(), libc::EINVAL);
    assert_eq!(engine.set_min_in_flight(0).unwrap_err().errno(), libc::EINVAL);
    assert_eq!(engine.set_min_in_flight(129).unwrap_err().errno(), libc::EINVAL);
    engine.set_min_in_flight(128).unwrap(); // Both rings together.
}
