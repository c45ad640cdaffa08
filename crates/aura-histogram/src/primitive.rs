//! What writer and readers share their state by, under one name, so that the models can take loom's
//! instead: `tests/models` compiles the files that use it over a `primitive` of its own.

pub(crate) use core::sync::atomic::{AtomicU64, fence};
