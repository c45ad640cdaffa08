//! `cargo xtask demo`, `bench`, `soak`, `fuzz` and others: build the program in release mode, then become it.

use std::ffi::OsString;
use std::process::Command;

use clap::{Args, Subcommand};

use crate::{Outcome, cargo};

/// The manifest of `bench peers`.
pub(crate) const PEERS: &str = "benches/peers/Cargo.toml";

/// Arguments that are the program's own business, `--help` included.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Passed on; `--help` explains them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    pub(crate) passed_on: Vec<OsString>,
}

#[derive(Args, Debug)]
pub(crate) struct Bench {
    #[command(subcommand)]
    which: Which,
}

#[derive(Debug, Subcommand)]
enum Which {
    /// The self-tuning engine against the best fixed depth on a real disk
    #[command(disable_help_flag = true)]
    Adaptive(Arguments),
    /// Nanoseconds of single parts, beside references: histogram, pool, slots, ring selection, controller
    #[command(disable_help_flag = true)]
    Micro(Arguments),
    /// bffio beside fio: the same jobs, and searches under a latency target
    #[command(disable_help_flag = true)]
    Fio(Arguments),
    /// Nanoseconds per operation over a raw io_uring loop
    #[command(disable_help_flag = true)]
    Overhead(Arguments),
    /// The same job through Aura, a raw loop, and other libraries
    #[command(disable_help_flag = true)]
    Peers(Arguments),
    /// What unused rings cost: polling, memory, creation
    #[command(disable_help_flag = true)]
    Scale(Arguments),
}

pub(crate) fn demo(arguments: &Arguments) -> Outcome {
    cargo::exec(&mut command("demo", &arguments.passed_on))
}

pub(crate) fn bench(bench: &Bench) -> Outcome {
    match &bench.which {
        Which::Adaptive(arguments) => cargo::exec(&mut command("adaptive", &arguments.passed_on)),
        Which::Micro(arguments) => cargo::exec(&mut command("micro", &arguments.passed_on)),
        Which::Fio(arguments) => {
            let mut build = cargo::cargo();
            build.args(["build", "--quiet", "--release", "--package", "bffio"]);
            let built = build.current_dir(cargo::workspace_root()).status()?;
            if !built.success() {
                return Err("bffio does not build".into());
            }
            cargo::exec(&mut command("fio", &arguments.passed_on))
        }
        Which::Overhead(arguments) => cargo::exec(&mut command("overhead", &arguments.passed_on)),
        Which::Peers(arguments) => cargo::exec(&mut peers(&arguments.passed_on)),
        Which::Scale(arguments) => cargo::exec(&mut command("scale", &arguments.passed_on)),
    }
}

pub(crate) fn bffio(arguments: &Arguments) -> Outcome {
    let mut cargo = cargo::cargo_here();
    cargo.arg("run").arg("--manifest-path").arg(cargo::workspace_root().join("Cargo.toml"));
    cargo.args(["--quiet", "--release", "--package", "bffio", "--"]).args(&arguments.passed_on);
    cargo::exec(&mut cargo)
}

pub(crate) fn soak(arguments: &Arguments) -> Outcome {
    cargo::exec(&mut stress("soak", &arguments.passed_on))
}

/// What `fuzz` is built with, if it is asked to find misuse of memory as well; and where, because all is built
/// once more. Leaks are not looked for: a child ends in the middle of a case.
const SANITIZER: &str = "--sanitizer";
const SANITIZED: [(&str, &str); 3] = [
    ("RUSTC_BOOTSTRAP", "1"),
    ("RUSTFLAGS", "-Zsanitizer=address"),
    ("ASAN_OPTIONS", "detect_leaks=0"),
];

pub(crate) fn fuzz(arguments: &Arguments) -> Outcome {
    let (sanitizer, others): (Vec<OsString>, Vec<OsString>) =
        arguments.passed_on.iter().cloned().partition(|argument| argument == SANITIZER);
    if sanitizer.is_empty() {
        return cargo::exec(&mut stress("fuzz", &others));
    }
    let mut cargo = cargo::cargo_here();
    cargo.arg("run").arg("--manifest-path").arg(cargo::workspace_root().join("Cargo.toml"));
    cargo.args(["--quiet", "--package", "aura-stress", "--bin", "fuzz"]);
    cargo.args(["--target", "x86_64-unknown-linux-gnu", "--target-dir"]);
    cargo.arg(cargo::workspace_root().join("target/asan")).arg("--").args(others);
    cargo::exec(cargo.envs(SANITIZED))
}

fn stress(program: &str, arguments: &[OsString]) -> Command {
    let mut cargo = cargo::cargo_here();
    cargo.arg("run").arg("--manifest-path").arg(cargo::workspace_root().join("Cargo.toml"));
    cargo.args(["--quiet", "--release", "--package", "aura-stress", "--bin", program, "--"]);
    cargo.args(arguments);
    cargo
}

pub(crate) fn codegen(arguments: &Arguments) -> Outcome {
    let mut cargo = cargo::cargo();
    cargo.args(["run", "--quiet", "--package", "aura-codegen", "--"]).args(&arguments.passed_on);
    cargo::exec(&mut cargo)
}

fn command(program: &str, arguments: &[OsString]) -> Command {
    let mut cargo = cargo::cargo_here();
    cargo.arg("run").arg("--manifest-path").arg(cargo::workspace_root().join("Cargo.toml"));
    cargo.args(["--release", "--package", "aura-bench", "--bin", program, "--"]).args(arguments);
    cargo
}

/// A workspace of its own, so that peers stay out of the lock file of the library.
fn peers(arguments: &[OsString]) -> Command {
    let manifest = cargo::workspace_root().join(PEERS);
    let mut cargo = cargo::cargo_here();
    cargo.arg("run").arg("--manifest-path").arg(manifest).args(["--release", "--"]).args(arguments);
    cargo
}
