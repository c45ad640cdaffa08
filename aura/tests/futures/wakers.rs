//! Wakers that do more than wake, or on the wrong thread, or panic.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, RawWaker, RawWakerVTable, Wake, Waker};

use aura::{Engine, Options};

use crate::common::{LONG, SOON, fixed_engine, open_with, pipe, small_engine, within};

#[test]
fn a_future_of_a_single_thread_engine_may_be_dropped_on_another_thread() {
    within(SOON, "a single-threaded engine", || {
        let options = Options::new().queue_depth(64).ring_count(1).single_thread(true);
        let engine = Engine::with_options(&options).unwrap();
        let file = open_with(&engine, b"contents");
        let (reader, _writer) = pipe(&engine);
        aura::block_on(&engine, file.read_at(vec![0; 8], 0)).unwrap();
        let mut read = Box::pin(reader.read_at(vec![0; 8], 0));
        assert!(crate::common::poll_once(read.as_mut()).is_pending());
        std::thread::scope(|scope| {
            scope.spawn(move || drop(read));
        });
        for _ in 0..100 {
            let read = aura::block_on(&engine, file.read_at(vec![0; 8], 0));
            assert_eq!(read.expect("the engine is as good as before").1, b"contents");
        }
    });
}

/// Without locks, two threads in the queue at the same time would damage it.
#[test]
fn futures_of_a_busy_single_thread_engine_may_be_dropped_on_another_thread() {
    within(LONG, "a single-threaded engine", || {
        let options = Options::new().queue_depth(256).ring_count(1).single_thread(true);
        let engine = Engine::with_options(&options).unwrap();
        let file = open_with(&engine, b"contents");
        let (reader, writer) = pipe(&engine);
        let reader = &reader;
        let (sender, dropped) = std::sync::mpsc::sync_channel(32);
        std::thread::scope(|scope| {
            scope.spawn(move || dropped.into_iter().for_each(drop));
            for _ in 0..20_000 {
                let mut read = Box::pin(reader.read_at(vec![0; 8], 0));
                assert!(crate::common::poll_once(read.as_mut()).is_pending());
                sender.send(read).unwrap();
                let read = aura::block_on(&engine, file.read_at(vec![0; 8], 0));
                assert_eq!(read.expect("the engine is as good as before").1, b"contents");
            }
            drop(sender);
        });
        drop(writer);
        engine.drain(LONG.as_millis() as i32).unwrap();
        assert_eq!(engine.stats().unwrap().current_in_flight(), 0);
    });
}

/// Submits whenever it is cloned, and when its last clone goes.
struct Busy(Arc<Engine>);

impl Busy {
    fn waker(self: &Arc<Self>) -> Waker {
        unsafe fn this<'a>(data: *const ()) -> &'a Arc<Busy> {
            // SAFETY: the data of these wakers are a leaked box of this.
            unsafe { &*data.cast::<Arc<Busy>>() }
        }
        fn clone(data: *const ()) -> RawWaker {
            // SAFETY: called for wakers made below.
            let busy = unsafe { this(data) };
            busy.0.nop(|_| {}).unwrap();
            RawWaker::new(Box::into_raw(Box::new(busy.clone())).cast(), &VTABLE)
        }
        fn drop(data: *const ()) {
            // SAFETY: called once for each waker.
            let busy = unsafe { Box::from_raw(data.cast::<Arc<Busy>>().cast_mut()) };
            busy.0.nop(|_| {}).unwrap();
        }
        const VTABLE: RawWakerVTable = RawWakerVTable::new(clone, drop, |_| {}, drop);
        let data = Box::into_raw(Box::new(self.clone())).cast();
        // SAFETY: the functions keep the contract: each waker owns a box.
        unsafe { Waker::from_raw(RawWaker::new(data, &VTABLE)) }
    }
}

#[test]
fn a_waker_may_use_the_engine_when_it_is_cloned_and_dropped() {
    within(SOON, "a waker that submits when it is cloned", || {
        let engine = Arc::new(small_engine());
        let file = open_with(&engine, b"contents");
        let busy = Arc::new(Busy(engine.clone()));
        let mut read = Box::pin(file.read_at(vec![0; 8], 0));
        for waker in [busy.waker(), busy.waker()] {
            let _ = Future::poll(read.as_mut(), &mut Context::from_waker(&waker));
        }
        engine.drain(LONG.as_millis() as i32).unwrap();
        aura::block_on(&engine, read).unwrap();
    });
}

struct Panicking;

impl Wake for Panicking {
    fn wake(self: Arc<Self>) {
        panic!("{PANICS}");
    }
}

const PANICS: &str = "a waker that panics";

/// Keeps thousands of backtraces out of the log, which take longer than the test.
fn panic_silently() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload().downcast_ref::<String>().is_none_or(|why| why != PANICS) {
            usual(panic);
        }
    }));
}

/// More awaitables than there are slots: the wakers of the last wait outside.
#[test]
fn a_waker_that_panics_does_no_harm_to_others() {
    panic_silently();
    within(LONG, "an engine that was frightened by a waker", || {
        let engine = fixed_engine(64);
        let file = open_with(&engine, b"contents");
        let waker = Waker::from(Arc::new(Panicking));
        let mut context = Context::from_waker(&waker);
        let mut reads: Vec<_> =
            (0..20_000).map(|_| Box::pin(file.read_at(Vec::with_capacity(8), 0))).collect();
        for read in &mut reads {
            assert!(Future::poll(read.as_mut(), &mut context).is_pending());
        }
        // A panic may come out here, or be caught as those of callbacks are.
        let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| engine.wait(1000)));
        drop((waited, reads));
        for _ in 0..3 {
            let read = aura::block_on(&engine, file.read_at(vec![0; 8], 0));
            assert_eq!(read.expect("the engine works").1, b"contents");
        }
    });
}

/// Drops what it holds when it wakes.
struct Dropping<T>(Mutex<Option<T>>, AtomicBool);

impl<T: Send> Wake for Dropping<T> {
    fn wake(self: Arc<Self>) {
        drop(self.0.lock().unwrap().take());
        self.1.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_waker_may_drop_the_future_itself_and_others() {
    within(SOON, "wakers that drop futures", || {
        let engine = Arc::new(small_engine());
        let file = Arc::new(open_with(&engine, b"contents"));
        let (reader, _writer) = pipe(&engine);
        let reader = Arc::new(reader);
        for round in 0..1000 {
            let (file, reader) = (file.clone(), reader.clone());
            let in_pipe = Box::pin(async move { reader.read_at(vec![0; 100], 0).await });
            let in_file = Box::pin(async move { file.read_at(vec![0; 8], 0).await });
            let futures = Arc::new(Dropping(Mutex::new(None), AtomicBool::new(false)));
            let waker = Waker::from(futures.clone());
            let mut both = ManuallyDrop::new((in_pipe, in_file));
            let mut context = Context::from_waker(&waker);
            assert!(both.0.as_mut().poll(&mut context).is_pending());
            let read = both.1.as_mut().poll(&mut context);
            *futures.0.lock().unwrap() = Some(ManuallyDrop::into_inner(both));
            if read.is_pending() {
                while !futures.1.load(Ordering::SeqCst) {
                    let _ = engine.wait(1000);
                }
                assert!(futures.0.lock().unwrap().is_none(), "round {round}");
            }
        }
        let pending = Arc::strong_count(&file);
        engine.drain(LONG.as_millis() as i32).unwrap();
        assert_eq!(Arc::strong_count(&file), pending.min(1));
        assert_eq!(Arc::strong_count(&reader), 1);
    });
}
