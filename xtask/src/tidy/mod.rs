//! `cargo xtask tidy`: rules of this workspace that the compiler does not know.
//!
//! Each module holds one family of rules as functions from text (or metadata) to findings, so that
//! its tests feed it violations without touching a file.

mod attributes;
mod layers;
mod leaks;
mod text;
mod walk;

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::{Outcome, cargo};

/// Something that tidy has to say about a file or a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// File, or package.
    place: String,
    /// Line number from 1, or 0 for the whole.
    line: usize,
    what: String,
    /// A note is printed and fails nothing.
    is_note: bool,
}

impl Finding {
    fn new(place: impl Into<String>, line: usize, what: impl Into<String>) -> Self {
        Self { place: place.into(), line, what: what.into(), is_note: false }
    }

    fn note(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { is_note: true, ..Self::new(place, 0, what) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_note { "note" } else { "error" };
        match self.line {
            0 => write!(f, "{kind}: {}: {}", self.place, self.what),
            line => write!(f, "{kind}: {}:{line}: {}", self.place, self.what),
        }
    }
}

/// One text file of the workspace.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the workspace, with `/`.
    path: String,
    text: String,
}

pub(crate) fn run() -> Outcome {
    let findings = check(&cargo::workspace_root())?;
    let mut out = std::io::stdout().lock(); // Not `println!`, which panics when piped to `head`.
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    let errors = findings.iter().filter(|finding| !finding.is_note).count();
    writeln!(out, "tidy: {errors} errors, {} notes", findings.len() - errors)?;
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every finding in the workspace, errors last.
fn check(root: &Path) -> Result<Vec<Finding>, Box<dyn std::error::Error>> {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()?;
    let mut findings = layers::check(&layers::edges(&metadata));

    let sources = walk::sources(root)?;
    let parsed = sources.iter().filter(|source| source.path.ends_with(".rs")).map(|source| {
        syn::parse_file(&source.text).map(|tree| (source, tree)).map_err(|error| {
            Finding::new(&source.path, error.span().start().line, format!("no Rust: {error}"))
        })
    });
    let mut trees = Vec::new();
    for result in parsed {
        match result {
            Ok(parsed) => trees.push(parsed),
            Err(finding) => findings.push(finding),
        }
    }
    for source in &sources {
        findings.extend(text::check(source));
    }
    for (source, tree) in &trees {
        findings.extend(attributes::check(&source.path, tree));
    }
    let facade: Vec<_> = trees
        .iter()
        .filter(|(source, _)| source.path.starts_with("aura/src/"))
        .map(|(source, tree)| (source.path.as_str(), tree))
        .collect();
    findings.extend(leaks::check(&facade));
    findings.sort_by_key(|finding| !finding.is_note);
    Ok(findings)
}

/// `path` below `root`, with `/` whatever the platform.
fn relative(root: &Path, path: &Path) -> String {
    let below: PathBuf = path.strip_prefix(root).unwrap_or(path).into();
    below.to_string_lossy().replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_name_their_place_as_editors_expect() {
        let finding = Finding::new("a/b.rs", 3, "is odd");
        assert_eq!(finding.to_string(), "error: a/b.rs:3: is odd");
        assert_eq!(Finding::note("a/b.rs", "is long").to_string(), "note: a/b.rs: is long");
    }
}
