//! Calling cargo, and where the workspace is.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::Outcome;

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn workspace_root() -> PathBuf {
    // Cargo sets the variable for programs it runs; the constant serves a binary run by hand.
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    xtask.parent().map_or_else(|| PathBuf::from("."), PathBuf::from)
}

/// The cargo that runs this program, in the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = cargo_here();
    command.current_dir(workspace_root());
    command
}

/// The cargo that runs this program, where the user stands: relative paths in arguments stay true.
pub(crate) fn cargo_here() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a command to its end and passes its exit code on.
pub(crate) fn status(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, Into::into))
}

/// Becomes the command. Signals, terminal and exit code then are the command's own.
pub(crate) fn exec(command: &mut Command) -> Outcome {
    let error = command.exec();
    Err(cannot_start(command, &error).into())
}

fn cannot_start(command: &Command, error: &std::io::Error) -> String {
    format!("cannot start {}: {error}", command.get_program().display())
}
