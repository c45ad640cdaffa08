//! Developer commands of the workspace: `cargo xtask help` lists them.
//!
//! This file parses the command line and dispatches. Each command has a file of its own. The heavy
//! commands (demo, benchmarks) live in the `aura-bench` package, which is built with optimisation;
//! this binary only starts them, so that it stays quick to build.

mod api;
mod cargo;
mod delegate;
mod deny;
mod library;
mod lint;
mod sim;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// What a command reports: its exit code, or why it could not run at all.
type Outcome = Result<ExitCode, Box<dyn std::error::Error>>;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Developer commands of Aura")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show a self-tuning engine at work on a real disk, beside fixed depths
    #[command(disable_help_flag = true)]
    Demo(delegate::Arguments),
    /// Run a benchmark: `bench overhead` (cost per operation over a raw loop), `bench adaptive` (the
    /// engine's limit against the best fixed depth), `bench fio` (bffio beside fio), `bench peers`
    /// (beside other libraries)
    Bench(delegate::Bench),
    /// Run bffio, the benchmark that reads fio's job files: `cargo xtask bffio --help`
    #[command(disable_help_flag = true)]
    Bffio(delegate::Arguments),
    /// Play the controller and its rivals against simulated devices; --list names the scenarios
    #[command(disable_help_flag = true)]
    Sim(delegate::Arguments),
    /// Run every check and test; --quick for the short round, --long for the nightly one
    Test(test::Arguments),
    /// Run tests as `cargo test` does, but each in a process of its own, with a time limit
    RunTests(test::each::Arguments),
    /// Look for complaints in the kernel's log
    KernelLog(test::kernel_log::Arguments),
    /// Try the C library out: `library check`, `test`, `examples`, `consumers`, `abi`
    Library(library::Library),
    /// Build the C library and install it with everything a C program needs
    Install(library::install::Arguments),
    /// Remove what `install` has laid down; takes the same options
    Uninstall(library::install::Arguments),
    /// Generate the Rust view of aura.h, which is committed; --check to only compare
    #[command(disable_help_flag = true)]
    Codegen(delegate::Arguments),
    /// Run operations with faults and thread churn, and see that nothing is lost and nothing grows:
    /// `cargo xtask soak --ops 1e8`
    #[command(disable_help_flag = true)]
    Soak(delegate::Arguments),
    /// Call the C interface at random, and check every answer; --replay SEED to see a case again
    #[command(disable_help_flag = true)]
    Fuzz(delegate::Arguments),
    /// Compare what users can name (Rust, libaura.so) with what is committed; --bless to commit it anew
    Api(api::Arguments),
    /// Check licences and sources of all dependencies (deny.toml)
    Deny,
    /// Check layering, file headers and house rules that the compiler does not know
    Tidy,
    /// Run clippy on everything, warnings being errors
    Lint,
    /// Format all code; --check to only look
    Fmt(lint::Fmt),
    /// Build the documentation, warnings being errors; --open to read it
    Doc(lint::Doc),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        None => Cli::command().print_long_help().map(|()| ExitCode::SUCCESS).map_err(Into::into),
        Some(Command::Demo(arguments)) => delegate::demo(&arguments),
        Some(Command::Bench(bench)) => delegate::bench(&bench),
        Some(Command::Bffio(arguments)) => delegate::bffio(&arguments),
        Some(Command::Sim(arguments)) => sim::run(&arguments),
        Some(Command::Test(arguments)) => test::run(&arguments),
        Some(Command::RunTests(arguments)) => test::each::run(&arguments),
        Some(Command::KernelLog(arguments)) => test::kernel_log::run(&arguments),
        Some(Command::Library(library)) => library::run(&library),
        Some(Command::Install(arguments)) => library::install::install(&arguments),
        Some(Command::Uninstall(arguments)) => library::install::uninstall(&arguments),
        Some(Command::Codegen(arguments)) => delegate::codegen(&arguments),
        Some(Command::Soak(arguments)) => delegate::soak(&arguments),
        Some(Command::Fuzz(arguments)) => delegate::fuzz(&arguments),
        Some(Command::Api(arguments)) => api::run(&arguments),
        Some(Command::Deny) => deny::run(),
        Some(Command::Tidy) => tidy::run(),
        Some(Command::Lint) => lint::lint(),
        Some(Command::Fmt(arguments)) => lint::fmt(&arguments),
        Some(Command::Doc(arguments)) => lint::doc(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_unknown_command_names_the_nearest_one() {
        let error = Cli::try_parse_from(["xtask", "dmo"]).expect_err("there is no such command");
        assert!(error.to_string().contains("'demo'"), "{error}");
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn no_command_is_a_question_for_help() {
        assert!(Cli::try_parse_from(["xtask"]).expect("valid").command.is_none());
    }

    #[test]
    fn options_of_the_demo_reach_the_demo() {
        let cli = Cli::try_parse_from(["xtask", "demo", "--seconds", "1", "--help"]);
        let Some(Command::Demo(arguments)) = cli.expect("valid").command else {
            panic!("not the demo");
        };
        assert_eq!(arguments.passed_on, ["--seconds", "1", "--help"]);
    }
}
