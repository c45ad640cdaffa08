//! The fake kernel as the engine sees it.
//!
//! This file is `unsafe` because a [`Backend`] promises what the engine's memory safety rests on.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use aura_engine::SetupError;
use aura_engine::backend::Backend;
use aura_ring::{Cqe, Opcode, PushError, RingConfig, Sqe, Wake};
use rustix::event::{EventfdFlags, eventfd};

use super::kernel::Kernel;
use super::player;

thread_local! {
    /// The kernel of the engine that is being made.
    static KERNEL: RefCell<Option<Arc<Kernel>>> = const { RefCell::new(None) };
    static NOW_NS: Cell<u64> = const { Cell::new(0) };
}

/// The kernel for engines made on this thread from now on, and a fresh clock.
pub(super) fn install(kernel: Option<Arc<Kernel>>) {
    KERNEL.set(kernel);
    NOW_NS.set(1_000_000_000);
}

/// Moves the clock, perhaps backwards.
pub(super) fn jump(ns: i64) {
    NOW_NS.set(NOW_NS.get().saturating_add_signed(ns));
}

pub(super) struct Fake {
    kernel: Arc<Kernel>,
    ring: usize,
    /// Always readable: time passes in here only if somebody looks.
    pollable: OwnedFd,
}

// SAFETY: the kernel ends with an operation's memory before it lets the completion be reaped, and
// completes each operation once; unless it was told to make a mistake, and then the memory outlives
// the game.
unsafe impl Backend for Fake {
    fn create(config: &RingConfig) -> Result<Self, SetupError> {
        let kernel = KERNEL.with_borrow(Clone::clone).expect("installed");
        let ring = kernel.add_ring(config.entries);
        let pollable = eventfd(1, EventfdFlags::CLOEXEC).expect("there are descriptors left");
        Ok(Self { kernel, ring, pollable })
    }

    fn now_ns() -> u64 {
        NOW_NS.set(NOW_NS.get() + 700);
        NOW_NS.get()
    }

    unsafe fn push(&self, sqe: &Sqe) -> Result<(), PushError> {
        self.kernel.push_all(self.ring, std::slice::from_ref(sqe))
    }

    unsafe fn push_all(&self, sqes: &[Sqe]) -> Result<(), PushError> {
        self.kernel.push_all(self.ring, sqes)
    }

    fn queued(&self) -> u32 {
        self.kernel.queued(self.ring)
    }

    fn submit(&self) -> io::Result<u32> {
        self.kernel.enter(self.ring)
    }

    fn wait(&self, timeout: Option<Duration>) -> io::Result<Wake> {
        let may_end = timeout.is_some();
        if let Some(woken) = self.kernel.wait(self.ring, may_end, false) {
            return woken;
        }
        player::interlude();
        self.kernel.wait(self.ring, may_end, true).expect("nothing to wait for any more")
    }

    unsafe fn reap(&self, out: &mut [Cqe]) -> usize {
        let taken = self.kernel.reap(self.ring, out);
        player::perhaps_interlude();
        taken
    }

    fn has_completions(&self) -> bool {
        self.kernel.has_completions(self.ring)
    }

    fn needs_enter(&self) -> bool {
        self.kernel.has_overflown(self.ring)
    }

    fn supports(&self, _opcode: Opcode) -> bool {
        true
    }

    fn entries(&self) -> u32 {
        self.kernel.entries(self.ring)
    }

    fn pollable(&self) -> BorrowedFd<'_> {
        self.pollable.as_fd()
    }

    fn sqpoll_refused(&self) -> Option<i32> {
        None
    }

    fn register_files(&self, _fds: &[RawFd]) -> io::Result<()> {
        Ok(())
    }

    fn update_files(&self, _first: u32, _fds: &[RawFd]) -> io::Result<()> {
        Ok(())
    }

    fn unregister_files(&self) -> io::Result<()> {
        Ok(())
    }

    fn register_buffer_table(&self, _places: u32) -> io::Result<()> {
        Ok(())
    }

    unsafe fn update_buffers(&self, _first: u32, _buffers: &[libc::iovec]) -> io::Result<()> {
        Ok(())
    }

    fn clear_buffers(&self, _first: u32, _count: u32) -> io::Result<()> {
        Ok(())
    }
}
