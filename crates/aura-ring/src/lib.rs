#![doc = include_str!("../README.md")]
//!
//! # Where to find what
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`sqe`] | one constructor per operation, in the kernel's own layout |
//! | [`config`] | what is asked of a ring, and what the kernel granted |
//! | [`ring`] | pushing, submitting, waiting, reaping |
//! | [`register`] | registered files and buffers |
//! | [`error`] | why a ring could not be created, and the remedy |

pub mod config;
mod cqe;
pub mod error;
mod opcode;
mod queues;
pub mod register;
pub mod ring;
pub mod sqe;

pub use config::{Features, RingConfig};
pub use cqe::Cqe;
pub use error::{Cause, SetupError};
pub use opcode::Opcode;
pub use ring::{PushError, Ring, Wake};
pub use sqe::{Parts, Sqe, Target};
