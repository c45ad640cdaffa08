//! The end of a pool, which is with whichever goes last: a handle, an owned buffer, or a thread.
//!
//! This file is `unsafe` because buffers are given back as `PoolBuffer` does it.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32 as Count, Ordering};

use loom::thread;

use super::depot::{Depot, Holder};
use super::life::{Handle, Tenant};
use super::tls::end_thread;
use crate::models::check;

/// An owned buffer: it keeps the pool without counting it.
struct Buffer {
    tenant: Tenant,
    start: NonNull<u8>,
}

// SAFETY: as `PoolBuffer`.
unsafe impl Send for Buffer {}

impl Buffer {
    fn of(handle: &Handle) -> Self {
        let start = handle.take(1, Holder::Buffer).expect("there is always a buffer");
        Self { tenant: handle.tenant(), start }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: taken as `Holder::Buffer`, and given back once.
        unsafe { self.tenant.give(self.start, 1) };
    }
}

/// A pool that says when it has ended.
fn pool() -> (Handle, Arc<Count>) {
    let ended = Arc::new(Count::new(0));
    let handle = Handle::new(Depot::new(Arc::clone(&ended)));
    // Goes through all parts once, which makes their atomics.
    drop(Buffer::of(&handle));
    end_thread();
    (handle, ended)
}

#[track_caller]
fn has_ended_once(ended: &Count) {
    assert_eq!(ended.load(Ordering::Relaxed), 1, "the pool has to end once");
}

/// A thread drops the last buffer, which it took itself, while another drops the last handle.
pub fn last_buffer_and_last_handle() {
    check(4, || {
        let (handle, ended) = pool();
        let other = {
            let handle = handle.clone();
            thread::spawn(move || {
                let buffer = Buffer::of(&handle);
                drop(handle);
                drop(buffer);
                end_thread();
            })
        };
        drop(handle);
        other.join().unwrap();
        has_ended_once(&ended);
    });
}

/// A buffer is dropped by a thread that has never been in the pool, while the last handle goes.
pub fn buffer_dropped_elsewhere() {
    check(4, || {
        let (handle, ended) = pool();
        let buffer = Buffer::of(&handle);
        let other = thread::spawn(move || {
            drop(buffer);
            end_thread();
        });
        drop(handle);
        other.join().unwrap();
        has_ended_once(&ended);
    });
}

/// A thread ends, and its cache with it, while the buffer that it took is dropped by another, and the
/// last handle with it.
pub fn thread_ends() {
    check(4, || {
        let (handle, ended) = pool();
        let (give, take) = loom::sync::mpsc::channel();
        let other = {
            let handle = handle.clone();
            thread::spawn(move || {
                give.send((Buffer::of(&handle), handle)).unwrap();
                end_thread();
            })
        };
        let (buffer, theirs) = take.recv().unwrap();
        drop(theirs);
        drop(handle);
        drop(buffer);
        other.join().unwrap();
        has_ended_once(&ended);
    });
}
