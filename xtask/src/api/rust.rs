//! The public items of crates, from rustdoc's JSON.
//!
//! That format changes with the compiler, and the crate that reads it knows one version: with another
//! toolchain than the one which the files were made with, the comparison is skipped.

use std::fs;
use std::path::Path;

use public_api::{Builder, MINIMUM_NIGHTLY_RUST_VERSION};
use serde::Deserialize;

use super::Surface;
use crate::cargo;
use crate::library::target_folder;

/// `aura`, and what is useful alone.
const CRATES: [&str; 6] =
    ["aura", "aura-aimd", "aura-bufpool", "aura-histogram", "aura-metrics", "aura-ring"];
/// The version of rustdoc's format that is understood here.
const FORMAT: u32 = 57;

type Failure = Box<dyn std::error::Error>;

/// The surfaces of all crates, or why they cannot be had with this toolchain.
pub(super) fn surfaces() -> Result<Result<Vec<Surface>, String>, Failure> {
    let mut rustdoc = cargo::cargo();
    rustdoc
        .args(["doc", "--quiet", "--no-deps", "--lib", "--all-features"])
        .args(CRATES.iter().flat_map(|name| ["--package", name]))
        .env("RUSTDOC", cargo::workspace_root().join("xtask/rustdoc-json.sh"))
        .env("RUSTDOCFLAGS", "-Zunstable-options --output-format json");
    if !rustdoc.status()?.success() {
        return Err("rustdoc failed".into());
    }
    let folder = target_folder()?.join("doc");
    let mut surfaces = Vec::new();
    for name in CRATES {
        let json = folder.join(format!("{}.json", name.replace('-', "_")));
        let format = format_of(&json)?;
        if format != FORMAT {
            return Ok(Err(format!(
                "rustdoc of this toolchain writes format {format}, and {FORMAT} is understood (that of \
                 {MINIMUM_NIGHTLY_RUST_VERSION}): use the toolchain that the files in api/ were made with"
            )));
        }
        let api = Builder::from_rustdoc_json(&json)
            .omit_blanket_impls(true)
            .omit_auto_trait_impls(true)
            .omit_auto_derived_impls(true)
            .build()?;
        let lines = api.items().map(ToString::to_string).collect();
        surfaces.push(Surface { name: name.into(), lines });
    }
    Ok(Ok(surfaces))
}

fn format_of(json: &Path) -> Result<u32, Failure> {
    #[derive(Deserialize)]
    struct Head {
        format_version: u32,
    }
    let text = fs::read_to_string(json).map_err(|error| format!("{}: {error}", json.display()))?;
    Ok(serde_json::from_str::<Head>(&text)?.format_version)
}
