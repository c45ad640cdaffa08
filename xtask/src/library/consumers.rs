//! Small projects built against an installed prefix, in the ways in which users find a library.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use super::build::{Failure, run};
use super::suite::{Bench, STRICT};
use super::verdicts::{Case, Verdict, Verdicts, available, program};
use crate::cargo;

/// What all of them build: reads the first bytes of itself and checks them.
const PROGRAM: &str = "\
#include <aura.h>
#include <fcntl.h>
#include <string.h>

static void on_read(aura_request_t *req, ssize_t result, void *user_data) {
  (void)req;
  *(ssize_t *)user_data = result;
}

int main(void) {
  char magic[4] = {0};
  ssize_t result = -1;
  const int fd = open(\"/proc/self/exe\", O_RDONLY);
  aura_engine_t *engine = aura_create();
  if (engine == NULL || aura_read(engine, fd, aura_buf(magic), 4, 0, on_read, &result) == NULL) {
    return 1;
  }
  aura_wait(engine, -1);
  aura_destroy(engine);
  return result == 4 && memcmp(magic, \"\\177ELF\", 4) == 0 && aura_version_int() == AURA_VERSION ? 0 : 2;
}
";

/// The same for C++, with a coroutine, which may be another shared object's.
const PROGRAM_CPP: &str = "\
#include <aura.hpp>
#include <cstring>

#ifdef WITHOUT_TASK
aura::Task<bool> is_elf(aura::Engine &engine);
#else
[[gnu::visibility(\"default\")]] aura::Task<bool> is_elf(aura::Engine &engine) {
  const int fd = co_await engine.async_openat(AT_FDCWD, \"/proc/self/exe\", O_RDONLY, 0);
  char magic[4] = {};
  const ssize_t bytes = co_await engine.async_read(fd, magic, sizeof magic, 0);
  co_await engine.async_close(fd);
  co_return bytes == 4 && std::memcmp(magic, \"\\177ELF\", 4) == 0;
}
#endif

#ifndef WITHOUT_MAIN
int main() {
  aura::Engine engine;
  return aura::sync_wait(engine, is_elf(engine)) && aura::version_int() == AURA_VERSION ? 0 : 2;
}
#endif
";

/// Uses each target; `AURA_FROM_SOURCE` decides where they come from.
const CMAKE: &str = "\
cmake_minimum_required(VERSION 3.16)
project(consumer C CXX)
if(AURA_FROM_SOURCE)
  add_subdirectory(\"${AURA_FROM_SOURCE}\" aura)
else()
  find_package(aura 0.5 REQUIRED)
endif()
enable_testing()
foreach(kind aura static)
  add_executable(consumer-${kind} consumer.c)
  target_link_libraries(consumer-${kind} PRIVATE aura::${kind})
  add_test(NAME ${kind} COMMAND consumer-${kind})
endforeach()
add_executable(consumer-cpp consumer.cpp)
target_link_libraries(consumer-cpp PRIVATE aura::cpp)
add_test(NAME cpp COMMAND consumer-cpp)
";

pub(super) fn run_all(bench: &Bench, verdicts: &mut Verdicts) -> Result<(), Failure> {
    let moved = bench.folder.join("moved");
    let _ = fs::remove_dir_all(&moved);
    run(Command::new("cp").arg("-a").arg(&bench.prefix).arg(&moved))?;
    let project = bench.folder.join("consumer");
    fs::create_dir_all(&project)?;
    fs::write(project.join("consumer.c"), PROGRAM)?;
    fs::write(project.join("consumer.cpp"), PROGRAM_CPP)?;
    fs::write(project.join("CMakeLists.txt"), CMAKE)?;
    for (where_, prefix) in [("installed", &bench.prefix), ("moved", &moved)] {
        let languages = [("C", C), ("C++", CPP)];
        for (language, compile) in languages {
            let name = format!("pkg-config, {language}, {where_}");
            verdicts.add(&name, pkg_config(&project, prefix, compile, false));
            let name = format!("pkg-config, {language}, static, {where_}");
            verdicts.add(&name, pkg_config(&project, prefix, compile, true));
        }
        verdicts.add(&format!("find_package, {where_}"), find_package(&project, prefix));
    }
    verdicts.add("add_subdirectory", add_subdirectory(&project));
    let name = "C++, a task of a shared object with hidden names, without exceptions and RTTI";
    verdicts.add(name, hidden(&project, &bench.prefix));
    verdicts.add("an exception ends the process", throws(&project, &bench.prefix));
    verdicts.add("the library is unloaded and loaded again", reload(&project, &bench.prefix));
    verdicts.add("the reference's link line", reference_line(&project, &bench.prefix));
    Ok(())
}

/// Compiler, what it is told, and the source.
type Compile = (&'static str, &'static [&'static str], &'static str);
const C: Compile = ("cc", &[], "consumer.c");
const CPP: Compile = ("g++", &["-std=c++20"], "consumer.cpp");

fn pkg_config(project: &Path, prefix: &Path, compile: Compile, is_static: bool) -> Case {
    let (compiler, flags, source) = compile;
    let tools = program("pkg-config", "pkg-config").and(program(compiler, "g++"));
    if let Err(reason) = tools {
        return Ok(Verdict::Skipped(reason));
    }
    let mut question = Command::new("pkg-config");
    question.args(["--cflags", "--libs"]).args(is_static.then_some("--static")).arg("aura");
    question.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
    let output = question.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let answer = String::from_utf8(output.stdout)?;
    let program = project.join("by-pkg-config");
    run(Command::new(compiler)
        .args(STRICT)
        .args(flags)
        .args(is_static.then_some("-static"))
        .arg(project.join(source))
        .args(answer.split_whitespace())
        .arg("-o")
        .arg(&program))?;
    run(Command::new(&program).env("LD_LIBRARY_PATH", prefix.join("lib")))?;
    Ok(Verdict::Passed)
}

/// Both sides have the headers' functions for themselves, and tasks go from one to the other.
fn hidden(project: &Path, prefix: &Path) -> Case {
    let (compiler, flags, source) = CPP;
    if let Err(reason) = program(compiler, compiler) {
        return Ok(Verdict::Skipped(reason));
    }
    let (lib, plugin, main) = (prefix.join("lib"), project.join("plugin.so"), project.join("main"));
    let compile = |own: &[&str], to: &Path| {
        let mut compile = Command::new(compiler);
        compile.args(STRICT).args(flags).args(own).arg(project.join(source)).arg("-o").arg(to);
        compile.arg("-I").arg(prefix.join("include")).arg("-L").arg(&lib).arg("-laura");
        compile
    };
    let alone = ["-fvisibility=hidden", "-fno-exceptions", "-fno-rtti"];
    run(compile(&["-shared", "-fPIC", "-DWITHOUT_MAIN"], &plugin).args(alone))?;
    run(compile(&["-DWITHOUT_TASK", "-fvisibility=hidden"], &main).arg(&plugin))?;
    run(Command::new(&main).env("LD_LIBRARY_PATH", &lib))?;
    Ok(Verdict::Passed)
}

fn find_package(project: &Path, prefix: &Path) -> Case {
    cmake(project, "installed", &[format!("-DCMAKE_PREFIX_PATH={}", prefix.display())])
}

fn add_subdirectory(project: &Path) -> Case {
    let target = super::build::shipped_folder()?;
    let target = target.ancestors().nth(2).ok_or("no target folder")?;
    cmake(
        project,
        "source",
        &[
            format!("-DAURA_FROM_SOURCE={}", cargo::workspace_root().display()),
            // What is built already need not be built again.
            format!("-DAURA_CARGO_TARGET_DIR={}", target.display()),
        ],
    )
}

fn cmake(project: &Path, name: &str, definitions: &[String]) -> Case {
    if let Err(reason) = program("cmake", "cmake").and(program("g++", "g++")) {
        return Ok(Verdict::Skipped(reason));
    }
    let build = project.join(format!("build-{name}"));
    let _ = fs::remove_dir_all(&build);
    run(Command::new("cmake")
        .arg("-S")
        .arg(project)
        .arg("-B")
        .arg(&build)
        .arg("-DCMAKE_C_FLAGS=-Wall -Wextra -Werror")
        .arg("-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror")
        .args(definitions))?;
    run(Command::new("cmake").arg("--build").arg(&build))?;
    run(Command::new("ctest").args(["--output-on-failure", "--test-dir"]).arg(&build))?;
    Ok(Verdict::Passed)
}

fn throws(project: &Path, prefix: &Path) -> Case {
    if let Err(reason) = program("g++", "g++") {
        return Ok(Verdict::Skipped(reason));
    }
    let source = cargo::workspace_root().join("aura-ffi/tests/programs/throws.cpp");
    let program = project.join("throws");
    run(Command::new("g++")
        .args(STRICT)
        .arg("-std=c++20")
        .arg("-I")
        .arg(prefix.join("include"))
        .arg(source)
        .arg("-L")
        .arg(prefix.join("lib"))
        .arg("-laura")
        .arg("-o")
        .arg(&program))?;
    let ending = Command::new(&program).env("LD_LIBRARY_PATH", prefix.join("lib")).output()?;
    let said = String::from_utf8_lossy(&ending.stderr);
    if ending.status.signal() != Some(SIGABRT) || !said.contains("libaura: ") {
        return Err(format!("{}: {said}", ending.status).into());
    }
    Ok(Verdict::Passed)
}

const SIGABRT: i32 = 6;

fn reload(project: &Path, prefix: &Path) -> Case {
    let source = cargo::workspace_root().join("aura-ffi/tests/programs/reload.c");
    let program = project.join("reload");
    run(Command::new("cc")
        .args(STRICT)
        .args(["-std=c11", "-D_GNU_SOURCE", "-I"])
        .arg(prefix.join("include"))
        .arg(source)
        .args(["-ldl", "-lpthread", "-o"])
        .arg(&program))?;
    run(Command::new(&program).arg(prefix.join("lib/libaura.so.0")))?;
    Ok(Verdict::Passed)
}

/// `-laura -luring -lpthread`: what older instructions say. liburing does no harm, and is not needed.
fn reference_line(project: &Path, prefix: &Path) -> Case {
    let program = project.join("by-reference");
    let line = |libraries: &[&str]| {
        let mut command = Command::new("cc");
        command.args(STRICT).arg(project.join("consumer.c")).arg("-I").arg(prefix.join("include"));
        command.arg("-L").arg(prefix.join("lib")).args(libraries).arg("-o").arg(&program);
        run(&mut command)?;
        run(Command::new(&program).env("LD_LIBRARY_PATH", prefix.join("lib")))
    };
    line(&["-laura", "-lpthread"])?;
    let is_there = || {
        let found = Command::new("cc").arg("-print-file-name=liburing.so").output();
        found.is_ok_and(|found| String::from_utf8_lossy(&found.stdout).trim() != "liburing.so")
    };
    if let Err(reason) = available(is_there, "liburing to link beside", "liburing-dev") {
        return Ok(Verdict::Skipped(reason));
    }
    line(&["-laura", "-luring", "-lpthread"])?;
    Ok(Verdict::Passed)
}
