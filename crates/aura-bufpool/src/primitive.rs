//! What threads share their state by, under one name, so that the models can take loom's instead:
//! `tests/models` compiles the files that use it over a `primitive` of its own.

pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicIsize, AtomicU8, AtomicU32, AtomicUsize,
};
pub(crate) use std::sync::{Mutex, MutexGuard};
