//! What a ring promises, tried on the real kernel with real files, and checked through `std`.
//!
//! Files live below cargo's own temporary directory (`CARGO_TARGET_TMPDIR`), which is on the disk
//! that holds the build and hardly ever a tmpfs. What this machine cannot provide is skipped with
//! a line on stderr that begins with `SKIPPED`.
//!
//! Tests that change a limit or install a filter, or that count the descriptors of the process,
//! run in a child process of their own; see [`support::in_child`].

mod bounds;
mod descriptors;
mod files;
mod modes;
mod polling;
mod registered;
mod results;
mod support;
mod threads;
mod unavailable;
mod vectors;
mod waiting;
