//! The controller against simulated devices.

mod bench;
mod scenarios;
mod selfcheck;
mod sim;
