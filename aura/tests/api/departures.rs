//! Threads that submit and end. The kernel cancels what they leave behind; their operations must
//! not fail for it.

use std::io::Write;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aura::BufferRef;

use crate::common::{LONG, Outcomes, alone, engine_of, eventually, file_with, pattern, within};

const BLOCK: usize = 4096;

/// Writes the file's pages out and drops them, so that reads have to wait for the device.
fn make_cold(file: &std::fs::File) {
    file.sync_all().unwrap();
    // SAFETY: advice on an open file.
    let dropped = unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    assert_eq!(dropped, 0);
}

/// One read per thread, which ends at once; `polled`: while another thread processes completions.
fn cold_reads(rings: i32, reads: usize, polled: bool) {
    let engine = Arc::new(engine_of(rings, 4096));
    let data = pattern(11, reads * BLOCK);
    let file = Arc::new(file_with(&data));
    make_cold(&file);
    let memory: &'static mut [u8] = Box::leak(vec![0; reads * BLOCK].into_boxed_slice());
    let start = memory.as_mut_ptr().expose_provenance();
    let heard = Arc::new(AtomicUsize::new(0));
    let failures = Arc::new(Mutex::new(Vec::new()));
    let over = Arc::new(AtomicBool::new(false));
    let poller = polled.then(|| {
        let (engine, over) = (Arc::clone(&engine), Arc::clone(&over));
        std::thread::spawn(move || {
            while !over.load(Ordering::SeqCst) {
                drop(engine.wait(5));
            }
        })
    });
    let mut few = Vec::new();
    for number in 0..reads {
        let (engine, file) = (Arc::clone(&engine), Arc::clone(&file));
        let (heard, failures) = (Arc::clone(&heard), Arc::clone(&failures));
        let block = number.wrapping_mul(1_664_525).wrapping_add(7) % reads; // No read-ahead helps.
        few.push(std::thread::spawn(move || {
            let at = start + block * BLOCK;
            // SAFETY: the memory lasts; each block has one reader, or several of the same bytes.
            unsafe {
                let place = BufferRef::from_ptr(std::ptr::with_exposed_provenance_mut(at));
                let offset = (block * BLOCK) as i64;
                engine.read(file.as_raw_fd(), place, BLOCK, offset, move |result| {
                    if !matches!(result, Ok(BLOCK)) {
                        failures.lock().unwrap().push((block, format!("{result:?}")));
                    }
                    heard.fetch_add(1, Ordering::SeqCst);
                })
            }
            .map(drop)
            .unwrap();
            engine.flush().unwrap();
        }));
        if few.len() == 8 || number + 1 == reads {
            few.drain(..).for_each(|submitter| submitter.join().unwrap());
        }
    }
    engine.drain(LONG.as_millis() as i32).unwrap();
    over.store(true, Ordering::SeqCst);
    drop(poller.map(std::thread::JoinHandle::join));
    let failures = failures.lock().unwrap();
    assert!(failures.is_empty(), "{} of {reads}: {:?}", failures.len(), failures.first());
    assert_eq!(heard.load(Ordering::SeqCst), reads);
    for number in 0..reads {
        let block = number.wrapping_mul(1_664_525).wrapping_add(7) % reads;
        let bytes = block * BLOCK..(block + 1) * BLOCK;
        assert!(memory[bytes.clone()] == data[bytes], "block {block}");
    }
}

#[test]
fn cold_reads_of_ended_threads_succeed_when_they_are_processed_later() {
    for rings in [1, 2] {
        within(2 * LONG, "the reads", move || cold_reads(rings, 3_200, false));
    }
}

#[test]
fn cold_reads_of_ended_threads_succeed_while_they_are_processed() {
    for rings in [1, 2] {
        within(2 * LONG, "the reads", move || cold_reads(rings, 3_200, true));
    }
}

/// The read belongs to a thread that is gone when the data arrives, as do those who waited for it.
#[test]
fn a_pipe_read_outlives_its_thread_and_those_that_wait_for_it() {
    for rings in [1, 2] {
        let engine = Arc::new(engine_of(rings, 64));
        let (reader, mut writer) = std::io::pipe().unwrap();
        let buffer = engine.allocate_buffer(64).unwrap();
        let (fd, memory) = (reader.as_raw_fd(), buffer.to_ref());
        let outcomes = Outcomes::default();
        let (submitter, heard) = (Arc::clone(&engine), outcomes.clone());
        std::thread::spawn(move || {
            // SAFETY: the buffer lives until the read has completed.
            unsafe { submitter.read(fd, memory, 64, 0, heard.hear()) }.unwrap();
            submitter.flush().unwrap();
        })
        .join()
        .unwrap();
        for _ in 0..10 {
            let visitor = Arc::clone(&engine);
            let waited = std::thread::spawn(move || visitor.wait(20)).join().unwrap();
            assert!(outcomes.count() == 0, "{waited:?}, {:?}", outcomes.all());
        }
        writer.write_all(b"data").unwrap();
        let finisher = Arc::clone(&engine);
        within(LONG, "the read", move || finisher.drain(-1)).unwrap();
        assert_eq!(outcomes.all(), [Ok(4)], "{rings} rings");
        assert_eq!(&buffer.as_slice()[..4], b"data");
    }
}

#[test]
fn writes_and_syncs_of_ended_threads_succeed() {
    let engine = Arc::new(engine_of(2, 1024));
    let file = Arc::new(file_with(b""));
    let outcomes = Outcomes::default();
    let data = Arc::new(pattern(5, 256 * BLOCK));
    for block in 0..256 {
        let (engine, file, data) = (Arc::clone(&engine), Arc::clone(&file), Arc::clone(&data));
        let heard = outcomes.clone();
        std::thread::spawn(move || {
            let bytes = &data[block * BLOCK..(block + 1) * BLOCK];
            // SAFETY: the data lives until all is drained.
            unsafe {
                let place = BufferRef::from_slice(bytes);
                let offset = (block * BLOCK) as i64;
                engine.write(file.as_raw_fd(), place, BLOCK, offset, heard.hear()).unwrap();
            }
            engine.fdatasync(file.as_raw_fd(), heard.hear()).unwrap();
            engine.flush().unwrap();
        })
        .join()
        .unwrap();
    }
    engine.drain(LONG.as_millis() as i32).unwrap();
    assert_eq!(outcomes.count(), 512);
    assert!(outcomes.all().iter().all(|result| matches!(result, Ok(0 | BLOCK))));
    assert!(crate::common::contents(&file) == *data);
}

/// The number of a file that was closed meanwhile is another file's: an operation that the kernel gave up
/// on, because its thread ended, must not be done on that one.
#[test]
fn what_a_thread_left_behind_is_not_done_on_a_file_that_got_its_number() {
    const ROUNDS: usize = 200;
    if !alone("departures::what_a_thread_left_behind_is_not_done_on_a_file_that_got_its_number") {
        return;
    }
    let engine = Arc::new(engine_of(1, 64));
    let (data, other) = (vec![1; BLOCK], file_with(&vec![2; BLOCK]));
    let memory: &'static mut [u8] = Box::leak(vec![0; ROUNDS * BLOCK].into_boxed_slice());
    let outcomes = Outcomes::default();
    for place in memory.chunks_mut(BLOCK) {
        let file = file_with(&data);
        make_cold(&file);
        // SAFETY: the memory lasts, and each piece has one reader.
        let place = unsafe { BufferRef::from_mut_slice(place) };
        let fd = file.into_raw_fd();
        let (submitter, heard) = (Arc::clone(&engine), outcomes.clone());
        std::thread::spawn(move || {
            // SAFETY: as above.
            unsafe { submitter.read(fd, place, BLOCK, 0, heard.hear()) }.unwrap();
            submitter.flush().unwrap();
        })
        .join()
        .unwrap();
        engine.close(fd, |closed| assert_eq!(closed.unwrap(), 0)).unwrap();
        engine.flush().unwrap();
        // SAFETY: only asks whether the number is in use.
        eventually("closed", || unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0);
        // SAFETY: two numbers; nothing else in this process opens files.
        assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), fd) }, fd);
        // What the kernel gave up on is found only now.
        engine.drain(LONG.as_millis() as i32).unwrap();
        // SAFETY: the number that was taken just now.
        unsafe { libc::close(fd) };
    }
    let results = outcomes.all();
    let read = results.iter().filter(|result| matches!(result, Ok(BLOCK))).count();
    eprintln!("{read} of {} were read before their thread ended", results.len());
    let mut unread = 0;
    for (round, (result, bytes)) in results.iter().zip(memory.chunks(BLOCK)).enumerate() {
        assert!(!bytes.contains(&2), "round {round}: {result:?} from the other file");
        match result {
            Ok(BLOCK) => assert!(bytes == data, "round {round}"),
            Err(libc::ECANCELED | libc::EFAULT) => unread += 1,
            other => panic!("round {round}: {other:?}"),
        }
    }
    assert_eq!(read + unread, ROUNDS);
}
