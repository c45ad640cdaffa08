//! A storage benchmark that reads fio's job files, prints fio's reports, and finds by itself how much a
//! storage can do under a latency target.
//!
//! The path of a run: [`parse`] turns command line and job files into a [`job::Plan`]; what runs the plan
//! tells a [`watch::Observer`] how it goes and leaves results for the reports; pictures are drawn from
//! the same [`watch`] types.
//!
//! What it deliberately lacks: fio's other I/O engines (every `ioengine` is Aura's), client/server mode,
//! replay of I/O logs, and zoned devices.

pub mod help;
pub mod job;
mod layout;
pub mod live;
mod log;
pub mod parse;
pub mod plot;
pub mod progress;
pub mod report;
pub mod run;
pub mod search;
pub mod stats;
pub mod units;
pub mod watch;
