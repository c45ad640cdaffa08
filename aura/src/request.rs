//! Operations in flight, by name.

use std::cell::Cell;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::os::fd::RawFd;

use aura_engine::Handle;

/// The name of a submitted operation.
///
/// It is a value and never dangles: it may be kept for ever, and once the operation's callback has
/// begun, or the engine is gone, every question is answered with "over". The methods that carry
/// `unsafe` do so only because the interface of the first version says so; the safe ones beside
/// them do the same.
///
/// ```
/// let engine = aura::Engine::new()?;
/// let request = engine.nop(|_| ())?;
/// assert!(request.pending());
/// engine.drain(-1)?;
/// assert!(!request.pending());
/// assert_eq!(request.info(), None);
/// # Ok::<(), aura::Error>(())
/// ```
pub struct RequestHandle {
    pub(crate) handle: Handle,
    _not_sync: PhantomData<Cell<()>>,
}

/// What is known about an operation that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestInfo {
    /// Its file descriptor; -1 if it has none.
    pub fd: RawFd,
    /// What it does, by the number that the C interface calls `AURA_OP_*` (0: read, 1: write, …).
    pub op_type: i32,
}

impl RequestHandle {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, _not_sync: PhantomData }
    }

    /// Whether the operation is in flight: its callback has not begun.
    #[must_use]
    pub fn pending(&self) -> bool {
        aura_engine::request_is_pending(self.handle)
    }

    /// What is known about the operation, until its callback has returned.
    #[must_use]
    pub fn info(&self) -> Option<RequestInfo> {
        let info = aura_engine::request_info(self.handle)?;
        Some(RequestInfo { fd: info.fd, op_type: info.kind as i32 })
    }

    /// As [`pending`](Self::pending).
    ///
    /// # Safety
    ///
    /// None is needed any more.
    #[must_use]
    pub unsafe fn is_pending(&self) -> bool {
        self.pending()
    }

    /// The descriptor, or -1 when the operation is over.
    ///
    /// # Safety
    ///
    /// None is needed any more; see [`info`](Self::info).
    #[must_use]
    pub unsafe fn fd(&self) -> RawFd {
        self.info().map_or(-1, |info| info.fd)
    }

    /// What the operation does (`AURA_OP_*`), or -1 when it is over.
    ///
    /// # Safety
    ///
    /// None is needed any more; see [`info`](Self::info).
    #[must_use]
    pub unsafe fn op_type(&self) -> i32 {
        self.info().map_or(-1, |info| info.op_type)
    }

    /// The user data pointer. Operations submitted from Rust have a closure instead: null.
    ///
    /// # Safety
    ///
    /// None is needed any more.
    #[must_use]
    pub unsafe fn user_data(&self) -> *mut c_void {
        let info = aura_engine::request_info(self.handle);
        std::ptr::without_provenance_mut(info.map_or(0, |info| info.user_data as usize))
    }
}

impl std::fmt::Debug for RequestHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestHandle")
            .field("handle", &self.handle)
            .field("pending", &self.pending())
            .finish()
    }
}
