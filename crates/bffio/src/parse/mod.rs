//! From command line and job files to a [`Plan`](crate::job::Plan).
//!
//! ```
//! use bffio::parse::{Request, command_line};
//!
//! let arguments = ["--name=seek", "--rw=randread", "--bs=8k", "--size=1g", "--runtime=10"];
//! let Request::Run(plan) = command_line(arguments)? else { panic!("a job was given") };
//! assert_eq!(plan.jobs[0].pattern.block_sizes.read.max_bytes, 8192);
//!
//! let error = command_line(["--name=seek", "--iodpeth=4"]).unwrap_err();
//! assert!(error.to_string().contains("did you mean \"--iodepth\"?"));
//! # Ok::<(), bffio::parse::Error>(())
//! ```

mod arguments;
mod draft;
mod error;
mod expression;
mod ini;
mod plan;
pub(crate) mod program;
mod resolve;
mod sections;
pub(crate) mod spec;
mod suggest;
pub(crate) mod table;
mod value;
mod variables;

pub use arguments::{Request, command_line};
pub use error::Error;
pub use program::{Print, Shell};
