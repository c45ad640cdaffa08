//! What users do with the program: job files, command lines, the commands of the page.

mod collection;
mod command_line;
mod fio;
mod page;
mod runs;
mod sizes;

use std::path::Path;
use std::process::{Command, Output};

/// Runs the program in a folder.
fn bffio(folder: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_bffio");
    Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the program was built with the tests")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Names of everything in a folder.
fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    entries
        .map(|entry| entry.expect("it can be listed").file_name().to_string_lossy().into_owned())
        .collect()
}
