//! All engines of the process, by the number in their handles.
//!
//! A handle can be asked about without the engine at hand, at any time, even when the engine is
//! gone; this is where the question is sent. Not on the path of any operation.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use crate::backend::Backend;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::handle::{Handle, MAX_ENGINES};
use crate::slot::RequestInfo;

/// What a handle can be asked for.
trait Answers: Send + Sync {
    fn info(&self, handle: Handle) -> Option<RequestInfo>;
    fn is_pending(&self, handle: Handle) -> bool;
    fn cancel(&self, handle: Handle) -> Result<()>;
    fn warn_if_forgotten(&self, visits: u64);
}

struct Directory {
    /// By number; a dead entry is free. Number 0 is nobody's, so that no handle is zero.
    engines: Vec<Weak<dyn Answers>>,
    /// Where the search for a number begins. Going round makes a number rest before it is used
    /// again, so that handles of a dead engine stay dead.
    next: usize,
}

static DIRECTORY: RwLock<Directory> = RwLock::new(Directory { engines: Vec::new(), next: 1 });

/// Gives a new engine its number and lists it.
pub(crate) fn enter<B: Backend>(mut engine: Engine<B>) -> Result<Arc<Engine<B>>> {
    let mut directory = DIRECTORY.write().unwrap_or_else(PoisonError::into_inner);
    let Directory { engines, next } = &mut *directory;
    let free = |id: &usize| engines.get(*id).is_none_or(|engine| engine.strong_count() == 0);
    let id = (*next..MAX_ENGINES).chain(1..*next).find(free);
    let id = id.ok_or(Error::Busy("4095 engines are alive, the most in one process"))?;
    *next = id + 1;
    engine.id = id as u16;
    let engine = Arc::new(engine);
    let nobody: Weak<dyn Answers> = Weak::<Engine<B>>::new();
    if engines.len() <= id {
        engines.resize(id + 1, nobody);
    }
    let listed: Weak<Engine<B>> = Arc::downgrade(&engine);
    engines[id] = listed;
    Ok(engine)
}

/// An engine is gone. Its number rests, and its entry goes: as long as that is there, the engine's own memory
/// is kept.
pub(crate) fn leave(id: u16) {
    let mut directory = DIRECTORY.write().unwrap_or_else(PoisonError::into_inner);
    let entry = directory.engines.get_mut(usize::from(id));
    // Its number may be another's by now, if its end took that long.
    if let Some(entry) = entry.filter(|entry| entry.strong_count() == 0) {
        *entry = Weak::<Engine>::new();
    }
}

fn ask<T>(engine: u16, question: impl FnOnce(&dyn Answers) -> T) -> Option<T> {
    let engine = {
        let directory = DIRECTORY.read().unwrap_or_else(PoisonError::into_inner);
        directory.engines.get(usize::from(engine))?.upgrade()?
    };
    Some(question(&*engine))
}

/// Has an engine look whether its futures were forgotten since it was visited so often.
pub(crate) fn look_after(engine: u16, visits: u64) {
    ask(engine, |engine| engine.warn_if_forgotten(visits));
}

/// What is known about an operation that is in flight or whose callback is running; `None` once
/// it is over, and for a number that names none.
#[must_use]
pub fn request_info(handle: Handle) -> Option<RequestInfo> {
    ask(handle.engine(), |engine| engine.info(handle)).flatten()
}

/// Whether the operation is in flight: its callback has not begun.
#[must_use]
pub fn request_is_pending(handle: Handle) -> bool {
    ask(handle.engine(), |engine| engine.is_pending(handle)).unwrap_or(false)
}

/// Asks for an operation to be cancelled, as [`Engine::cancel`], without the engine at hand.
///
/// # Errors
///
/// As there; [`Error::AlreadyCompleted`] when the engine is gone.
pub fn request_cancel(handle: Handle) -> Result<()> {
    ask(handle.engine(), |engine| engine.cancel(handle)).unwrap_or(Err(Error::AlreadyCompleted))
}

impl<B: Backend> Answers for Engine<B> {
    fn info(&self, handle: Handle) -> Option<RequestInfo> {
        let name = handle.name();
        let slot = self.rings.get(handle.ring())?.slots.get(name.slot)?;
        slot.ask(name.generation, |slot| RequestInfo {
            handle,
            fd: slot.fd(),
            kind: slot.kind(),
            user_data: slot.word().load(Ordering::Relaxed).addr() as u64,
        })
    }

    fn is_pending(&self, handle: Handle) -> bool {
        let name = handle.name();
        let slot = self.rings.get(handle.ring()).and_then(|ring| ring.slots.get(name.slot));
        slot.is_some_and(|slot| slot.is_in_flight(name.generation))
    }

    fn cancel(&self, handle: Handle) -> Result<()> {
        self.cancel(handle)
    }

    fn warn_if_forgotten(&self, visits: u64) {
        self.warn_if_forgotten(visits);
    }
}
