//! Descriptors that are closed, and whose numbers are used again, while operations on them are queued.

use std::future::Future;
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use aura::{BufferRef, Engine, File, Options, block_on};

use crate::support::{alone, scratch};

const LEN: usize = 512;
const READS: usize = 8;
const ROUNDS: usize = 300;

fn file_of(byte: u8) -> std::fs::File {
    use std::io::Write;
    let mut file = tempfile::tempfile_in(scratch()).unwrap();
    file.write_all(&[byte; LEN]).unwrap();
    file
}

/// Queues reads, without handing them over.
fn queue_reads(engine: &Engine, fd: RawFd, memory: &mut [u8], read: &Arc<AtomicUsize>) {
    for place in memory.chunks_mut(LEN) {
        let read = Arc::clone(read);
        let count = move |result: aura::Result<usize>| {
            read.fetch_add(result.unwrap_or(0), Ordering::SeqCst);
        };
        // SAFETY: the caller keeps the memory until all is drained.
        unsafe { engine.read(fd, BufferRef::from_mut_slice(place), LEN, 0, count) }.unwrap();
    }
}

#[test]
fn queued_operations_keep_their_file_though_its_number_is_used_again() {
    if !alone("faults::reuse::queued_operations_keep_their_file_though_its_number_is_used_again") {
        return;
    }
    for rings in [1, 3] {
        let options = Options::new().ring_count(rings).queue_depth(128).disable_adaptive(true);
        let engine = Engine::with_options(&options).unwrap();
        let mut reused = 0;
        for round in 0..ROUNDS {
            let (mut old, mut new) = ([0; READS * LEN], [0; READS * LEN]);
            let read = Arc::new(AtomicUsize::new(0));
            let fd = file_of(1).into_raw_fd();
            queue_reads(&engine, fd, &mut old, &read);
            engine.close(fd, |closed| assert_eq!(closed.unwrap(), 0)).unwrap();
            engine.flush().unwrap();
            let next = file_of(2);
            reused += usize::from(next.as_raw_fd() == fd);
            queue_reads(&engine, next.as_raw_fd(), &mut new, &read);
            engine.drain(60_000).unwrap();
            assert_eq!(read.load(Ordering::SeqCst), 2 * READS * LEN, "round {round}");
            assert!(old.iter().all(|byte| *byte == 1), "round {round}: of another file");
            assert!(new.iter().all(|byte| *byte == 2), "round {round}: of another file");
        }
        eprintln!("{rings} rings: the number was used again in {reused} of {ROUNDS} rounds");
        assert!(reused > 0, "no number was ever used again");
    }
}

#[test]
fn operations_of_a_dropped_file_do_not_meet_the_next_one_with_its_number() {
    if !alone(
        "faults::reuse::operations_of_a_dropped_file_do_not_meet_the_next_one_with_its_number",
    ) {
        return;
    }
    let engine = super::engine();
    for round in 0..ROUNDS {
        let file = File::from_std(&engine, file_of(1));
        let mut writes: Vec<_> =
            (0..READS).map(|_| Box::pin(file.write_at(vec![3; LEN], 0))).collect();
        for write in &mut writes {
            assert!(write.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        // The writes are queued, and nobody waits for them any more.
        drop(writes);
        drop(file);
        let next = File::from_std(&engine, file_of(2));
        block_on(&engine, async {
            let data = next.read_exact_at(vec![0; LEN], 0).await.unwrap();
            assert!(data.iter().all(|byte| *byte == 2), "round {round}: written to another file");
        });
    }
}
