//! `cargo xtask sim`: build the simulator's program in release mode, then become it.

use crate::delegate::Arguments;
use crate::{Outcome, cargo};

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let mut cargo = cargo::cargo_here();
    cargo.arg("run").arg("--manifest-path").arg(cargo::workspace_root().join("Cargo.toml"));
    cargo.args(["--release", "--package", "aura-sim", "--features", "cli", "--bin", "sim", "--"]);
    cargo::exec(cargo.args(&arguments.passed_on))
}
