//! The C++ layer tried as C++ programs use it: headers, the test suite, examples, what must not compile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use super::build::{Failure, run};
use super::suite::{Bench, Link, STRICT, execute, link, sources};
use super::verdicts::{Case, Verdict, Verdicts, available, program};
use crate::cargo;

const TESTS: &str = "aura-cpp/tests";
const EXAMPLES: &str = "aura-cpp/examples";

/// What finds bugs that others do not: each compiler and standard, each sanitizer once, tail calls.
const ASAN: &[&str] = &["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
const CLANG_ASAN: &[&str] = &[
    "-O1",
    "-fsanitize=address,undefined",
    // clang 14 cannot assemble coroutines with this one.
    "-fno-sanitize=function",
    "-fno-sanitize-recover=all",
];
const TSAN: &[&str] = &["-O1", "-fsanitize=thread"];
const TAIL_CALLS: &[&str] = &["-O2", "-DAURA_TEST_TAIL_CALLS"];

/// A way to compile.
#[derive(Clone, Copy)]
struct Build {
    compiler: &'static str,
    standard: &'static str,
    flags: &'static [&'static str],
}

const GCC: Build = Build { compiler: "g++", standard: "c++20", flags: TAIL_CALLS };
const CLANG: Build = Build { compiler: "clang++", standard: "c++23", flags: CLANG_ASAN };

impl Build {
    fn name(&self) -> String {
        let with: Vec<_> = self.flags.iter().filter(|flag| flag.contains("sanitize=")).collect();
        let with = with.first().map_or(String::new(), |flag| format!(", {}", &flag[2..]));
        format!("{} {}{with}", self.compiler, self.standard)
    }

    /// Why it cannot be used here, if so.
    fn missing(&self) -> Option<String> {
        program(self.compiler, self.compiler.trim_end_matches('+')).err()
    }

    fn command(&self, bench: &Bench) -> Command {
        // Releases of clang before 17 know C++23 by its working title.
        let standard = if self.standard == "c++23" { "c++2b" } else { self.standard };
        let mut command = Command::new(self.compiler);
        command.args(STRICT).arg(format!("-std={standard}")).arg("-I");
        command.arg(bench.prefix.join("include"));
        command
    }

    /// Compiles files, two at a time, and links them.
    fn program(&self, bench: &Bench, sources: &[PathBuf], to: &Path) -> Result<(), Failure> {
        let objects = to.with_extension("objects");
        fs::create_dir_all(&objects)?;
        two_at_a_time(sources, |source| {
            let object = objects.join(source.file_name().unwrap_or_default());
            run(self
                .command(bench)
                .args(["-g", "-c"])
                .args(self.flags)
                .arg(source)
                .arg("-o")
                .arg(object.with_extension("o")))
        })?;
        let objects = sources.iter().filter_map(|source| source.file_name());
        let objects: Vec<_> = objects
            .map(|name| to.with_extension("objects").join(name).with_extension("o"))
            .collect();
        run(self
            .command(bench)
            .args(self.flags)
            .args(objects)
            .arg("-o")
            .arg(to)
            .args(link(&bench.prefix, Link::Shared))
            .arg("-lpthread"))
    }
}

/// Does something with each, until one fails.
fn two_at_a_time<T: Sync>(
    items: &[T],
    work: impl Fn(&T) -> Result<(), Failure> + Sync,
) -> Result<(), Failure> {
    let left = Mutex::new(items.iter());
    let turn = || -> Result<(), String> {
        loop {
            let next = left.lock().map_err(|_| "the other one panicked")?.next();
            let Some(item) = next else { return Ok(()) };
            work(item).map_err(|error| error.to_string())?;
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(turn);
        turn().and(other.join().unwrap_or_else(|_| Err("the other one panicked".into())))
    })?;
    Ok(())
}

/// Each header alone, code on pages, what must not compile, programs that end in ways of their own.
pub(super) fn check(bench: &Bench, verdicts: &mut Verdicts) {
    for build in [GCC, CLANG] {
        verdicts.add(&format!("C++ headers alone, {}", build.name()), headers_alone(bench, build));
        let name = format!("without exceptions and RTTI, {} {}", build.compiler, build.standard);
        verdicts.add(&name, without_exceptions(bench, build));
        let name = format!("what must not compile, {} {}", build.compiler, build.standard);
        verdicts.add(&name, must_not_compile(bench, build));
    }
    verdicts.add("a callback that throws ends the program", throwing_callback(bench));
    for page in ["docs/cpp.md", "README.md"] {
        verdicts.add(&format!("C++ code in {page}"), snippets(bench, page));
    }
}

fn headers_alone(bench: &Bench, build: Build) -> Case {
    if let Some(reason) = build.missing() {
        return Ok(Verdict::Skipped(reason));
    }
    let include = bench.prefix.join("include");
    let mut headers = vec!["aura.hpp".to_owned()];
    for entry in fs::read_dir(include.join("aura"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        headers.extend(name.ends_with(".hpp").then(|| format!("aura/{name}")));
    }
    two_at_a_time(&headers, |header| {
        let file = bench.folder.join(format!("alone-{}.cpp", header.replace('/', "-")));
        fs::write(&file, format!("#include <{header}>\n#include <{header}>\n"))?;
        run(build.command(bench).arg("-fsyntax-only").arg(&file))
    })?;
    Ok(Verdict::Passed)
}

fn without_exceptions(bench: &Bench, build: Build) -> Case {
    if let Some(reason) = build.missing() {
        return Ok(Verdict::Skipped(reason));
    }
    let build = Build { flags: &["-O1", "-fno-exceptions", "-fno-rtti"], ..build };
    let source = cargo::workspace_root().join(TESTS).join("programs/no_exceptions.cpp");
    let program = bench.folder.join(format!("no-exceptions-{}", build.compiler));
    build.program(bench, &[source], &program)?;
    execute(&program, false, &bench.folder)
}

/// Each file is refused for the reason that it gives, and accepted with ACCEPTED.
fn must_not_compile(bench: &Bench, build: Build) -> Case {
    if let Some(reason) = build.missing() {
        return Ok(Verdict::Skipped(reason));
    }
    two_at_a_time(&sources(&format!("{TESTS}/must_not_compile"), "cpp")?, |source| {
        let text = fs::read_to_string(source)?;
        let expected = text.lines().find_map(|line| line.strip_prefix("// expected: "));
        let expected = expected.ok_or_else(|| format!("{} expects nothing", source.display()))?;
        let compiled = build.command(bench).arg("-fsyntax-only").arg(source).output()?;
        let said = String::from_utf8_lossy(&compiled.stderr);
        if compiled.status.success() || !expected.split('|').any(|why| said.contains(why)) {
            let source = source.display();
            return Err(format!("{source} should be refused with \"{expected}\": {said}").into());
        }
        run(build.command(bench).args(["-fsyntax-only", "-DACCEPTED"]).arg(source))
    })?;
    Ok(Verdict::Passed)
}

fn throwing_callback(bench: &Bench) -> Case {
    if let Some(reason) = GCC.missing() {
        return Ok(Verdict::Skipped(reason));
    }
    const TERMINATED: i32 = 42;
    let source = cargo::workspace_root().join(TESTS).join("programs/throwing_callback.cpp");
    let program = bench.folder.join("throwing-callback");
    GCC.program(bench, &[source], &program)?;
    let ended = Command::new(&program).output()?;
    if ended.status.code() != Some(TERMINATED) {
        let said = String::from_utf8_lossy(&ended.stdout);
        return Err(format!("std::terminate() was not called: {}: {said}", ended.status).into());
    }
    Ok(Verdict::Passed)
}

/// What a reader of our pages has included by the time a snippet comes.
const BEFORE_A_SNIPPET: &str = "\
#include <aura.hpp>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <sys/epoll.h>
#include <unistd.h>
using namespace std::chrono_literals;
";

/// The code on a page is one program, piece by piece, each in a namespace of its own; `main` runs what is called
/// `recipe`, and takes 0 for success.
fn snippets(bench: &Bench, page: &str) -> Case {
    if let Some(reason) = GCC.missing() {
        return Ok(Verdict::Skipped(reason));
    }
    let text = fs::read_to_string(cargo::workspace_root().join(page))?;
    let pieces = text.split("\n```cpp\n").skip(1);
    let pieces: Vec<&str> =
        pieces.map(|piece| piece.split("\n```").next().unwrap_or(piece)).collect();
    if pieces.is_empty() {
        return Err("there is no C++ on this page".into());
    }
    let (mut program, mut calls) = (BEFORE_A_SNIPPET.to_owned(), String::new());
    for (number, piece) in pieces.iter().enumerate() {
        program += &format!("namespace piece{number} {{\n{piece}\n}}\n");
        if piece.contains("int recipe(") {
            calls += &format!(
                "  if (piece{number}::recipe() != 0) {{\n    std::puts(\"piece {number} failed\");\n    \
                 return 1;\n  }}\n"
            );
        }
    }
    program += &format!("int main() {{\n{calls}  return 0;\n}}\n");
    let source = bench.folder.join("page.cpp");
    fs::write(&source, program)?;
    let file = bench.folder.join("page");
    let build = Build { flags: ASAN, ..GCC };
    build.program(bench, &[source], &file)?;
    execute(&file, false, &bench.folder)
}

/// The test suite in several builds; one of them if `quick`.
/// More of them if `long`.
pub(super) fn test(bench: &Bench, quick: bool, long: bool, verdicts: &mut Verdicts) {
    let builds = [
        GCC,
        CLANG,
        Build { standard: "c++23", flags: TSAN, ..GCC },
        Build { standard: "c++20", compiler: "clang++-19", flags: &["-O2"] },
    ];
    for build in &builds[..if quick { 1 } else { builds.len() }] {
        let is_extra = build.compiler == "clang++-19";
        if is_extra && (!long || Command::new(build.compiler).arg("--version").output().is_err()) {
            continue; // Large, and not installed for this alone; tried where it is.
        }
        let file =
            bench.folder.join(format!("cpp-suite-{}", build.name().replace([' ', ','], "-")));
        let case = suite(bench, *build, &file);
        let built = matches!(case, Ok(Verdict::Passed));
        verdicts.add(&format!("C++ suite, {}", build.name()), case);
        if !quick && built && build.flags == TAIL_CALLS {
            let case = execute(&file, true, &bench.folder);
            verdicts.add(&format!("C++ suite, {}, valgrind", build.name()), case);
        }
    }
}

fn suite(bench: &Bench, build: Build, file: &Path) -> Case {
    let doctest = || {
        let mut question = Command::new("g++");
        question.args(["-E", "-x", "c++", "-include", "doctest/doctest.h", "/dev/null"]);
        question.output().is_ok_and(|answer| answer.status.success())
    };
    let tools = available(doctest, "doctest", "doctest-dev");
    if let Some(reason) = build.missing().or(tools.err()) {
        return Ok(Verdict::Skipped(reason));
    }
    build.program(bench, &sources(TESTS, "cpp")?, file)?;
    execute(file, false, &bench.folder)
}

/// Every example under the sanitizers; as it comes if `quick`.
pub(super) fn examples(bench: &Bench, quick: bool, verdicts: &mut Verdicts) -> Result<(), Failure> {
    let plain = Build { flags: &["-O1"], ..GCC };
    let build = if quick { plain } else { CLANG };
    let missing = build.missing();
    let cases = Mutex::new(Vec::new());
    two_at_a_time(&sources(EXAMPLES, "cpp")?, |source| {
        let stem = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let case = match &missing {
            Some(reason) => Ok(Verdict::Skipped(reason.clone())),
            None => {
                let file = bench.folder.join(format!("cpp-example-{stem}"));
                build
                    .program(bench, std::slice::from_ref(source), &file)
                    .and_then(|()| execute(&file, false, &bench.folder))
                    .map_err(|error| error.to_string())
            }
        };
        cases.lock().map_err(|_| "the other one panicked")?.push((stem, case));
        Ok(())
    })?;
    let mut cases = cases.into_inner()?;
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    for (stem, case) in cases {
        verdicts.add(&format!("C++ example {stem}, {}", build.name()), case.map_err(Into::into));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: &str = "aura-cpp/include";

    #[test]
    fn every_header_says_what_lives_there_and_is_guarded_by_its_name() {
        let mut folders = vec![cargo::workspace_root().join(HEADERS)];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("readable") {
                let path = entry.expect("readable").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = fs::read_to_string(&path).expect("text");
                let below =
                    path.strip_prefix(cargo::workspace_root().join(HEADERS)).expect("below");
                let guard = below.display().to_string().replace(['/', '.'], "_").to_uppercase();
                assert!(text.starts_with("// "), "{}", path.display());
                assert!(text.contains(&format!("#ifndef {guard}\n")), "{}", path.display());
                seen += 1;
            }
        }
        assert!(seen > 20, "{seen} headers");
    }
}
