//! The program beside fio, and with the tools that read fio's output.

mod consumers;
mod keys;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::bffio;

/// Whether fio is there; on CI it is installed if it is not.
fn fio_is_here() -> bool {
    static IS_HERE: OnceLock<bool> = OnceLock::new();
    *IS_HERE.get_or_init(|| {
        let starts = || {
            let mut fio = Command::new("fio");
            fio.arg("--version").stdout(Stdio::null()).status().is_ok()
        };
        if !starts() && std::env::var_os("CI").is_some() {
            for arguments in [&["update", "-qq"][..], &["install", "-y", "-qq", "fio"]] {
                let mut apt = Command::new("apt-get");
                apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
                let _ = apt.stdout(Stdio::null()).status(); // What counts is the answer below.
            }
        }
        starts()
    })
}

/// Prints a skip, if fio is missing.
fn skipped() -> bool {
    if !fio_is_here() {
        eprintln!("SKIP: no fio here: apt-get install fio");
    }
    !fio_is_here()
}

/// Runs fio in a folder; it has to succeed.
fn fio(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("fio").args(arguments).current_dir(folder).output();
    let output = output.expect("it was there a moment ago");
    assert!(output.status.success(), "fio {arguments:?}: {output:?}");
    super::stdout(&output)
}

/// Runs bffio in a folder; it has to succeed and say nothing beside its output.
fn ours(folder: &Path, arguments: &[&str]) -> String {
    let output = bffio(folder, arguments);
    assert!(output.status.success(), "bffio {arguments:?}: {}", super::stderr(&output));
    assert_eq!(super::stderr(&output), "", "bffio {arguments:?}");
    super::stdout(&output)
}
