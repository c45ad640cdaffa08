//! From command line and job files to a [`Plan`](crate::job::Plan).

mod error;

pub use error::Error;
