//! The futures of the public interface, under conditions that nobody wishes for: dropped at any
//! moment, on any thread, by the thousand, without a driver, with wrong arguments.

mod cancel;
mod common;
mod drivers;
mod input;
mod limits;
mod many;
#[cfg(aura_poison)]
mod poison;
mod registered;
mod reuse;
mod streams;
mod tasks;
mod wakers;
