//! At the in-flight limit, and beyond the slots: every operation gets its turn, or its memory back.

use std::sync::Arc;
use std::time::Duration;

use aura::{Engine, File, Options, RingSelect};

use crate::common::{SOON, fixed_engine, open_with, pipe, poll_once, settle, within};

/// A ring that lent its whole share to another has nothing in flight that would bring the poller.
#[test]
fn an_operation_on_a_ring_that_lent_its_share_gets_its_turn() {
    within(SOON, "a future on a ring whose share was lent", || {
        let options = Options::new()
            .queue_depth(16)
            .ring_count(2)
            .initial_in_flight(2)
            .disable_adaptive(true)
            .ring_select(RingSelect::RoundRobin);
        let engine = Engine::with_options(&options).unwrap();
        let file = open_with(&engine, b"contents");
        let (readers, writers): (Vec<File>, Vec<_>) = (0..2).map(|_| pipe(&engine)).unzip();
        // In turns: to the first ring, to the second, to the first again, which borrows.
        let mut reads: Vec<_> = readers
            .iter()
            .enumerate()
            .map(|(turn, reader)| {
                let mut read = Box::pin(reader.try_read_at(vec![0; 1], 0));
                assert!(poll_once(read.as_mut()).is_pending());
                if turn == 0 {
                    aura::block_on(&engine, file.read_at(vec![0; 8], 0)).unwrap();
                }
                read
            })
            .collect();
        // The limit is used up. To the second ring, which has nothing left of it.
        let mut waiting = Box::pin(file.read_at(vec![0; 8], 0));
        assert!(poll_once(waiting.as_mut()).is_pending());
        drop(writers);
        aura::block_on(&engine, waiting).unwrap();
        for read in reads.drain(..) {
            assert_eq!(aura::block_on(&engine, read).unwrap().0, 0);
        }
        for _ in 0..4 {
            aura::block_on(&engine, file.read_at(vec![0; 8], 0)).unwrap();
        }
    });
}

/// The limit is used up by reads that do not end; what waits behind them is given up.
#[test]
fn what_waited_at_the_limit_and_was_dropped_gives_its_memory_back() {
    within(SOON, "dropped reads", || {
        let engine = Arc::new(fixed_engine(8));
        let (reader, _writer) = pipe(&engine);
        let file = open_with(&engine, b"contents");
        let mut blocked: Vec<_> = (0..8).map(|_| Box::pin(reader.read_at(vec![0; 1], 0))).collect();
        for read in &mut blocked {
            assert!(poll_once(read.as_mut()).is_pending());
        }
        let before = engine.buffer_stats().unwrap().total_allocated_bytes();
        for _ in 0..500 {
            let buffer = engine.allocate_buffer(64 << 10).unwrap();
            let mut read = Box::pin(file.read_at(buffer, 0));
            assert!(poll_once(read.as_mut()).is_pending());
            drop(read);
            engine.poll().unwrap();
        }
        settle(&engine);
        let after = engine.buffer_stats().unwrap().total_allocated_bytes();
        assert!(after <= before + (1 << 20), "{after} bytes are in use, {before} were before");
        std::thread::sleep(Duration::from_millis(1));
    });
}
