//! `cargo xtask lint`, `fmt` and `doc`: cargo's own tools with the workspace's settings.
//!
//! The same argument lists serve `cargo xtask test`, so that a failure there can be repeated here.

use clap::Args;

use crate::{Outcome, cargo};

/// Clippy on every target with every feature.
pub(crate) const CLIPPY: &[&str] =
    &["clippy", "--workspace", "--all-targets", "--all-features", "--", "--deny", "warnings"];
/// Formatting, without changing anything.
pub(crate) const FORMAT_CHECK: &[&str] = &["fmt", "--all", "--check"];
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
    cargo::status(cargo::cargo().args(CLIPPY))
}

pub(crate) fn fmt(arguments: &Fmt) -> Outcome {
    let arguments = if arguments.check { FORMAT_CHECK } else { &["fmt", "--all"] };
    cargo::status(cargo::cargo().args(arguments))
}

pub(crate) fn doc(arguments: &Doc) -> Outcome {
    let mut command = cargo::cargo();
    command.args(DOC).args(arguments.open.then_some("--open")).env(DOC_FLAGS.0, DOC_FLAGS.1);
    cargo::status(&mut command)
}
