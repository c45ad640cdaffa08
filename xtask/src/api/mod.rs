//! `cargo xtask api`: what users can name, as text that is committed: a change of it is a visible diff.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `rust` | the public items of `aura` and of the crates that stand alone, by rustdoc |
//! | `symbols` | the names that libaura.so exports, with their versions |
//! | `diff` | lines that are new, and lines that are gone |

mod diff;
mod rust;
mod symbols;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::{Outcome, cargo};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Compare with what is committed (the default)
    #[arg(long, conflicts_with = "bless")]
    check: bool,
    /// Write what there is now to the files that are committed
    #[arg(long)]
    bless: bool,
}

/// Where the files are.
const FOLDER: &str = "api";
const BLESS: &str = "cargo xtask api --bless";

/// What users can name, of one crate or library.
#[derive(Debug)]
struct Surface {
    /// The file's name, without extension.
    name: String,
    lines: Vec<String>,
}

impl Surface {
    fn file(&self) -> PathBuf {
        cargo::workspace_root().join(FOLDER).join(format!("{}.txt", self.name))
    }

    fn text(&self) -> String {
        self.lines.join("\n") + "\n"
    }
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let mut surfaces = Vec::new();
    match rust::surfaces()? {
        Ok(found) => surfaces.extend(found),
        Err(reason) => println!("SKIP: no Rust interfaces: {reason}"),
    }
    match symbols::surface()? {
        Ok(found) => surfaces.push(found),
        Err(reason) => println!("SKIP: no exported symbols: {reason}"),
    }
    if arguments.bless {
        std::fs::create_dir_all(cargo::workspace_root().join(FOLDER))?;
        for surface in &surfaces {
            std::fs::write(surface.file(), surface.text())?;
            println!("{FOLDER}/{}.txt: {} lines", surface.name, surface.lines.len());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut differs = false;
    for surface in &surfaces {
        let committed = std::fs::read_to_string(surface.file()).unwrap_or_default();
        let difference = diff::lines(&committed, &surface.text());
        if difference.is_empty() {
            println!("{}: as committed, {} items", surface.name, surface.lines.len());
            continue;
        }
        differs = true;
        println!("{}: what users can name has changed:", surface.name);
        difference.iter().for_each(|line| println!("    {line}"));
    }
    if differs {
        println!("If that is meant: {BLESS}, and a line in CHANGELOG.md.");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
