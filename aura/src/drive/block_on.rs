//! Running a future on the calling thread, which processes completions while it waits.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};
use std::thread;

use super::alarm::Alarm;
use crate::engine::Engine;

/// Runs a future to its end on the calling thread, and processes the engine's completions
/// meanwhile. The fastest way to use futures: nothing is handed from thread to thread.
///
/// Callbacks and other futures' wake-ups run here too. Several threads may be in here with one
/// engine: they take turns. The future may also wait for other things than I/O; whatever wakes it
/// interrupts the wait. Several operations at once: join them, or use `FuturesUnordered`.
///
/// ```
/// let engine = aura::Engine::new()?;
/// assert_eq!(aura::block_on(&engine, async { 6 * 7 }), 42);
/// # Ok::<(), aura::Error>(())
/// ```
///
/// # Panics
///
/// In a callback of the engine: it would wait for itself.
pub fn block_on<F: Future>(engine: &Engine, future: F) -> F::Output {
    let mut future = pin!(future);
    let alarm = Alarm::set_up(&engine.inner);
    let waker = alarm.waker();
    let mut context = Context::from_waker(&waker);
    let _driving = Driving::begin(&engine.inner);
    let mut is_woken = true;
    loop {
        if is_woken && let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        if let Err(error) = engine.inner.wait_until(alarm.flag()) {
            assert!(
                !matches!(error, aura_engine::Error::InCallback(_)),
                "block_on was called in a callback of the same engine, and would wait for itself"
            );
            // The engine is of no use any more, or is another thread's. Its operations end with
            // errors; the future may wait for something else.
            while !alarm.flag().is_set() {
                thread::park();
            }
        }
        is_woken = alarm.flag().take();
    }
}

/// Says that this thread drives the engine, for as long as it lives.
pub(super) struct Driving<'e>(&'e aura_engine::Engine);

impl<'e> Driving<'e> {
    pub(super) fn begin(engine: &'e aura_engine::Engine) -> Self {
        engine.begin_driving();
        Self(engine)
    }
}

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        self.0.end_driving();
    }
}
