//! Adaptive concurrency controller as a pure state machine: windows of observations in, an
//! in-flight limit out.
//!
//! The controller finds how many operations a disk, a remote service or a thread pool should have
//! in flight: enough for full throughput, or as many as a latency target allows, and no more. It
//! has no clock, thread, atomic or allocation; the caller measures, and asks.
//!
//! ```
//! use aura_aimd::{Config, Controller, Latency, Phase, Window};
//!
//! let mut controller = Controller::new(Config { max_limit: 256, ..Config::default() })?;
//! assert_eq!(controller.decision().limit, 256); // nothing is limited until there is a reason
//!
//! // All 256 places are taken and callers were turned away: the controller takes over.
//! let decision = controller.on_window(&Window {
//!     now_ns: 10_000_000,
//!     duration_ns: 10_000_000,
//!     operations: 1_200,
//!     in_flight_avg: 255.0,
//!     in_flight_max: 256,
//!     gated: 1_000,
//!     latency: Latency { samples: 1_200, p50_ns: 2_000_000, p99_ns: 3_000_000, ..Latency::default() },
//!     ..Window::default()
//! });
//! assert_eq!(decision.phase, Phase::Baseline);
//! assert!(decision.limit < 256);
//! # Ok::<(), aura_aimd::ConfigError>(())
//! ```
//!
//! It does *not* measure latencies, gate submissions, or divide the limit among rings or workers.
#![no_std]
#![forbid(unsafe_code)]

mod bursts;
mod config;
mod controller;
mod decision;
mod evidence;
mod holding;
mod levels;
mod math;
mod passthrough;
mod pauses;
mod phases;
mod reprobe;
mod rng;
mod sanity;
mod search;
mod stats;
mod target;
mod window;

pub use config::{Config, ConfigError, MAX_LIMIT};
pub use controller::Controller;
pub use decision::{Decision, Phase, Reason};
pub use window::{Latency, Silences, Window, WindowGoal};

/// The README's code is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
