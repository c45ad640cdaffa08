//! Properties of the pool as its users see it.

mod basics;
mod life;
mod memory;
mod model;
mod observer;
mod threads;
