//! Wakers for a thread that drives an engine while it waits.
//!
//! This file is `unsafe` because the wakers are made of raw pointers.
//!
//! Cloning and dropping such a waker does nothing: alarms are never freed. When one is no longer
//! used it waits for the next thread in need of one; a waker that is older than that wakes the wrong
//! thread, which then polls its future once too often, as futures must expect.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{RawWaker, RawWakerVTable, Waker};
use std::thread::{self, Thread};

use aura_engine::Flag;

/// Wakes a thread that waits for its flag. In use by that thread as long as this lives.
#[derive(Debug)]
pub(super) struct Alarm(&'static Shared);

#[derive(Debug)]
struct Shared {
    flag: Flag,
    /// Whom to wake, and the engine it may sleep in; `None` while nobody uses this.
    sleeper: Mutex<Option<(Thread, Arc<aura_engine::Engine>)>>,
}

/// Alarms that nobody uses.
static SPARE: Mutex<Vec<&'static Shared>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Alarm {
    /// An alarm for the calling thread, which is going to wait inside this engine.
    pub(super) fn set_up(engine: &Arc<aura_engine::Engine>) -> Self {
        let spare = lock(&SPARE).pop();
        let shared = spare.unwrap_or_else(|| {
            Box::leak(Box::new(Shared { flag: Flag::new(), sleeper: Mutex::new(None) }))
        });
        *lock(&shared.sleeper) = Some((thread::current(), engine.clone()));
        shared.flag.adopt();
        Self(shared)
    }

    #[inline]
    pub(super) fn flag(&self) -> &Flag {
        &self.0.flag
    }

    pub(super) fn waker(&self) -> Waker {
        // SAFETY: the alarm is never freed; the functions of the table need no more.
        unsafe { Waker::new(std::ptr::from_ref(self.0).cast(), &TABLE) }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.flag.disown();
        let sleeper = lock(&self.0.sleeper).take();
        lock(&SPARE).push(self.0);
        drop(sleeper); // Perhaps the last hold on an engine, so without any lock.
    }
}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, |_| ());

fn clone(alarm: *const ()) -> RawWaker {
    RawWaker::new(alarm, &TABLE)
}

#[inline]
fn wake(alarm: *const ()) {
    // SAFETY: `Alarm::waker` made it of an alarm that is never freed.
    let alarm = unsafe { &*alarm.cast::<Shared>() };
    if alarm.flag.set() {
        tell(alarm);
    }
}

#[cold]
fn tell(alarm: &Shared) {
    let sleeper = lock(&alarm.sleeper).clone();
    if let Some((thread, engine)) = sleeper {
        engine.nudge();
        thread.unpark();
    }
}
