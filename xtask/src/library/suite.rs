//! The C library tried as C programs use it: the header, the names, the test suite, the examples.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::build::{Failure, run};
use super::verdicts::{Case, Verdict, Verdicts, program};
use super::{header, install};
use crate::cargo;

/// What every C file of ours is compiled with.
pub(super) const STRICT: [&str; 6] =
    ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"];

/// A folder with everything installed, and one for what is made from it.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) prefix: PathBuf,
    pub(super) folder: PathBuf,
}

impl Bench {
    pub(super) fn new() -> Result<Self, Failure> {
        let folder = super::build::shipped_folder()?.join("bench");
        let prefix = folder.join("prefix");
        let _ = fs::remove_dir_all(&prefix);
        install::lay_down_all(&prefix, Path::new("lib"))?;
        Ok(Self { prefix, folder })
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Link {
    Shared,
    Static,
}

/// A compiler that has to accept what another does too.
pub(super) fn compiler(name: &str) -> Result<Command, String> {
    let package = if name == "g++" { "g++" } else { name };
    program(name, package).map(|()| Command::new(name))
}

/// Arguments that link with what is in the prefix.
pub(super) fn link(prefix: &Path, link: Link) -> Vec<String> {
    let lib = prefix.join("lib").display().to_string();
    match link {
        Link::Shared => vec![format!("-L{lib}"), "-laura".into(), format!("-Wl,-rpath,{lib}")],
        Link::Static => vec![format!("{lib}/libaura.a")],
    }
}

/// Files of a folder with an extension, in order.
pub(super) fn sources(folder: &str, extension: &str) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for entry in fs::read_dir(cargo::workspace_root().join(folder))? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Header, exported names, needed libraries, manual pages.
pub(super) fn check(bench: &Bench, verdicts: &mut Verdicts) {
    for (compiler_name, language, standards) in [
        ("gcc", "c", &["c11", "c17"][..]),
        ("clang", "c", &["c11", "c17"]),
        ("g++", "c++", &["c++20", "c++23"]),
        ("clang++", "c++", &["c++20"]),
    ] {
        for standard in standards {
            let name = format!("headers alone, {compiler_name} {standard}");
            verdicts.add(&name, headers_alone(bench, compiler_name, language, standard));
        }
    }
    for page in ["docs/c.md", "aura-ffi/README.md"] {
        verdicts.add(&format!("C code in {page}"), snippets(bench, page));
    }
    verdicts.add("headers, map and libraries have the same names", names(bench));
    verdicts.add("only libc and libgcc are needed", needed(bench));
    verdicts.add("manual pages", manual(bench));
    verdicts.add("uninstall leaves nothing", uninstalled(bench));
}

fn headers_alone(bench: &Bench, name: &str, language: &str, standard: &str) -> Case {
    if let Err(reason) = compiler(name) {
        return Ok(Verdict::Skipped(reason));
    }
    let file = bench.folder.join("alone.c");
    for header in header::FILES {
        fs::write(&file, format!("#include <{header}>\n").repeat(2))?;
        for gnu in [None, Some("-D_GNU_SOURCE")] {
            run(Command::new(name)
                .args(STRICT)
                .arg(format!("-std={standard}"))
                .args(gnu)
                .args(["-x", language, "-fsyntax-only", "-I"])
                .arg(bench.prefix.join("include"))
                .arg(&file))?;
        }
    }
    Ok(Verdict::Passed)
}

/// What a reader of our pages has included by the time a snippet comes.
const BEFORE_A_SNIPPET: &str = "\
#include <aura.h>
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>
";

/// Every piece of C on a page compiles as it stands; functions that nobody declared are fine there.
fn snippets(bench: &Bench, page: &str) -> Case {
    let text = fs::read_to_string(cargo::workspace_root().join(page))?;
    let pieces: Vec<&str> = text
        .split("\n```c\n")
        .skip(1)
        .map(|piece| piece.split("\n```").next().unwrap_or(piece))
        .collect();
    if pieces.is_empty() {
        return Err("there is no C on this page".into());
    }
    for (number, piece) in pieces.iter().enumerate() {
        let file = bench.folder.join(format!("snippet-{number}.c"));
        fs::write(&file, format!("{BEFORE_A_SNIPPET}{piece}\n"))?;
        run(Command::new("gcc")
            .args(STRICT)
            .args(["-std=c11", "-D_GNU_SOURCE", "-fsyntax-only"])
            .arg("-I")
            .arg(bench.prefix.join("include"))
            .arg(&file))?;
    }
    Ok(Verdict::Passed)
}

fn names(bench: &Bench) -> Case {
    let headers = header::read_all(&bench.prefix.join("include"))?;
    let header: BTreeSet<String> = header::function_names(&headers).into_iter().collect();
    let map = fs::read_to_string(cargo::workspace_root().join("aura-ffi/aura.map"))?;
    let map = map.lines().filter_map(|line| line.trim().strip_suffix(';'));
    let map: BTreeSet<String> =
        map.filter(|name| name.starts_with("aura_")).map(Into::into).collect();
    same("headers", &header, "version map", &map)?;
    let exported = |arguments: &[&str], file: &str| -> Result<BTreeSet<String>, Failure> {
        let output =
            Command::new("nm").args(arguments).arg(bench.prefix.join("lib").join(file)).output()?;
        let text = String::from_utf8(output.stdout)?;
        let lines = text.lines().filter_map(|line| line.split_whitespace().nth(2));
        let names = lines.map(|name| name.split('@').next().unwrap_or(name).to_owned());
        Ok(names.filter(|name| !name.starts_with("AURA_")).collect())
    };
    same("headers", &header, "libaura.so", &exported(&["-D", "--defined-only"], "libaura.so")?)?;
    same("headers", &header, "libaura.a", &exported(&["-g", "--defined-only"], "libaura.a")?)?;
    Ok(Verdict::Passed)
}

fn same(
    one: &str,
    ones: &BTreeSet<String>,
    other: &str,
    others: &BTreeSet<String>,
) -> Result<(), Failure> {
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| -> String {
        a.difference(b).cloned().collect::<Vec<_>>().join(", ")
    };
    if ones != others {
        let (left, right) = (only(ones, others), only(others, ones));
        return Err(format!("only in {one}: [{left}]; only in {other}: [{right}]").into());
    }
    Ok(())
}

fn needed(bench: &Bench) -> Case {
    let output = Command::new("ldd").arg(bench.prefix.join("lib/libaura.so")).output()?;
    let text = String::from_utf8(output.stdout)?;
    for library in text.lines().filter_map(|line| line.split_whitespace().next()) {
        let known = ["linux-vdso", "libc.so", "libgcc_s.so", "/lib64/ld-linux", "/lib/ld-linux"];
        if !known.iter().any(|known| library.starts_with(known)) {
            return Err(format!("libaura.so needs {library}").into());
        }
    }
    let versioned =
        Command::new("readelf").arg("-dW").arg(bench.prefix.join("lib/libaura.so")).output()?;
    if !String::from_utf8_lossy(&versioned.stdout).contains("soname: [libaura.so.0]") {
        return Err("the soname is not libaura.so.0".into());
    }
    Ok(Verdict::Passed)
}

fn manual(bench: &Bench) -> Case {
    if let Err(reason) = program("mandoc", "mandoc") {
        return Ok(Verdict::Skipped(reason));
    }
    let man = bench.prefix.join("share/man");
    for section in ["man3", "man7"] {
        for entry in fs::read_dir(man.join(section))? {
            let path = entry?.path();
            if fs::read_to_string(&path)?.starts_with(".so ") {
                continue;
            }
            let output =
                Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&path).output()?;
            let text = String::from_utf8_lossy(&output.stdout);
            // A page made from the header has the library's version and no date.
            let findings = text.lines().filter(|line| !line.contains("missing date"));
            if let Some(finding) = findings.into_iter().next() {
                return Err(finding.to_owned().into());
            }
        }
    }
    Ok(Verdict::Passed)
}

fn uninstalled(bench: &Bench) -> Case {
    let stage = bench.folder.join("stage");
    let _ = fs::remove_dir_all(&stage);
    let libdir = Path::new("lib/somewhere");
    install::lay_down_all(&stage.join("usr"), libdir)?;
    install::remove_all(&stage.join("usr"), libdir)?;
    let mut folders = vec![stage];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if !path.is_dir() {
                return Err(format!("{} was left", path.display()).into());
            }
            folders.push(path);
        }
    }
    Ok(Verdict::Passed)
}

/// The suite in C, as various programs; one of them if `quick`.
pub(super) fn test(bench: &Bench, quick: bool, verdicts: &mut Verdicts) {
    let asan: &[&str] = &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    let none: &[&str] = &[];
    let configurations = [
        ("gcc", "c11", Link::Shared, none, false),
        ("gcc", "c17", Link::Static, none, false),
        ("clang", "c17", Link::Shared, none, false),
        ("gcc", "c11", Link::Shared, asan, false),
        ("gcc", "c11", Link::Static, asan, false),
        ("gcc", "c11", Link::Shared, none, true),
        ("gcc", "c11", Link::Static, none, true),
    ];
    let count = if quick { 1 } else { configurations.len() };
    for (compiler, standard, link, flags, valgrind) in &configurations[..count] {
        let with = if *valgrind {
            ", valgrind"
        } else if flags.is_empty() {
            ""
        } else {
            ", sanitizers"
        };
        let name = format!("suite, {compiler} {standard}, {link:?}{with}");
        let file = bench.folder.join(format!("suite-{compiler}-{link:?}-{}", flags.len()));
        let case = sources("aura-ffi/tests/c", "c")
            .and_then(|sources| build(bench, &file, compiler, standard, *link, flags, &sources))
            .and_then(|built| match built {
                Some(reason) => Ok(Verdict::Skipped(reason)),
                None => execute(&file, *valgrind, &bench.folder),
            });
        verdicts.add(&name, case);
    }
}

/// Compiles a program. The reason if that cannot be done here.
fn build(
    bench: &Bench,
    file: &Path,
    compiler_name: &str,
    standard: &str,
    how: Link,
    flags: &[&str],
    sources: &[PathBuf],
) -> Result<Option<String>, Failure> {
    if let Err(reason) = compiler(compiler_name) {
        return Ok(Some(reason));
    }
    run(Command::new(compiler_name)
        .args(STRICT)
        .args(["-g", "-O1"])
        .arg(format!("-std={standard}"))
        .args(flags)
        .arg("-I")
        .arg(bench.prefix.join("include"))
        .args(sources)
        .arg("-o")
        .arg(file)
        .args(link(&bench.prefix, how))
        .arg("-lpthread"))?;
    Ok(None)
}

pub(super) fn execute(file: &Path, valgrind: bool, folder: &Path) -> Case {
    let mut command = if valgrind {
        if let Err(reason) = program("valgrind", "valgrind") {
            return Ok(Verdict::Skipped(reason));
        }
        let mut command = Command::new("valgrind");
        command.args(["-q", "--error-exitcode=9", "--leak-check=full"]);
        // What an engine gives up on purpose, since the kernel may still write to it, is found by
        // pointers into its middle only ("possibly lost").
        command.args(["--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"]).arg(file);
        command.env("AURA_UNDER_VALGRIND", "1");
        command
    } else {
        Command::new(file)
    };
    let temporary = folder.join("tmp");
    fs::create_dir_all(&temporary)?;
    run(command
        .env("ASAN_OPTIONS", "detect_leaks=1")
        .env("TMPDIR", &temporary)
        .current_dir(&temporary))?;
    Ok(Verdict::Passed)
}

/// An example as it comes, built.
pub(super) fn example(bench: &Bench, stem: &str) -> Result<PathBuf, Failure> {
    let source = cargo::workspace_root().join("aura-ffi/examples").join(format!("{stem}.c"));
    let file = bench.folder.join(format!("example-{stem}-0"));
    match build(bench, &file, "gcc", "c11", Link::Shared, &[], &[source])? {
        Some(reason) => Err(reason.into()),
        None => Ok(file),
    }
}

/// Every example, as it comes and under the sanitizers and valgrind.
pub(super) fn examples(bench: &Bench, quick: bool, verdicts: &mut Verdicts) -> Result<(), Failure> {
    let asan: &[&str] = &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    for source in sources("aura-ffi/examples", "c")? {
        let stem = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for (with, flags, link, valgrind) in [
            ("shared", &[][..], Link::Shared, false),
            ("static, sanitizers", asan, Link::Static, false),
            ("shared, valgrind", &[], Link::Shared, true),
        ] {
            if quick && with != "shared" {
                continue;
            }
            let file = bench.folder.join(format!("example-{stem}-{}", flags.len()));
            let case =
                build(bench, &file, "gcc", "c11", link, flags, std::slice::from_ref(&source))
                    .and_then(|_| execute(&file, valgrind, &bench.folder));
            verdicts.add(&format!("example {stem}, {with}"), case);
        }
    }
    Ok(())
}
