//! The engine below the public crate: over a kernel that misbehaves on command, and what only its
//! own interface offers.

mod batch;
mod bound;
mod departures;
mod ending;
mod explained;
mod fake;
mod handing_over;
mod interface;
mod late;
mod limits;
mod odd;
mod raw;
mod registered;
mod registration;
mod settings;
