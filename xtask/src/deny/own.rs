//! The checks of deny.toml that need nothing but cargo: licences, sources, banned packages, duplicates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use cargo_metadata::{CargoOpt, MetadataCommand, Package};
use serde::Deserialize;

use super::licence;
use crate::{Outcome, cargo};

/// What is read of deny.toml. What cargo-deny reads beyond that is its own.
#[derive(Debug, Deserialize)]
struct Rules {
    licenses: Licences,
    bans: Bans,
    sources: Sources,
}

#[derive(Debug, Deserialize)]
struct Licences {
    allow: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
    allow_git: Vec<String>,
}

pub(super) fn check(root: &Path) -> Outcome {
    let rules: Rules = toml::from_str(&std::fs::read_to_string(root.join("deny.toml"))?)
        .map_err(|error| format!("deny.toml: {error}"))?;
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .features(CargoOpt::AllFeatures)
        .exec()?;
    let used = used()?;
    let foreign: Vec<&Package> = metadata
        .packages
        .iter()
        .filter(|package| package.source.is_some() && used.contains(&label(package)))
        .collect();
    let findings: Vec<String> =
        foreign.iter().flat_map(|package| violations(package, &rules)).collect();
    findings.iter().for_each(|finding| println!("error: {finding}"));
    for (name, versions) in duplicates(&foreign) {
        println!("note: {name} is there in several versions: {}", versions.join(", "));
    }
    println!("deny.toml: {} packages, {} findings", foreign.len(), findings.len());
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is ever built, as `name version`, on any platform and with any feature of the workspace's packages.
/// Metadata have more: what optional dependencies of others would need that nobody asks for.
fn used() -> Result<BTreeSet<String>, Box<dyn std::error::Error>> {
    let mut tree = cargo::cargo();
    tree.args(["tree", "--workspace", "--all-features", "--target", "all", "--prefix", "none"]);
    let output = tree.args(["--edges", "all", "--format", "{p}"]).output()?;
    if !output.status.success() {
        return Err(format!("cargo tree: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let package = |line: &str| {
        let mut words = line.split_whitespace();
        Some(format!("{} {}", words.next()?, words.next()?.trim_start_matches('v')))
    };
    Ok(text.lines().filter_map(package).collect())
}

fn violations(package: &Package, rules: &Rules) -> Vec<String> {
    let name = label(package);
    let mut found = Vec::new();
    match package.license.as_deref() {
        None => found.push(format!("{name} names no licence; see {:?}", package.license_file)),
        Some(expression) if !licence::is_satisfied(expression, &rules.licenses.allow) => {
            found.push(format!("{name} is under {expression:?}, which deny.toml does not allow"));
        }
        Some(_) => {}
    }
    if rules.bans.deny.iter().any(|banned| *banned == package.name.as_str()) {
        found.push(format!("{name} is banned by deny.toml"));
    }
    let source = package.source.as_ref().map(|source| source.repr.as_str()).unwrap_or_default();
    if !comes_from(source, &rules.sources) {
        found.push(format!("{name} comes from {source}, which deny.toml does not allow"));
    }
    found
}

fn label(package: &Package) -> String {
    format!("{} {}", package.name, package.version)
}

/// Whether a package of this source may be used: `registry+URL`, `git+URL?…`.
fn comes_from(source: &str, sources: &Sources) -> bool {
    let place = |kind: &str| source.strip_prefix(kind);
    if let Some(registry) = place("registry+").or_else(|| place("sparse+")) {
        return sources.allow_registry.iter().any(|allowed| allowed == registry);
    }
    let git = place("git+").and_then(|url| url.split(['?', '#']).next());
    git.is_some_and(|git| sources.allow_git.iter().any(|allowed| allowed == git))
}

/// Packages of several versions.
fn duplicates<'m>(packages: &[&'m Package]) -> BTreeMap<&'m str, Vec<String>> {
    let mut versions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for package in packages {
        versions.entry(package.name.as_str()).or_default().push(package.version.to_string());
    }
    versions.retain(|_, versions| versions.len() > 1);
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sources_of_the_list_are_fine() {
        let sources = Sources {
            allow_registry: vec!["https://github.com/rust-lang/crates.io-index".into()],
            allow_git: vec!["https://example.org/fork".into()],
        };
        for (source, is_fine) in [
            ("registry+https://github.com/rust-lang/crates.io-index", true),
            ("registry+https://example.org/index", false),
            ("git+https://example.org/fork?rev=1#abc", true),
            ("git+https://example.org/other#abc", false),
            ("", false),
        ] {
            assert_eq!(comes_from(source, &sources), is_fine, "{source}");
        }
    }

    #[test]
    fn the_rules_of_the_workspace_can_be_read() {
        let file = crate::cargo::workspace_root().join("deny.toml");
        let text = std::fs::read_to_string(file).expect("it is there");
        let rules: Rules = toml::from_str(&text).expect("it is well formed");
        assert!(rules.licenses.allow.contains("MIT"));
    }
}
