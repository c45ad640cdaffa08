//! Adaptive concurrency controller as a pure state machine: windows in, in-flight limit out.
