//! A worker's engine and the memory of its I/Os. This file is `unsafe` because the engine is told where
//! that memory is.
//!
//! Slots are numbers: one I/O in flight each, with a buffer that lives as long as the queue. A callback
//! only notes slot and result; what to make of them is the worker's business, after the wait.

use std::cell::UnsafeCell;
use std::os::fd::RawFd;

use aura::{Buffer, BufferRef, Engine, Options};

/// An I/O that has completed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Completion {
    pub(super) slot: u32,
    /// Bytes, or an `errno` below zero.
    pub(super) result: i32,
}

/// What to do with a slot.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    Read { fd: RawFd, at: u32, length: u32, offset: u64 },
    Write { fd: RawFd, at: u32, length: u32, offset: u64 },
    Fsync { fd: RawFd },
    Fdatasync { fd: RawFd },
}

/// An engine, its buffers, and what has completed.
pub(super) struct Queue {
    engine: Engine,
    buffers: Vec<Buffer>,
    /// How many of them belong to slots; the others are there for the next.
    slots: u32,
    buffer_bytes: usize,
    in_flight: u32,
    completions: Box<Completions>,
}

/// Written by callbacks, read by the queue, both on the thread that waits.
struct Completions(UnsafeCell<Vec<Completion>>);

/// Where callbacks leave completions.
#[derive(Clone, Copy)]
struct Mailbox(*const Completions);

// SAFETY: the engine is used by one thread only, which it checks itself; so callbacks run there.
unsafe impl Send for Mailbox {}

impl Queue {
    /// An engine with these options, and slots with buffers of so many bytes.
    pub(super) fn new(options: Options, buffer_bytes: usize) -> aura::Result<Self> {
        let options = options.single_thread(true).thread_bound(true).ring_count(1);
        let engine = Engine::with_options(&options)?;
        let completions = Box::new(Completions(UnsafeCell::new(Vec::with_capacity(64))));
        Ok(Self { engine, buffers: Vec::new(), slots: 0, buffer_bytes, in_flight: 0, completions })
    }

    /// A queue for the same I/Os on an engine with other options.
    pub(super) fn successor(&self, options: Options) -> aura::Result<Self> {
        Self::new(options, self.buffer_bytes)
    }

    /// The engine, for its statistics.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// How many slots there are.
    pub(super) fn slots(&self) -> u32 {
        self.slots
    }

    /// Makes the buffers of the first so many slots, which can be added without delay then.
    pub(super) fn reserve(
        &mut self,
        slots: u32,
        mut fill: impl FnMut(&mut [u8]),
    ) -> aura::Result<()> {
        while (self.buffers.len() as u32) < slots {
            let mut buffer = self.engine.allocate_buffer(self.buffer_bytes)?;
            fill(buffer.as_mut_slice());
            self.buffers.push(buffer);
        }
        Ok(())
    }

    /// Adds a slot; `fill` gives its buffer a content if it is new.
    pub(super) fn add_slot(&mut self, fill: impl FnMut(&mut [u8])) -> aura::Result<u32> {
        self.reserve(self.slots + 1, fill)?;
        self.slots += 1;
        Ok(self.slots - 1)
    }

    /// The memory of a slot that is not in flight.
    pub(super) fn buffer(&mut self, slot: u32) -> &mut [u8] {
        self.buffers[slot as usize].as_mut_slice()
    }

    /// I/Os that have not completed.
    #[inline]
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Starts an I/O in a slot that has none.
    ///
    /// `Ok(false)` if the engine's limit leaves no room: wait, then try again.
    #[inline]
    pub(super) fn submit(&mut self, slot: u32, operation: Operation) -> aura::Result<bool> {
        let mailbox = Mailbox(&raw const *self.completions);
        let done = move |result: aura::Result<usize>| {
            // The whole of it, not its field: that is what is `Send`.
            let mailbox = mailbox;
            let result = match result {
                Ok(bytes) => bytes as i32,
                Err(error) => -error.errno(),
            };
            // SAFETY: the completions are boxed, and the queue keeps them until nothing is in flight.
            // Callbacks run one at a time inside `wait`, which holds no reference to the vector.
            unsafe { (*(*mailbox.0).0.get()).push(Completion { slot, result }) };
        };
        let memory = |at: u32| {
            let buffer = &self.buffers[slot as usize];
            debug_assert!((at as usize) < buffer.len());
            // SAFETY: `at` lies within the buffer.
            unsafe { BufferRef::from_ptr(buffer.as_ptr().add(at as usize).cast_mut().cast()) }
        };
        let engine = &self.engine;
        // SAFETY: the slot's buffer is left alone while its I/O is in flight, and outlives it: slots are
        // not removed, and the queue is not dropped before everything has completed. `at + length` is
        // within the buffer by the caller's arithmetic, which `Io` does on lengths it chose itself.
        let submitted = unsafe {
            match operation {
                Operation::Read { fd, at, length, offset } => {
                    engine.read(fd, memory(at), length as usize, offset as i64, done)
                }
                Operation::Write { fd, at, length, offset } => {
                    engine.write(fd, memory(at), length as usize, offset as i64, done)
                }
                Operation::Fsync { fd } => engine.fsync(fd, done),
                Operation::Fdatasync { fd } => engine.fdatasync(fd, done),
            }
        };
        match submitted {
            Ok(_) => {
                self.in_flight += 1;
                Ok(true)
            }
            Err(aura::Error::Submission(error)) if error.raw_os_error() == Some(libc::EAGAIN) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits for a completion, for so long at most.
    #[inline]
    pub(super) fn wait(&mut self, timeout_ms: i32) -> aura::Result<()> {
        match self.engine.wait(timeout_ms) {
            Ok(_) => Ok(()),
            Err(aura::Error::Io(error)) if error.raw_os_error() == Some(libc::ETIMEDOUT) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The descriptor that is readable when something has completed.
    pub(super) fn poll_fd(&self) -> aura::Result<RawFd> {
        self.engine.poll_fd()
    }

    /// Moves what has completed into `taken`, which is emptied first.
    #[inline]
    pub(super) fn take_completions(&mut self, taken: &mut Vec<Completion>) {
        taken.clear();
        // SAFETY: no callback is running, because nothing waits now, and no other reference exists.
        std::mem::swap(taken, unsafe { &mut *self.completions.0.get() });
        self.in_flight -= taken.len() as u32;
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let mut taken = Vec::new();
        while self.in_flight > 0 {
            if let Err(error) = self.engine.wait(-1) {
                // Buffers that the kernel still writes to must not be given back.
                eprintln!("bffio: the engine failed with I/O in flight: {error}");
                std::process::abort();
            }
            self.take_completions(&mut taken);
        }
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Queue").field("in_flight", &self.in_flight).finish_non_exhaustive()
    }
}
