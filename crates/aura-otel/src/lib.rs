#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod builder;
mod encode;
mod error;
mod push;

pub use builder::Builder;
pub use error::{BuildError, PushError};
pub use push::{Exporter, Pushing};

/// The official messages, of which [`Exporter::request`] makes one.
pub use opentelemetry_proto::tonic as proto;
