//! Files registered one by one: same results, places used again, and nothing reaches another file.

use std::os::fd::AsRawFd;

use aura::{Engine, File, OpenOptions};

use crate::common::{
    LONG, alone, contents, file_with, open_with, pattern, pipe, poll_once, scratch, settle,
    small_engine, within,
};

/// A result that can be compared: bytes moved, or the `errno`.
fn outcome<B>(result: Result<(usize, B), aura::OpError<B>>) -> Result<usize, i32> {
    result.map(|(bytes, _)| bytes).map_err(|error| error.errno())
}

#[test]
fn a_registered_file_behaves_as_any_other() {
    let engine = small_engine();
    let bytes = pattern(1, 10_000);
    let (plain_std, fixed_std) = (file_with(&bytes), file_with(&bytes));
    let plain = File::from_borrowed(&engine, &plain_std).unwrap();
    let fixed = File::from_borrowed(&engine, &fixed_std).unwrap();
    fixed.register().unwrap();
    fixed.register().expect("once more makes no difference");
    assert!(fixed.is_registered() && fixed.clone().is_registered() && !plain.is_registered());
    let both = |what: &str, run: &dyn Fn(&File) -> Result<usize, i32>| {
        assert_eq!(run(&plain), run(&fixed), "{what}");
    };
    let block = |future| aura::block_on(&engine, future);
    for (len, offset) in [(100, 0), (5000, 9000), (10, 10_000), (0, 5), (1, u64::MAX)] {
        both("read", &|file| {
            aura::block_on(&engine, file.read_at(vec![0; len], offset)).map_or_else(
                |error| Err(error.errno()),
                |(read, buffer)| {
                    let start = (offset as usize).min(bytes.len());
                    assert!(buffer[..read] == bytes[start..][..read]);
                    Ok(read)
                },
            )
        });
    }
    both("readv", &|file| {
        outcome(aura::block_on(&engine, file.readv_at([vec![0; 10], vec![0; 90]], 7)))
    });
    both("write", &|file| outcome(aura::block_on(&engine, file.write_at("new", 5000))));
    both("writev", &|file| outcome(aura::block_on(&engine, file.writev_at(["a", "bc"], 11_000))));
    both("pool", &|file| {
        outcome(aura::block_on(&engine, file.read_at(engine.allocate_buffer(4096).unwrap(), 0)))
    });
    for file in [&plain, &fixed] {
        block(file.sync_all()).unwrap();
        block(file.sync_data()).unwrap();
        block(file.sync_range(0, 100)).unwrap();
        block(file.set_len(20_000)).unwrap();
        block(file.allocate(20_000, 10_000)).unwrap();
        block(file.punch_hole(0, 4096)).unwrap();
        assert_eq!(aura::block_on(&engine, file.metadata()).unwrap().len(), 30_000);
    }
    assert!(contents(&plain_std) == contents(&fixed_std));
    aura::block_on(&engine, fixed.close()).unwrap();
}

/// Many more files than places, one after the other: a place goes back with its file.
#[test]
fn places_are_used_again() {
    let engine = small_engine();
    let files: Vec<std::fs::File> = (0..4).map(|seed| file_with(&pattern(seed, 64))).collect();
    for round in 0..3000_u64 {
        let seed = round % 4;
        let file = File::from_borrowed(&engine, &files[seed as usize]).unwrap();
        file.register().unwrap_or_else(|error| panic!("round {round}: {error}"));
        let (_, read) = aura::block_on(&engine, file.read_at(vec![0; 64], 0)).unwrap();
        assert!(read == pattern(seed, 64), "round {round}");
        match round % 3 {
            0 => drop(file),
            1 => drop(file.into_std().expect("nobody else has it")),
            _ => aura::block_on(&engine, file.close()).unwrap(),
        }
    }
}

#[test]
fn a_full_table_refuses_and_the_files_work_all_the_same() {
    // Alone, because of the descriptors.
    if !alone("registered::a_full_table_refuses_and_the_files_work_all_the_same") {
        return;
    }
    let limit = libc::rlimit { rlim_cur: 4096, rlim_max: 4096 };
    // SAFETY: a valid structure.
    let raised = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } == 0;
    let engine = small_engine();
    let std_file = file_with(b"contents");
    let mut files = Vec::new();
    let refused = loop {
        let Ok(file) = File::from_borrowed(&engine, &std_file) else { break None };
        match file.register() {
            Ok(()) => files.push(file),
            Err(error) => break Some((file, error)),
        }
    };
    let Some((file, error)) = refused else {
        return crate::common::skip(&format!("too few descriptors to fill a table ({raised})"));
    };
    assert_eq!(error.errno(), libc::ENFILE, "{error}");
    assert!(!file.is_registered());
    let read = |file: &File| aura::block_on(&engine, file.read_at(vec![0; 8], 0)).unwrap().1;
    assert_eq!(read(&file), b"contents");
    let options = OpenOptions::new().read(true).register(true);
    let open = aura::block_on(&engine, engine.open("/proc/self/exe", options));
    assert_eq!(open.unwrap_err().errno(), libc::ENFILE);
    assert!(files.iter().all(|file| read(file) == b"contents"));
    drop(files.pop());
    file.register().expect("a place came back");
    assert_eq!(read(&file), b"contents");
}

#[test]
fn one_table_is_for_one_way_of_registering() {
    let engine = small_engine();
    let std_file = file_with(b"contents");
    engine.register_files(&[std_file.as_raw_fd()]).unwrap();
    let file = File::from_borrowed(&engine, &std_file).unwrap();
    assert_eq!(file.register().unwrap_err().errno(), libc::EBUSY);
    let read = || aura::block_on(&engine, file.read_at(vec![0; 8], 0)).unwrap().1;
    assert_eq!(read(), b"contents");
    engine.unregister_files().unwrap();
    file.register().unwrap();
    assert_eq!(read(), b"contents");
    assert_eq!(engine.register_files(&[std_file.as_raw_fd()]).unwrap_err().errno(), libc::EBUSY);
    assert_eq!(read(), b"contents");
    drop(file);
    engine.register_files(&[std_file.as_raw_fd()]).expect("the other way, now that it is unused");
    engine.unregister_files().unwrap();
}

/// What is in flight keeps its file, and what comes later meets the next.
#[test]
fn a_place_given_back_with_operations_in_flight_is_not_mixed_up() {
    within(LONG, "registered pipes", || {
        let engine = small_engine();
        for round in 0..200_u8 {
            let (first, mut first_writer) = pipe(&engine);
            first.register().unwrap();
            let mut read = Box::pin(first.read_at(vec![0; 1], 0));
            assert!(poll_once(read.as_mut()).is_pending());
            if round % 2 == 0 {
                std::mem::forget(read);
            } else {
                drop(read);
            }
            drop(first);
            let (second, mut second_writer) = pipe(&engine);
            second.register().unwrap();
            std::io::Write::write_all(&mut second_writer, &[round]).unwrap();
            let (_, byte) = aura::block_on(&engine, second.read_at(vec![0; 1], 0)).unwrap();
            assert_eq!(byte, [round], "it went to the read of another pipe");
            let _ = std::io::Write::write_all(&mut first_writer, &[0]);
        }
        settle(&engine);
        assert_eq!(engine.stats().unwrap().current_in_flight(), 0);
    });
}

/// From several threads, while a poller is at work.
#[test]
fn threads_register_and_drop_files_at_the_same_time() {
    within(LONG, "registering on several threads", || {
        let engine = small_engine();
        let poller = engine.start_poller().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..3_u64 {
                let engine: &Engine = &engine;
                scope.spawn(move || {
                    let bytes = pattern(thread, 64);
                    let std_file = file_with(&bytes);
                    for round in 0..500 {
                        let file = File::from_borrowed(engine, &std_file).unwrap();
                        file.register().unwrap();
                        let mut reads: Vec<_> =
                            (0..4).map(|_| Box::pin(file.read_at(vec![0; 64], 0))).collect();
                        reads.iter_mut().for_each(|read| drop(poll_once(read.as_mut())));
                        reads.truncate(round % 5);
                        for read in reads {
                            let (_, read) = futures_executor::block_on(read).unwrap();
                            assert!(read == bytes);
                        }
                    }
                });
            }
        });
        drop(poller);
    });
}

#[test]
fn opening_and_registering_is_one_call() {
    let engine = small_engine();
    let named = tempfile::NamedTempFile::new_in(scratch()).unwrap();
    std::fs::write(named.path(), b"contents").unwrap();
    let options = OpenOptions::new().read(true).register(true);
    let file = aura::block_on(&engine, options.open(&engine, named.path())).unwrap();
    assert!(file.is_registered());
    assert_eq!(aura::block_on(&engine, file.read_at(vec![0; 8], 0)).unwrap().1, b"contents");
    assert_eq!(contents(&file.into_std().unwrap()), b"contents");
    let other = open_with(&engine, b"other");
    other.register().unwrap();
    assert_eq!(aura::block_on(&engine, other.read_at(vec![0; 5], 0)).unwrap().1, b"other");
}
