//! Building libaura: from Rust's static library to the two files that a C user links.
//!
//! Rust's own shared libraries carry no symbol versions and hide what C code in them exports, and its
//! static libraries show the whole standard library to the linker. So: everything that the exported
//! functions need becomes one object, in which all other names are made local; that is the static
//! library, and, linked by the C compiler with the version map, the shared one.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::header;
use crate::cargo;

/// What was built, and what it is.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) shared: PathBuf,
    pub(crate) archive: PathBuf,
    pub(crate) version: Version,
}

#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) full: String,
    pub(crate) major: String,
    pub(crate) minor: String,
}

pub(crate) type Failure = Box<dyn std::error::Error>;

/// Builds both libraries into the target folder.
pub(crate) fn build() -> Result<Library, Failure> {
    let root = cargo::workspace_root();
    let metadata = metadata(&root)?;
    let version = version(&metadata)?;
    let profile = metadata.target_directory.as_std_path().join("shipped");
    run(cargo::cargo()
        .args(["rustc", "--package", "aura-ffi", "--lib", "--profile", "shipped"])
        .args(["--crate-type", "staticlib"]))?;

    let folder = profile.join("libaura");
    fs::create_dir_all(&folder)?;
    let names = header::function_names(&header::read_all(&root.join("aura-ffi/include"))?);
    let exported = folder.join("exported.txt");
    fs::write(&exported, names.join("\n") + "\n")?;

    let object = folder.join("aura.o");
    run(c_compiler()
        .args(["-r", "-nostdlib", "-Wl,--gc-sections", "-o"])
        .arg(&object)
        .args(names.iter().map(|name| format!("-Wl,-u,{name}")))
        .arg(profile.join("libaura_ffi.a")))?;
    // The bitcode that some objects carry would make other linkers take them for something else.
    run(tool("OBJCOPY", "objcopy")
        .args(["--strip-debug", "-R", ".llvmbc", "-R", ".llvmcmd"])
        .arg(prefixed("--keep-global-symbols=", &exported))
        .arg(&object))?;

    let archive = folder.join("libaura.a");
    let _ = fs::remove_file(&archive); // `ar` adds to what is there.
    run(tool("AR", "ar").arg("rcsD").arg(&archive).arg(&object))?;

    // Not to be unloaded while it is in use: threads that have used it come back when they end.
    let shared = folder.join(format!("libaura.so.{}", version.full));
    run(c_compiler()
        .arg("-shared")
        .arg("-o")
        .arg(&shared)
        .arg(&object)
        .arg(prefixed("-Wl,--version-script=", &root.join("aura-ffi/aura.map")))
        .args([
            "-Wl,--no-undefined-version",
            "-Wl,-z,defs,-z,relro,-z,now,-z,nodelete",
            "-Wl,--build-id",
        ])
        .arg(format!("-Wl,-soname,libaura.so.{}", version.major)))?;
    Ok(Library { shared, archive, version })
}

/// Where the libraries are built.
pub(crate) fn shipped_folder() -> Result<PathBuf, Failure> {
    Ok(target_folder()?.join("shipped/libaura"))
}

/// Where cargo builds.
pub(crate) fn target_folder() -> Result<PathBuf, Failure> {
    Ok(metadata(&cargo::workspace_root())?.target_directory.into())
}

/// The version that a build would have.
pub(crate) fn version_of_workspace() -> Result<Version, Failure> {
    version(&metadata(&cargo::workspace_root())?)
}

fn metadata(root: &Path) -> Result<cargo_metadata::Metadata, cargo_metadata::Error> {
    let manifest = root.join("Cargo.toml");
    cargo_metadata::MetadataCommand::new().manifest_path(manifest).no_deps().exec()
}

fn version(metadata: &cargo_metadata::Metadata) -> Result<Version, Failure> {
    let package = metadata.workspace_packages().into_iter().find(|p| p.name.as_str() == "aura-ffi");
    let version = &package.ok_or("there is no aura-ffi in this workspace")?.version;
    Ok(Version {
        full: version.to_string(),
        major: version.major.to_string(),
        minor: version.minor.to_string(),
    })
}

/// The C compiler, `cc` unless `CC` names another.
pub(crate) fn c_compiler() -> Command {
    tool("CC", "cc")
}

fn tool(variable: &str, usual: &str) -> Command {
    Command::new(std::env::var_os(variable).filter(|name| !name.is_empty()).unwrap_or(usual.into()))
}

fn prefixed(option: &str, path: &Path) -> OsString {
    let mut text = OsString::from(option);
    text.push(path);
    text
}

/// Runs a command that has to succeed.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|error| {
        format!("cannot start {program}: {error}; a C compiler and binutils are needed")
    })?;
    if !status.success() {
        return Err(format!("{program} failed ({status}): {command:?}").into());
    }
    Ok(())
}
