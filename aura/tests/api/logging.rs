//! Log messages: one handler of the process, heard in full, harmless whatever it does. In processes
//! of their own, because the handler is the process's.

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aura::{LogLevel, clear_log_handler, log_emit, set_log_handler};

use crate::common::{alone, small_engine, within};

pub(crate) type Heard = Arc<Mutex<Vec<(LogLevel, String)>>>;

pub(crate) fn hear(heard: &Heard) {
    let log = Arc::clone(heard);
    set_log_handler(move |level, text| log.lock().unwrap().push((level, text.to_owned())));
}

#[test]
fn a_handler_hears_everything_until_it_is_replaced_or_removed() {
    if !alone("logging::a_handler_hears_everything_until_it_is_replaced_or_removed") {
        return;
    }
    log_emit(LogLevel::Error, "nobody listens");
    let (first, second) = (Heard::default(), Heard::default());
    hear(&first);
    for level in [LogLevel::Error, LogLevel::Warning, LogLevel::Debug] {
        log_emit(level, "first {} \u{1f980}");
    }
    hear(&second);
    assert_eq!(Arc::strong_count(&first), 1, "a replaced handler is dropped");
    log_emit(LogLevel::Notice, "");
    clear_log_handler();
    clear_log_handler();
    log_emit(LogLevel::Error, "nobody listens any more");
    let text = "first {} \u{1f980}".to_owned();
    let levels = [LogLevel::Error, LogLevel::Warning, LogLevel::Debug];
    assert_eq!(*first.lock().unwrap(), levels.map(|level| (level, text.clone())));
    assert_eq!(*second.lock().unwrap(), [(LogLevel::Notice, String::new())]);
}

/// It need not be `Sync`: calls from several threads take turns.
#[test]
fn a_handler_may_be_anything_that_can_be_sent() {
    if !alone("logging::a_handler_may_be_anything_that_can_be_sent") {
        return;
    }
    let total = Arc::new(Mutex::new(0));
    let sum = Arc::clone(&total);
    let calls = Cell::new(0);
    set_log_handler(move |_, _| {
        calls.set(calls.get() + 1); // Would lose counts if two were in here at once.
        *sum.lock().unwrap() = calls.get();
    });
    let threads = [(); 4]
        .map(|()| std::thread::spawn(|| (0..5_000).for_each(|_| log_emit(LogLevel::Info, "x"))));
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(*total.lock().unwrap(), 20_000);
}

#[test]
fn a_handler_that_misbehaves_harms_nobody() {
    if !alone("logging::a_handler_that_misbehaves_harms_nobody") {
        return;
    }
    std::panic::set_hook(Box::new(|_| ())); // Panics are expected.
    let engine = Arc::new(small_engine());
    let user = Arc::clone(&engine);
    set_log_handler(move |_, _| {
        log_emit(LogLevel::Error, "to itself");
        let _ = user.poll(); // It is told that this is not the place.
        let _ = user.nop(|_| ()).is_ok() && user.stats().is_ok();
        clear_log_handler();
        panic!("a bad handler");
    });
    engine.nop(|_| panic!("to be logged")).unwrap();
    let drained = Arc::clone(&engine);
    within(Duration::from_secs(20), "draining", move || drained.drain(10_000)).unwrap();
    engine.drain(10_000).unwrap();
    assert_eq!(engine.stats().unwrap().callback_panics(), 1);
    let heard = Heard::default();
    hear(&heard);
    log_emit(LogLevel::Info, "still here");
    assert_eq!(heard.lock().unwrap().len(), 1);
}
