//! A latency histogram for one writer and many readers, whose percentiles say how wrong they can be.
//!
//! Where things are: [`layout`] maps a latency to a bucket, [`LatencyHistogram`] is what the writer
//! records into, [`Snapshot`] is the plain copy a reader computes with, and [`Percentile`] is an
//! answer with its bounds. What follows is the README, whose code is compiled and run as a test.
//!
#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod counters;
mod histogram;
pub mod layout;
mod percentile;
mod primitive;
mod snapshot;
mod totals;

pub use histogram::LatencyHistogram;
pub use percentile::Percentile;
pub use snapshot::Snapshot;
