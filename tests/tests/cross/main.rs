//! Long runs over the whole library: nothing is lost, and every byte is where it belongs.

mod faults;
mod model;
mod nothing_lost;
mod random_steps;
mod support;
mod worker;
