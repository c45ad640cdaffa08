//! Full queues: what is refused, when, and that nothing is lost by it.

use std::io::Write;

use aura_ring::{Cqe, PushError, Ring, RingConfig, Sqe};

use crate::support::{push, reap, reap_exactly, ring, target, try_push};

fn labels(cqes: &[Cqe]) -> Vec<u64> {
    let mut labels: Vec<u64> = cqes.iter().map(|cqe| cqe.user_data).collect();
    labels.sort_unstable();
    labels
}

fn queued(ring: &Ring) -> u32 {
    ring.queued()
}

#[test]
fn sizes_are_rounded_up_and_reported() {
    let config = RingConfig { entries: 5, cq_entries: Some(33), ..RingConfig::default() };
    let features = Ring::new(&config).unwrap().features().clone();
    assert_eq!((features.sq_entries, features.cq_entries), (8, 64));
    let features = ring(16).features().clone();
    assert_eq!((features.sq_entries, features.cq_entries), (16, 32));
}

#[test]
fn a_full_submission_queue_takes_more_after_a_submit() {
    let config = RingConfig { entries: 4, cq_entries: Some(64), ..RingConfig::default() };
    let ring = Ring::new(&config).unwrap();
    for batch in 0..10_u64 {
        for label in 0..4 {
            assert_eq!(u64::from(queued(&ring)), label);
            push(&ring, Sqe::nop().user_data(batch * 4 + label));
        }
        let refused = try_push(&ring, Sqe::nop().user_data(999));
        assert_eq!(refused, Err(PushError::QueueFull));
        assert_eq!((queued(&ring), ring.in_flight()), (4, batch as u32 * 4 + 4));
        assert_eq!(ring.submit().unwrap(), 4);
        assert_eq!(queued(&ring), 0);
    }
    assert_eq!(labels(&reap_exactly(&ring, 40)), (0..40).collect::<Vec<_>>());
    assert_eq!(ring.in_flight(), 0);
}

#[test]
fn unreaped_completions_are_bounded_by_the_completion_queue() {
    let ring = ring(4);
    let limit = u64::from(ring.features().cq_entries);
    for round in 0..3 {
        for label in 0..limit {
            if try_push(&ring, Sqe::nop().user_data(label)) == Err(PushError::QueueFull) {
                ring.submit().unwrap();
                push(&ring, Sqe::nop().user_data(label));
            }
        }
        ring.submit().unwrap();
        assert_eq!(u64::from(ring.in_flight()), limit, "round {round}");
        assert_eq!(try_push(&ring, Sqe::nop()), Err(PushError::TooManyInFlight));
        assert!(!ring.needs_enter(), "the completion queue has room for all of them");
        assert_eq!(labels(&reap(&ring)), (0..limit).collect::<Vec<_>>());
        assert_eq!(ring.in_flight(), 0);
    }
}

#[test]
fn running_operations_are_bounded_by_the_completion_queue() {
    let (ring, (reader, mut writer)) = (ring(8), std::io::pipe().unwrap());
    let limit = u64::from(ring.features().cq_entries);
    let mut bytes = vec![0u8; limit as usize + 1];
    let mut read = |label: u64| {
        let place = &mut bytes[label as usize];
        Sqe::read(target(&reader), place, 1, u64::MAX).user_data(label)
    };
    for label in 0..limit {
        push(&ring, read(label));
        ring.submit().unwrap();
    }
    assert_eq!(try_push(&ring, read(limit)), Err(PushError::TooManyInFlight));
    assert!(reap(&ring).is_empty());

    // One completion makes room for exactly one.
    writer.write_all(b"x").unwrap();
    assert_eq!(reap_exactly(&ring, 1)[0].result, 1);
    push(&ring, read(limit));
    assert_eq!(try_push(&ring, Sqe::nop()), Err(PushError::TooManyInFlight));

    writer.write_all(&vec![b'x'; limit as usize]).unwrap();
    let cqes = reap_exactly(&ring, limit as usize);
    assert!(cqes.iter().all(|cqe| cqe.result == 1));
    assert_eq!(bytes, vec![b'x'; limit as usize + 1]);
}

#[test]
fn reaping_takes_no_more_than_there_is_room_for_and_keeps_the_order() {
    let ring = ring(16);
    for label in 0..10 {
        push(&ring, Sqe::nop().user_data(label));
    }
    ring.submit().unwrap();
    let mut seen = Vec::new();
    for size in [3, 0, 1, 4, 64] {
        assert!(ring.has_completions());
        let mut out = vec![Cqe::default(); size];
        // SAFETY: this test has one thread.
        let count = unsafe { ring.reap(&mut out) };
        assert_eq!(count, size.min(10 - seen.len()));
        seen.extend(out[..count].iter().map(|cqe| cqe.user_data));
    }
    assert_eq!(seen, (0..10).collect::<Vec<u64>>());
    assert!(!ring.has_completions());
}
