//! The controller against simulated devices.

mod bench;
mod contract;
mod defects;
mod reference;
mod scenarios;
