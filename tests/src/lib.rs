//! Tests that cross the crates of the workspace live in `tests/tests`; this library holds what they share.
