//! A thread that processes completions, for futures on any executor.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use aura_engine::Flag;

use crate::engine::Engine;
use crate::error::{Error, Result};

/// A thread that processes an engine's completions until this is dropped. Made by
/// [`Engine::start_poller`].
///
/// Dropping it ends the thread and waits for it. If nobody else drives the engine then, no future
/// is left waiting: what completes within a moment does, the rest is cancelled and fails with
/// `ESHUTDOWN`. Operations awaited afterwards need another driver.
#[derive(Debug)]
pub struct Poller {
    engine: Arc<aura_engine::Engine>,
    orders: Arc<Orders>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is told.
#[derive(Debug, Default)]
struct Orders {
    stop: Flag,
    /// It is on its own, and brings futures to an end itself.
    nobody_waits: AtomicBool,
}

impl Engine {
    /// Starts a thread that processes completions until the returned guard is dropped. Futures and
    /// callbacks need nothing else then, on whatever executor. Futures are woken, and callbacks
    /// run, on that thread.
    ///
    /// ```
    /// let engine = aura::Engine::new()?;
    /// let poller = engine.start_poller()?;
    /// let file = aura::File::from_std(&engine, std::fs::File::open("/proc/self/exe").unwrap());
    /// // Any executor will do.
    /// let (bytes, _) = futures_executor::block_on(file.read_at(vec![0; 100], 0))?;
    /// assert_eq!(bytes, 100);
    /// drop(poller);
    /// # Ok::<(), aura::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when no thread can be started (`EAGAIN`). [`Error::InvalidArgument`] for an
    /// engine with [`Options::single_thread`](crate::Options::single_thread): it belongs to the
    /// thread that uses it, and [`block_on`](crate::block_on) is for that.
    pub fn start_poller(&self) -> Result<Poller> {
        if self.inner.config().single_thread {
            return Err(Error::InvalidArgument(
                "an engine made with single_thread cannot have a poller: use block_on",
            ));
        }
        let orders = Arc::new(Orders::default());
        let engine = self.inner.clone();
        engine.begin_driving();
        let poll = {
            let (engine, orders) = (engine.clone(), orders.clone());
            move || work(&engine, &orders)
        };
        match thread::Builder::new().name("aura-poller".into()).spawn(poll) {
            Ok(thread) => Ok(Poller { engine, orders, thread: Some(thread) }),
            Err(error) => {
                engine.end_driving();
                Err(Error::Io(error))
            }
        }
    }
}

fn work(engine: &aura_engine::Engine, orders: &Orders) {
    while !orders.stop.is_set() {
        if engine.wait_until(&orders.stop).is_err() {
            // A fatal error, which the log has told: nothing will move any more, and every
            // operation is refused.
            break;
        }
    }
    if orders.nobody_waits.load(Ordering::Acquire) {
        engine.abandon_driving();
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // Dropped by a callback or a task that runs on the thread itself, which ends when that
        // returns, and cannot be waited for here.
        let is_mine = thread.thread().id() == thread::current().id();
        self.orders.nobody_waits.store(is_mine, Ordering::Release);
        if self.orders.stop.set() {
            self.engine.nudge();
        }
        if is_mine {
            return;
        }
        // A panic of a callback does not reach the thread; one of a waker may, and was reported.
        let _: io::Result<()> = thread.join().map_err(|_| io::ErrorKind::Other.into());
        self.engine.abandon_driving();
    }
}
