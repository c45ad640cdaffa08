//! The tools of threads that the lock-free parts are made of, by one name, so that their models can
//! take loom's instead: `tests/models` compiles the same files over a `primitive` of its own.

pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize,
};
pub(crate) use std::sync::{Condvar, Mutex};
