//! The commands of docs/bffio.md.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::entries;

/// Blocks of the page that are marked as commands.
fn commands(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in page.lines() {
        match (&mut block, line) {
            (None, "```sh") => block = Some(String::new()),
            (Some(_), "```") => blocks.extend(block.take()),
            (Some(text), line) => *text += &format!("{line}\n"),
            (None, _) => {}
        }
    }
    blocks
}

/// The program's folder before all others.
fn path() -> OsString {
    let program = Path::new(env!("CARGO_BIN_EXE_bffio"));
    let folders = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
    let program_folder = program.parent().expect("a program is in a folder").to_owned();
    env::join_paths([program_folder].into_iter().chain(folders)).expect("no colons in folders")
}

#[test]
fn the_commands_of_the_page_do_what_it_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/bffio.md");
    let blocks = commands(&fs::read_to_string(page).unwrap());
    assert!(blocks.len() >= 5, "the page has lost its commands");
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for block in blocks {
        let mut shell = Command::new("sh");
        shell.args(["-euc", &block]).env("PATH", path()).current_dir(folder.path());
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{block}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{block}\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let made = entries(folder.path());
    for expected in ["report.json", "search.svg", "sweep.svg", "answer.json"] {
        assert!(made.iter().any(|name| name == expected), "{expected} is not among {made:?}");
    }
}
