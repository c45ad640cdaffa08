//! `cargo xtask install` and `uninstall`: where the files of the C library go, and bffio if it is wanted.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::build::{self, Failure, Library, Version};
use super::{header, man, program};
use crate::{Outcome, cargo};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Where the library is to live
    #[arg(long, value_name = "FOLDER", default_value = "/usr/local")]
    pub(crate) prefix: PathBuf,
    /// Stage below this folder instead, for packagers
    #[arg(long, value_name = "FOLDER")]
    pub(crate) destdir: Option<PathBuf>,
    /// Folder of libraries below the prefix, for example lib64 or lib/x86_64-linux-gnu
    #[arg(long, value_name = "FOLDER", default_value = "lib")]
    pub(crate) libdir: PathBuf,
    /// Install bffio too, with its manual page and completions
    #[arg(long)]
    pub(crate) bffio: bool,
}

/// One file to lay down.
struct Item {
    /// Relative to the prefix.
    place: PathBuf,
    content: Content,
}

pub(super) enum Content {
    Copy(PathBuf),
    Program(PathBuf),
    Text(String),
    Link(String),
}

pub(crate) fn install(arguments: &Arguments) -> Outcome {
    let (prefix, libdir) = folders(arguments)?;
    let mut count = lay_down_all(&prefix, &libdir)?;
    if arguments.bffio {
        count += program::lay_down_all(&prefix)?;
    }
    println!("installed {count} files below {}", prefix.display());
    if arguments.destdir.is_none() {
        let path = prefix.join(&libdir).join("pkgconfig");
        let path = path.display();
        println!("compile with: cc … $(PKG_CONFIG_PATH={path} pkg-config --cflags --libs aura)");
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn uninstall(arguments: &Arguments) -> Outcome {
    let (prefix, libdir) = folders(arguments)?;
    let removed = remove_all(&prefix, &libdir)? + program::remove_all(&prefix)?;
    println!("removed {removed} files below {}", prefix.display());
    Ok(ExitCode::SUCCESS)
}

/// Builds and installs; returns how many files.
pub(super) fn lay_down_all(prefix: &Path, libdir: &Path) -> Result<usize, Failure> {
    let library = build::build()?;
    let items = items(&library, libdir)?;
    for item in &items {
        let path = prefix.join(&item.place);
        lay_down(&path, &item.content).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(items.len())
}

/// Removes what would be installed; returns how many files were there.
pub(super) fn remove_all(prefix: &Path, libdir: &Path) -> Result<usize, Failure> {
    // The list does not need a build.
    let unbuilt = Library {
        shared: PathBuf::new(),
        archive: PathBuf::new(),
        version: build::version_of_workspace()?,
    };
    let mut removed = 0;
    for item in items(&unbuilt, libdir)? {
        removed += usize::from(remove(&prefix.join(&item.place))?);
    }
    // Folders that only Aura has anything in; others may be empty for reasons of their own.
    for folder in [PathBuf::from("include/aura"), libdir.join("cmake/aura")] {
        let _ = fs::remove_dir(prefix.join(folder));
    }
    Ok(removed)
}

/// Removes a file; returns whether it was there.
pub(super) fn remove(path: &Path) -> Result<bool, Failure> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(format!("{}: {error}", path.display()).into()),
    }
}

/// The prefix as it is written to, and the libraries' folder relative to it.
fn folders(arguments: &Arguments) -> Result<(PathBuf, PathBuf), Failure> {
    let prefix = std::path::absolute(&arguments.prefix)?;
    let libdir = match arguments.libdir.strip_prefix(&prefix) {
        Ok(below) => below.to_path_buf(),
        Err(_) => arguments.libdir.clone(),
    };
    let plain = libdir.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || libdir.as_os_str().is_empty() {
        let (libdir, prefix) = (arguments.libdir.display(), prefix.display());
        return Err(format!("--libdir {libdir} has to be below the prefix, {prefix}").into());
    }
    let target = match &arguments.destdir {
        None => prefix,
        Some(stage) => std::path::absolute(stage)?.join(prefix.strip_prefix("/")?),
    };
    Ok((target, libdir))
}

fn items(library: &Library, libdir: &Path) -> Result<Vec<Item>, Failure> {
    let root = cargo::workspace_root();
    let version = &library.version;
    let real = format!("libaura.so.{}", version.full);
    let soname = format!("libaura.so.{}", version.major);
    let item = |place: PathBuf, content: Content| Item { place, content };
    let mut items = vec![
        item(libdir.join(&real), Content::Program(library.shared.clone())),
        item(libdir.join(&soname), Content::Link(real)),
        item(libdir.join("libaura.so"), Content::Link(soname)),
        item(libdir.join("libaura.a"), Content::Copy(library.archive.clone())),
    ];
    for (name, folder) in [
        ("aura.pc", "pkgconfig"),
        ("aura-config.cmake", "cmake/aura"),
        ("aura-config-version.cmake", "cmake/aura"),
    ] {
        let folder = libdir.join(folder);
        let template = root.join("aura-ffi/package").join(format!("{name}.in"));
        let text = fs::read_to_string(&template)
            .map_err(|error| format!("{}: {error}", template.display()))?;
        let text = filled(&text, version, libdir, &folder);
        items.push(item(folder.join(name), Content::Text(text)));
    }
    let headers = root.join("aura-ffi/include");
    for file in header::FILES {
        items.push(item(Path::new("include").join(file), Content::Copy(headers.join(file))));
    }
    let overview = fs::read_to_string(root.join("aura-ffi/package/aura.7"))?;
    for page in man::pages(&header::read_all(&headers)?, &overview, &version.full) {
        items.push(item(Path::new("share/man").join(page.file), Content::Text(page.text)));
    }
    for file in cpp_headers(&root.join("aura-cpp/include"))? {
        let below = file.strip_prefix(root.join("aura-cpp"))?.to_path_buf();
        items.push(item(below, Content::Copy(file)));
    }
    Ok(items)
}

/// The headers of the C++ layer, where there is one.
fn cpp_headers(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop().filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "hpp") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A template with its placeholders filled in. Paths are relative, so that the prefix can be moved.
fn filled(text: &str, version: &Version, libdir: &Path, folder: &Path) -> String {
    let up: Vec<&str> = folder.components().map(|_| "..").collect();
    text.replace("@TO_PREFIX@", &up.join("/"))
        .replace("@LIBDIR@", &libdir.display().to_string())
        .replace("@VERSION@", &version.full)
        .replace("@SOVERSION@", &version.major)
        .replace("@MAJOR@", &version.major)
        .replace("@MINOR@", &version.minor)
}

pub(super) fn lay_down(path: &Path, content: &Content) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Beside the old file, then in its place: programs that run keep the one they have mapped.
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    let _ = fs::remove_file(&fresh);
    let mode = match content {
        Content::Copy(from) | Content::Program(from) => {
            fs::write(&fresh, fs::read(from)?)?;
            Some(if matches!(content, Content::Program(_)) { 0o755 } else { 0o644 })
        }
        Content::Text(text) => {
            fs::write(&fresh, text)?;
            Some(0o644)
        }
        Content::Link(target) => {
            symlink(target, &fresh)?;
            None
        }
    };
    if let Some(mode) = mode {
        fs::set_permissions(&fresh, fs::Permissions::from_mode(mode))?;
    }
    fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(prefix: &str, destdir: Option<&str>, libdir: &str) -> Arguments {
        let (prefix, libdir) = (prefix.into(), libdir.into());
        Arguments { prefix, destdir: destdir.map(Into::into), libdir, bffio: false }
    }

    #[test]
    fn the_stage_comes_before_the_prefix_and_libdir_stays_below_it() {
        let (prefix, libdir) = folders(&arguments("/usr", Some("/stage"), "lib64")).expect("good");
        assert_eq!((prefix, libdir), ("/stage/usr".into(), "lib64".into()));
        let (_, libdir) = folders(&arguments("/usr", None, "/usr/lib/x")).expect("good");
        assert_eq!(libdir, PathBuf::from("lib/x"));
        for bad in ["/elsewhere/lib", "../lib", ""] {
            assert!(folders(&arguments("/usr", None, bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn templates_point_to_the_prefix_from_where_they_are() {
        let version = Version { full: "1.2.3".into(), major: "1".into(), minor: "2".into() };
        let libdir = Path::new("lib/multi");
        let text = filled("@TO_PREFIX@|@LIBDIR@|@VERSION@", &version, libdir, &libdir.join("x"));
        assert_eq!(text, "../../..|lib/multi|1.2.3");
    }
}
