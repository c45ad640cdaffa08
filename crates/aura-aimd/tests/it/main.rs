//! The controller against simulated devices.

mod bench;
mod contract;
mod defects;
mod hosted;
mod reference;
mod scenarios;
