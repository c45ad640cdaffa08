//! An engine's name: found by one thread while another gives it, takes it back, and gives another.
//!
//! This file is `unsafe` because engines are found by address.

use std::sync::Arc;

use loom::thread;

use super::entry::Entry;
use crate::models::check;

const FIRST: usize = 0x10;
const SECOND: usize = 0x20;

/// What is looked up. Loom makes sure that its parts are seen whole.
struct Engine(loom::cell::UnsafeCell<usize>);

// SAFETY: loom makes sure that it is written by one thread, before others look.
unsafe impl Sync for Engine {}
// SAFETY: as above.
unsafe impl Send for Engine {}

struct Engines {
    entry: Entry<Engine>,
    first: Engine,
    second: Engine,
}

impl Engines {
    /// With a name given and taken back before.
    fn new() -> Arc<Self> {
        let engine = || Engine(loom::cell::UnsafeCell::new(0));
        let engines = Self { entry: Entry::new(), first: engine(), second: engine() };
        engines.entry.publish(1, &raw const engines.first);
        assert!(engines.entry.begin_ending());
        engines.entry.withdraw();
        Arc::new(engines)
    }

    fn enter(&self, engine: &Engine, name: usize) {
        // SAFETY: nobody has the name yet; loom makes sure.
        engine.0.with_mut(|made| unsafe { *made = name });
        self.entry.publish(name, engine);
    }

    /// Whether the engine was found and it is the caller who ends it.
    fn find_and_end(&self, name: usize) -> bool {
        let Some(engine) = self.entry.find(name) else { return false };
        // SAFETY: the engines live as long as `self`; loom watches the access.
        let made = unsafe { (*engine).0.with(|made| *made) };
        assert_eq!(made, name, "another engine");
        let is_first = self.entry.begin_ending();
        if is_first {
            self.entry.withdraw();
        }
        is_first
    }
}

/// Whoever finds a name finds its engine, whole, and can end it; nobody finds it afterwards.
pub fn a_name_that_is_found() {
    check(4, || {
        let engines = Engines::new();
        let other = {
            let engines = Arc::clone(&engines);
            thread::spawn(move || engines.find_and_end(FIRST))
        };
        engines.enter(&engines.first, FIRST);
        let here = engines.find_and_end(FIRST);
        let there = other.join().unwrap();
        assert!(here != there, "ended by both or by none");
        assert!(engines.entry.find(FIRST).is_none());
        engines.enter(&engines.second, SECOND);
        assert!(engines.entry.find(FIRST).is_none());
        assert!(engines.find_and_end(SECOND), "marked by the end of the one before");
    });
}
