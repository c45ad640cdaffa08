//! The names that libaura.so exports, with the versions that programs are bound to.

use std::process::{Command, Stdio};

use super::Surface;
use crate::library;

type Failure = Box<dyn std::error::Error>;

/// The library's surface, or why it cannot be had here.
pub(super) fn surface() -> Result<Result<Surface, String>, Failure> {
    for (tool, package) in [("cc", "gcc"), ("nm", "binutils")] {
        let mut question = Command::new(tool);
        question.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        if !question.status().is_ok_and(|status| status.success()) {
            return Ok(Err(format!("no {tool} here: apt-get install {package}")));
        }
    }
    let library = library::build()?;
    let output = Command::new("nm")
        .args(["--dynamic", "--defined-only", "--with-symbol-versions"])
        .arg(&library.shared)
        .output()?;
    if !output.status.success() {
        return Err(format!("nm: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let lines = names(&String::from_utf8(output.stdout)?);
    Ok(Ok(Surface { name: "libaura.so".into(), lines }))
}

/// The names of `nm`'s lines (address, type, name), in order.
fn names(output: &str) -> Vec<String> {
    let name = |line: &str| {
        let mut parts = line.split_whitespace().skip(1);
        // Type `A`: no symbol, but the name of a version.
        parts.next().filter(|kind| *kind != "A").and_then(|_| parts.next()).map(Into::into)
    };
    let mut names: Vec<String> = output.lines().filter_map(name).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_stay_with_their_names() {
        let output = "0000000000000000 A AURA_0.5\n\
                      0000000000012c10 T aura_poll@@AURA_0.5\n\
                      0000000000012c00 T aura_buf@@AURA_0.5\n";
        assert_eq!(names(output), ["aura_buf@@AURA_0.5", "aura_poll@@AURA_0.5"]);
    }
}
