//! Request handles: they never dangle, and cancelling never loses or doubles a completion.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};

use aura::{BufferRef, Engine, Error, RequestHandle};

use crate::common::{LONG, engine_of, file_with, outcome, small_engine, within};

/// What a handle answers: pending, descriptor, operation.
fn answers(request: &RequestHandle) -> (bool, i32, i32) {
    // SAFETY: none needed.
    unsafe { (request.is_pending(), request.fd(), request.op_type()) }
}

#[track_caller]
fn is_over(engine: &Engine, request: &RequestHandle) {
    assert_eq!(answers(request), (false, -1, -1));
    let error = engine.cancel_request(request).unwrap_err();
    assert!(matches!(error, Error::Io(_)) && error.errno() == libc::EALREADY, "{error:?}");
}

#[test]
fn a_stale_handle_says_that_it_is_over_even_when_its_slot_is_in_use_again() {
    let engine = engine_of(1, 1);
    let first = engine.nop(|_| ()).unwrap();
    assert!(first.pending());
    engine.drain(-1).unwrap();
    is_over(&engine, &first);
    for _ in 0..1_000 {
        let now = engine.nop(|_| ()).unwrap();
        is_over(&engine, &first);
        assert!(now.pending());
        engine.drain(-1).unwrap();
    }
    drop(engine);
    assert_eq!(answers(&first), (false, -1, -1));
    // SAFETY: none needed.
    assert!(unsafe { first.user_data() }.is_null());
    assert!(format!("{first:?}").contains("RequestHandle"));
}

#[test]
fn a_handle_belongs_to_its_engine() {
    let (one, two) = (small_engine(), small_engine());
    let request = one.nop(|_| ()).unwrap();
    assert!(matches!(two.cancel_request(&request), Err(Error::InvalidArgument(_))));
    one.drain(-1).unwrap();
    drop(one);
    assert!(matches!(two.cancel_request(&request), Err(Error::InvalidArgument(_))));
    // Whoever comes after it must not be taken for it.
    let three = small_engine();
    let _alive = three.nop(|_| ()).unwrap();
    assert_eq!(answers(&request), (false, -1, -1));
    assert!(three.cancel_request(&request).is_err());
}

#[test]
fn handles_know_every_operation() {
    let engine = small_engine();
    let file = file_with(&[1; 64]);
    let fd = file.as_raw_fd();
    let memory: &'static mut [u8] = Box::leak(vec![0; 64].into_boxed_slice());
    let iov: &'static [aura::iovec] = Box::leak(Box::new([aura::iovec {
        iov_base: memory.as_mut_ptr().cast(),
        iov_len: memory.len(),
    }]));
    // SAFETY: all memory lasts; what is written to it is of no interest.
    let place = unsafe { BufferRef::from_ptr(iov[0].iov_base) };
    // SAFETY: a statx of zeros is valid.
    let status: &'static mut aura::statx = Box::leak(Box::new(unsafe { std::mem::zeroed() }));
    let at = libc::AT_FDCWD;
    // SAFETY: as above.
    let requests = unsafe {
        [
            (engine.read(fd, place, 64, 0, drop), fd, 0),
            (engine.write(fd, place, 64, 0, drop), fd, 1),
            (engine.readv(fd, iov, 0, drop), fd, 2),
            (engine.writev(fd, iov, 0, drop), fd, 3),
            (engine.fsync(fd, drop), fd, 4),
            (engine.fdatasync(fd, drop), fd, 5),
            (engine.openat(at, c"/no/such", 0, 0, drop), at, 9),
            (engine.statx(at, c"/", 0, 0, status, drop), at, 11),
            (engine.fallocate(fd, 0, 0, 1, drop), fd, 12),
            (engine.ftruncate(fd, 64, drop), fd, 13),
            (engine.sync_file_range(fd, 0, 0, 0, drop), fd, 14),
            (engine.nop(drop), -1, 15),
            (engine.close(900_000, drop), 900_000, 10),
        ]
    };
    for (request, fd, op) in &requests {
        // Handing over the close hands the others over too, but nobody processes them.
        assert_eq!(answers(request.as_ref().unwrap()), (true, *fd, *op));
    }
    engine.drain(-1).unwrap();
    for (request, ..) in &requests {
        is_over(&engine, request.as_ref().unwrap());
    }
}

#[test]
fn in_its_own_callback_a_request_is_not_pending_but_known() {
    let engine = small_engine();
    let file = file_with(&[1; 64]);
    let fd = file.as_raw_fd();
    let (give, given) = mpsc::channel::<RequestHandle>();
    let (sender, asked) = mpsc::channel();
    let request = engine
        .fsync(fd, move |_| {
            let mine = given.recv().unwrap();
            sender.send((answers(&mine), mine)).unwrap();
        })
        .unwrap();
    give.send(request).unwrap();
    engine.drain(-1).unwrap();
    let (inside, request) = asked.recv().unwrap();
    assert_eq!(inside, (false, fd, 4));
    is_over(&engine, &request);
}

/// Cancels at random moments: reads that never end alone, and reads that end at once.
fn cancel_race(rings: i32, operations: usize) {
    let engine = Arc::new(engine_of(rings, 256));
    let (reader, writer) = std::io::pipe().unwrap();
    let file = file_with(&[1; 4096]);
    let completions: Arc<Vec<AtomicU32>> =
        Arc::new((0..operations).map(|_| AtomicU32::new(0)).collect());
    let (sender, requests) = mpsc::channel::<RequestHandle>();
    let canceller = Arc::clone(&engine);
    let canceller = std::thread::spawn(move || {
        for request in requests {
            // Twice: the second finds it under way, over, or its slot in use by another.
            for _ in 0..2 {
                while let Err(error) = canceller.cancel_request(&request) {
                    if error.errno() != libc::EBUSY {
                        assert_eq!(error.errno(), libc::EALREADY);
                        break;
                    }
                    std::thread::yield_now();
                }
            }
        }
    });
    let memory = engine.allocate_buffer(4096).unwrap();
    for number in 0..operations {
        let never = number % 4 != 0;
        let fd = if never { reader.as_raw_fd() } else { file.as_raw_fd() };
        loop {
            let all = Arc::clone(&completions);
            let heard = move |result: aura::Result<usize>| {
                all[number].fetch_add(1, Ordering::SeqCst);
                match result {
                    Err(Error::Cancelled) => {}
                    Ok(4096) if !never => {}
                    Ok(0) if never => {} // Counted below.
                    other => panic!("{other:?}"),
                }
            };
            // SAFETY: the memory lives until all is drained; what is in it is of no interest.
            match unsafe { engine.read(fd, (&memory).into(), 4096, 0, heard) } {
                Ok(request) => break sender.send(request).unwrap(),
                Err(error) => assert_eq!(error.errno(), libc::EAGAIN),
            }
            drop(engine.wait(1));
        }
        if number % 3 == 0 {
            engine.poll().unwrap();
        }
    }
    drop(sender);
    while !canceller.is_finished() {
        drop(engine.wait(1));
    }
    canceller.join().unwrap();
    let drained = engine.drain(5_000);
    drop(writer); // Ends the reads that were not cancelled.
    engine.drain(LONG.as_millis() as i32).unwrap();
    assert!(drained.is_ok(), "cancellations were accepted and had no effect: {drained:?}");
    let wrong = completions.iter().filter(|count| count.load(Ordering::SeqCst) != 1).count();
    assert_eq!(wrong, 0, "operations without exactly one completion");
    assert_eq!(engine.stats().unwrap().callback_panics(), 0);
    assert_eq!(engine.stats().unwrap().ops_completed(), operations as i64);
}

#[test]
fn cancelling_at_any_moment_leaves_one_completion_each() {
    // As many as `AURA_TEST_OPERATIONS` asks for.
    let wanted = std::env::var("AURA_TEST_OPERATIONS").ok();
    let operations = wanted.map_or(100_000, |text| text.parse().expect("a number"));
    let limit = 4 * LONG + std::time::Duration::from_millis(operations as u64);
    for rings in [1, 2] {
        within(limit, "the race", move || cancel_race(rings, operations / 2));
    }
}

#[test]
fn cancelling_is_accepted_by_the_documented_name_too() {
    let engine = small_engine();
    let (reader, _writer) = std::io::pipe().unwrap();
    let memory = engine.allocate_buffer(64).unwrap();
    let heard = outcome(&engine, |done| {
        // SAFETY: the memory lives until the operation has completed.
        unsafe {
            let request = engine.read(reader.as_raw_fd(), (&memory).into(), 64, 0, done)?;
            engine.cancel(&request)?;
            Ok(request)
        }
    });
    assert_eq!(heard, Err(libc::ECANCELED));
}
