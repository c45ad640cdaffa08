//! What an I/O engine counts, and the names under which monitoring systems know it.
//!
//! Where things are:
//!
//! | item | what it is |
//! | --- | --- |
//! | [`OperationMeter`] | what the owner of a counter adds to on its hot path |
//! | [`buckets`] | the fixed bounds of all duration histograms |
//! | [`Metrics`] | the plain numbers of one moment |
//! | [`Family`] | the same as named families of points: the table of metrics |
//! | [`prometheus`], [`otlp_json`] | the families as text |
//!
//! It opens no sockets, starts no threads and has no dependencies. What follows is the README, whose
//! code is compiled and run as a test.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod buckets;
mod catalogue;
mod family;
mod json;
mod meter;
pub mod otlp_json;
pub mod prometheus;
mod reading;

pub use family::{Family, Label, Point, Type, Value};
pub use meter::OperationMeter;
pub use reading::{Adjustment, Durations, Metrics, Operations, Ring};

/// The version of the names and meanings of the metrics; it changes when one of them does.
pub const SCHEMA_VERSION: &str = "v0";
/// How much that version is to be relied upon.
pub const SCHEMA_STABILITY: &str = "experimental";
