//! What threads share their state by, under one name, so that the models can take loom's instead:
//! `tests/models` compiles the files that use it over a `primitive` of its own.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize};
