//! Finding the text files of the workspace.

use std::fs;
use std::io;
use std::path::Path;

use super::{Source, relative};

/// All text files below `root` but those of version control and of build output.
///
/// The folder is walked rather than asked of git: files that are not committed yet count too, and
/// an unpacked archive can be checked as well.
pub(super) fn sources(root: &Path) -> io::Result<Vec<Source>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            let kind = entry.file_type()?;
            if kind.is_dir() {
                if entry.file_name() != ".git" && !is_build_output(&path) {
                    folders.push(path);
                }
            } else if kind.is_file() {
                // What is not UTF-8 is data, not text.
                if let Ok(text) = String::from_utf8(fs::read(&path)?) {
                    found.push(Source { path: relative(root, &path), text });
                }
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Cargo marks its target folders, whatever their name, so that backups leave them out.
fn is_build_output(folder: &Path) -> bool {
    folder.join("CACHEDIR.TAG").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_file_is_found_and_build_output_is_not() {
        let root = crate::cargo::workspace_root();
        let sources = sources(&root).expect("readable");
        assert!(sources.iter().any(|source| source.path == "xtask/src/tidy/walk.rs"));
        assert!(!sources.iter().any(|source| source.path.starts_with("target/")));
    }
}
