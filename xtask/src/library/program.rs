//! bffio as it is installed: the program, and what it prints for man and for shells.

use std::path::Path;
use std::process::Command;

use super::build::{self, Failure};
use super::install::{Content, lay_down, remove};
use crate::cargo;

const PROGRAM: &str = "bin/bffio";

/// Files below the prefix, and the option that prints them.
const PRINTED: [(&str, &str); 4] = [
    ("share/man/man1/bffio.1", "--man"),
    ("share/bash-completion/completions/bffio", "--completions=bash"),
    ("share/zsh/site-functions/_bffio", "--completions=zsh"),
    ("share/fish/vendor_completions.d/bffio.fish", "--completions=fish"),
];

/// Builds and installs; returns how many files.
pub(super) fn lay_down_all(prefix: &Path) -> Result<usize, Failure> {
    build::run(cargo::cargo().args(["build", "--release", "--package", "bffio"]))?;
    let program = build::target_folder()?.join("release/bffio");
    for (place, option) in PRINTED {
        let output = Command::new(&program).arg(option).output()?;
        if !output.status.success() {
            return Err(format!("{} {option}: {}", program.display(), output.status).into());
        }
        let text = Content::Text(String::from_utf8(output.stdout)?);
        put(&prefix.join(place), &text)?;
    }
    put(&prefix.join(PROGRAM), &Content::Program(program))?;
    Ok(PRINTED.len() + 1)
}

/// Removes what would be installed; returns how many files were there.
pub(super) fn remove_all(prefix: &Path) -> Result<usize, Failure> {
    let places = PRINTED.iter().map(|(place, _)| *place).chain([PROGRAM]);
    let mut removed = 0;
    for place in places {
        removed += usize::from(remove(&prefix.join(place))?);
    }
    Ok(removed)
}

fn put(path: &Path, content: &Content) -> Result<(), Failure> {
    lay_down(path, content).map_err(|error| format!("{}: {error}", path.display()).into())
}
