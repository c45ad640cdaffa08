//! The crate held to its reference: what there is, what it does with good and bad arguments, and
//! what it promises about threads, limits, errors and its end.

mod arguments;
mod broken;
mod callbacks;
mod common;
mod departures;
mod ending;
#[cfg(feature = "async")]
mod futures;
mod handles;
mod hardship;
mod limits;
mod logging;
mod metrics;
mod numbers;
mod operations;
mod processing;
mod registered;
mod sharing;
mod stopping;
mod surface;
mod watching;
