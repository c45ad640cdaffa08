//! Tests that cross the crates of the workspace live in `tests/tests`; this library holds what they share.
//!
//! The code in the workspace's pages is compiled and run from here, because no published crate
//! should reach for files outside of itself.

/// `README.md`.
#[cfg(all(doctest, feature = "pages"))]
#[doc = include_str!("../../README.md")]
struct Readme;

/// `docs/rust.md`.
#[cfg(all(doctest, feature = "pages"))]
#[doc = include_str!("../../docs/rust.md")]
struct RustGuide;
