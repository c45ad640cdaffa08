//! Properties of the pool as its users see it.

mod basics;
