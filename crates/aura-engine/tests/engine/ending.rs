//! The end of an engine with operations that do not end.

use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};

use aura_engine::{
    AFTER_CANCEL, Awaited, Cargo, Config, Engine, Error, Failure, Op, QUIET, Target,
};

use crate::odd::{Heard, LONG, Odd, Orders, lasting_memory, odd_engine};

/// Room for one operation.
fn engine() -> (Arc<Engine<Odd>>, Vec<Arc<Orders>>) {
    let config = Config { queue_depth: 1, ring_count: Some(1), ..Config::default() };
    odd_engine(&Config { disable_adaptive: true, ..config })
}

fn read_of(pipe: &std::io::PipeReader) -> Op {
    Op::read(Target::Fd(pipe.as_raw_fd()), lasting_memory(64), 64, 0).unwrap()
}

#[test]
fn what_the_kernel_neither_finishes_nor_cancels_is_never_freed() {
    let (engine, orders) = engine();
    orders[0].ignore_cancels.store(true, Ordering::SeqCst);
    let (reader, _writer) = std::io::pipe().unwrap();
    let owned = Arc::new(());
    let (watched, called) = (Arc::downgrade(&owned), mpsc::channel());
    let call = move |_| called.0.send(owned).unwrap();
    // SAFETY: the memory is never given back.
    unsafe { engine.submit(&read_of(&reader), 0, call) }.unwrap();
    let (sender, dropped) = mpsc::channel();
    std::thread::spawn(move || {
        drop(engine);
        sender.send(()).unwrap();
    });
    dropped.recv_timeout(QUIET + AFTER_CANCEL + LONG).unwrap();
    assert!(called.1.try_recv().is_err(), "the callback was called");
    assert!(watched.upgrade().is_some(), "what the callback owned was freed");
}

struct Nothing;

impl Cargo for Nothing {
    type Keeper = ();
}

#[test]
fn what_never_ends_is_cancelled_at_the_end_and_what_waits_for_its_turn_is_refused() {
    let (engine, _orders) = engine();
    let (reader, _writer) = std::io::pipe().unwrap();
    let heard = Heard::default();
    // SAFETY: the memory is never given back.
    unsafe { engine.submit(&read_of(&reader), 0, heard.hear()) }.unwrap();
    // SAFETY: no memory and no file is named.
    let waiting = unsafe { Awaited::new(&*engine, Ok(Op::nop()), Nothing, None) };
    let mut waiting = Box::pin(waiting);
    let mut context = Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    engine.shutdown();
    assert_eq!(heard.all(), [-libc::ECANCELED]);
    let Poll::Ready(outcome) = waiting.as_mut().poll(&mut context) else { panic!("it waits on") };
    assert!(
        matches!(outcome.result, Err(Failure::Refused(Error::Shutdown))),
        "{:?}",
        outcome.result
    );
}
