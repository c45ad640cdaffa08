//! The crate held to its reference: what there is, what it does with good and bad arguments, and
//! what it promises about threads, limits, errors and its end.

mod callbacks;
mod common;
mod processing;
mod stopping;
mod watching;
