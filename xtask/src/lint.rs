//! `cargo xtask lint`, `fmt` and `doc`: cargo's own tools with the workspace's settings.
//!
//! The same argument lists serve `cargo xtask test`, so that a failure there can be repeated here.

use std::process::ExitCode;

use clap::Args;

use crate::delegate::PEERS;
use crate::{Outcome, cargo};

/// Clippy on every target with every feature.
pub(crate) const CLIPPY: &[&str] =
    &["clippy", "--workspace", "--all-targets", "--all-features", "--", "--deny", "warnings"];
/// Formatting, without changing anything.
pub(crate) const FORMAT_CHECK: &[&str] = &["fmt", "--all", "--check"];
/// Clippy on `bench peers`, which is a workspace of its own. Optimised as its tests and runs are, so that
/// build scripts are built once.
pub(crate) const CLIPPY_PEERS: &[&str] =
    &["clippy", "--manifest-path", PEERS, "--release", "--all-targets", "--", "--deny", "warnings"];
/// Formatting of `bench peers`, without changing anything.
pub(crate) const FORMAT_CHECK_PEERS: &[&str] = &["fmt", "--manifest-path", PEERS, "--check"];
/// Documentation of the workspace's own crates.
pub(crate) const DOC: &[&str] = &["doc", "--workspace", "--no-deps", "--all-features"];
/// What makes a warning of rustdoc fail.
pub(crate) const DOC_FLAGS: (&str, &str) = ("RUSTDOCFLAGS", "--deny warnings");

#[derive(Args, Debug)]
pub(crate) struct Fmt {
    /// Change nothing; fail if something would change
    #[arg(long)]
    check: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Doc {
    /// Open the result in a browser
    #[arg(long)]
    open: bool,
}

pub(crate) fn lint() -> Outcome {
    both(CLIPPY, CLIPPY_PEERS)
}

pub(crate) fn fmt(arguments: &Fmt) -> Outcome {
    if arguments.check {
        both(FORMAT_CHECK, FORMAT_CHECK_PEERS)
    } else {
        both(&["fmt", "--all"], &["fmt", "--manifest-path", PEERS])
    }
}

/// Runs cargo in the library's workspace, and then in that of `bench peers`, whatever came of the first.
fn both(library: &[&str], peers: &[&str]) -> Outcome {
    let first = cargo::status(cargo::cargo().args(library))?;
    let second = cargo::status(cargo::cargo().args(peers))?;
    Ok(if first == ExitCode::SUCCESS { second } else { first })
}

pub(crate) fn doc(arguments: &Doc) -> Outcome {
    let mut command = cargo::cargo();
    command.args(DOC).args(arguments.open.then_some("--open")).env(DOC_FLAGS.0, DOC_FLAGS.1);
    cargo::status(&mut command)
}
