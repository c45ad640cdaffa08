//! Engines bound to the thread that creates them, of which the kernel knows.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use aura_engine::{Config, Engine, Error, Op, QUIET, Ring, Target};

use crate::odd::{Heard, LONG, file_of, lasting_memory};

fn engine() -> Arc<Engine<Ring>> {
    Engine::create(&config()).unwrap()
}

fn config() -> Config {
    Config {
        queue_depth: 16,
        ring_count: Some(1),
        single_thread: true,
        thread_bound: true,
        disable_adaptive: true,
        ..Config::default()
    }
}

fn read_of(file: &impl AsRawFd, bytes: usize) -> Op {
    Op::read(Target::Fd(file.as_raw_fd()), lasting_memory(bytes), bytes, 0).unwrap()
}

fn submit(engine: &Engine<Ring>, op: &Op, heard: &Heard) -> aura_engine::Handle {
    // SAFETY: what the operations name is never given back.
    unsafe { engine.submit(op, 0, heard.hear()) }.unwrap()
}

#[test]
fn it_completes_by_polling_and_by_waiting() {
    let (engine, file) = (engine(), file_of(7));
    for round in 0..200 {
        let heard = Heard::default();
        for _ in 0..16 {
            submit(&engine, &read_of(&file, 64), &heard);
        }
        submit_errors(&engine);
        let started = Instant::now();
        while heard.all().len() < 16 {
            assert!(started.elapsed() < LONG, "{:?}", heard.all());
            if round % 2 == 0 {
                engine.poll().unwrap();
            } else {
                engine.wait(Some(LONG)).unwrap();
            }
        }
        assert_eq!(heard.all(), [64; 16]);
    }
}

/// What other threads may not do, they are refused.
fn submit_errors(engine: &Engine<Ring>) {
    let elsewhere = thread::scope(|scope| scope.spawn(|| engine.poll()).join().unwrap());
    assert!(matches!(elsewhere, Err(Error::Invalid(_))), "{elsewhere:?}");
}

#[test]
fn another_thread_wakes_its_owner_and_cancels() {
    let engine = engine();
    let (reader, _writer) = std::io::pipe().unwrap();
    let heard = Heard::default();
    let handle = submit(&engine, &read_of(&reader, 64), &heard);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            engine.cancel(handle).unwrap();
        });
        let started = Instant::now();
        while heard.all().is_empty() {
            assert!(started.elapsed() < LONG);
            engine.wait(Some(LONG)).unwrap();
        }
    });
    assert_eq!(heard.all(), [-libc::ECANCELED]);
    assert_eq!(engine.fatal_error(), None);
}

#[test]
fn ended_by_another_thread_it_gives_up_what_it_cannot_reach() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let heard = Heard::default();
    for in_flight in [0, 1] {
        let engine = engine();
        for _ in 0..in_flight {
            submit(&engine, &read_of(&reader, 64), &heard);
            engine.poll().unwrap();
        }
        let started = Instant::now();
        thread::spawn(move || drop(engine)).join().unwrap();
        assert!(started.elapsed() < QUIET, "it waited for what it cannot reach");
    }
    assert!(heard.all().is_empty());
}

#[test]
fn it_goes_with_one_thread_only() {
    let refused = Engine::<Ring>::create(&Config { single_thread: false, ..config() });
    assert!(matches!(refused, Err(Error::Invalid(text)) if text.contains("thread_bound")));
}
