//! Descriptors that the engine has a part in: registered one by one, and closed when nothing
//! queued names them any more.
//!
//! Closing a descriptor gives its number away, and an operation that is queued, but that the
//! kernel has not taken yet, would meet another file. Operations keep their files open; what can
//! still be queued when a file is dropped are operations whose futures were forgotten.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use aura_ring::Target;

use crate::backend::Backend;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// Places in the table of files registered one by one. Every place costs a few bytes per ring.
const PLACES: usize = 1024;

/// Where a file is registered.
#[derive(Debug, PartialEq, Eq)]
pub struct FilePlace(u32);

impl FilePlace {
    /// How operations name the file.
    #[inline]
    #[must_use]
    pub fn target(&self) -> Target {
        Target::Registered(self.0)
    }
}

/// Places in the table of registered files, given out one by one.
#[derive(Debug)]
pub(crate) struct Places {
    size: u32,
    /// Never given out, from here on.
    fresh: u32,
    free: Vec<u32>,
}

impl Places {
    pub(crate) fn is_unused(&self) -> bool {
        self.free.len() == self.fresh as usize
    }

    fn take(&mut self) -> Option<u32> {
        self.free.pop().or_else(|| {
            let fresh = (self.fresh < self.size).then_some(self.fresh)?;
            self.fresh += 1;
            Some(fresh)
        })
    }
}

/// What could not be closed or given back at once.
#[derive(Debug)]
pub(crate) enum Leftover {
    Descriptor(OwnedFd),
    Place(FilePlace),
}

impl<B: Backend> Engine<B> {
    /// Registers one file on every ring.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] while files are registered by [`register_files`](Self::register_files);
    /// [`Error::Os`] with `ENFILE` when all places are taken, or for the kernel's refusal.
    pub fn register_file(&self, fd: BorrowedFd<'_>) -> Result<FilePlace> {
        self.may_register()?;
        let mut life = self.lifecycle();
        if life.files.is_some() {
            return Err(Error::Busy("files are registered as a table; unregister them first"));
        }
        if life.places.is_none() {
            life.places = Some(self.make_file_tables()?);
        }
        let places = life.places.as_mut().expect("made just now");
        let full =
            || Error::os("registering a file")(std::io::Error::from_raw_os_error(libc::ENFILE));
        let place = places.take().ok_or_else(full)?;
        for (done, ring) in self.rings.iter().enumerate() {
            // What is queued for the place names nothing, and is not meant for this file.
            let fill = || ring.backend.update_files(place, &[fd.as_raw_fd()]);
            if let Err(error) = self.with_nothing_queued(ring, fill) {
                for ring in &self.rings[..done] {
                    let _ = ring.backend.update_files(place, &[-1]);
                }
                places.free.push(place);
                return Err(Error::os("registering a file")(error));
            }
        }
        Ok(FilePlace(place))
    }

    /// An empty table on every ring, as large as the limit of descriptors allows.
    fn make_file_tables(&self) -> Result<Places> {
        let allowed = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let allowed = allowed.map_or(PLACES, |most| usize::try_from(most).unwrap_or(PLACES));
        let empty = vec![-1; PLACES.min(allowed)];
        self.register_on_all(&empty)?;
        Ok(Places { size: empty.len() as u32, fresh: 0, free: Vec::new() })
    }

    /// Gives a file's place back, after what was submitted for it has reached the kernel.
    pub fn free_file_place(&self, place: FilePlace) {
        if self.door.check().is_err() {
            self.leftovers.add(Leftover::Place(place));
            return;
        }
        let mut life = self.lifecycle();
        for ring in &self.rings {
            let emptied =
                self.with_nothing_queued(ring, || ring.backend.update_files(place.0, &[-1]));
            if emptied.is_err() {
                drop(life);
                self.leftovers.add(Leftover::Place(place));
                return;
            }
        }
        if let Some(places) = &mut life.places {
            places.free.push(place.0);
        }
    }

    /// Closes a descriptor, after what was submitted for it has reached the kernel.
    pub fn close_after_queued(&self, fd: OwnedFd) {
        if self.hand_over_all() {
            drop(fd);
        } else {
            self.leftovers.add(Leftover::Descriptor(fd));
        }
    }

    /// Makes sure that everything which was submitted has reached the kernel, so that descriptors
    /// may change. `false` if that is not possible at the moment, or on this thread.
    pub fn hand_over_all(&self) -> bool {
        let queued = |ring: usize| self.rings[ring].backend.queued() > 0;
        !self.active.iter().any(queued)
            || self.door.check().is_ok()
                && self.active.iter().all(|ring| matches!(self.rings[ring].empty_queue(), Ok(true)))
    }

    /// Tries again to close and to give back. By the thread inside the gate.
    #[cold]
    pub(crate) fn take_up_leftovers(&self) {
        for item in self.leftovers.take() {
            match item {
                Leftover::Descriptor(fd) => self.close_after_queued(fd),
                Leftover::Place(place) => self.free_file_place(place),
            }
        }
    }
}
