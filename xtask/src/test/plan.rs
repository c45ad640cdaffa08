//! Which steps there are.
//!
//! All share one target folder and, where possible, one set of features, so that little is compiled
//! twice: compiling is most of what a run takes. Tests run once, with all features; that each crate
//! stands alone, with those it has by default, is checked without running them again. What compiles
//! the most for the least is left to `--long`, loudly.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use cargo_metadata::{Message, Metadata, Package};

use super::{Extent, gates, kernel_log};
use crate::delegate::PEERS;
use crate::{cargo, lint};

/// Long enough to compile everything on a slow machine, short enough to end a hang.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);
const EXAMPLE_LIMIT: Duration = Duration::from_secs(60);
const RUN_LIMIT: Duration = Duration::from_secs(120);

/// One step: a command, and what surrounds it.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) variables: &'static [(&'static str, &'static str)],
    pub(super) folder: PathBuf,
    pub(super) time_limit: Duration,
    /// Whether the step's output names examples that are steps of their own.
    pub(super) builds_examples: bool,
    /// Why the step cannot run here, if it cannot.
    pub(super) unavailable: fn() -> Option<String>,
}

impl Step {
    pub(super) fn cargo<A: Into<String>>(
        name: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            name: name.into(),
            program: cargo::cargo().get_program().into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            variables: &[],
            folder: cargo::workspace_root(),
            time_limit: BUILD_LIMIT,
            builds_examples: false,
            unavailable: || None,
        }
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .envs(self.variables.iter().copied())
            .current_dir(&self.folder);
        // The output goes to a log, where colours are noise; rustfmt heeds nothing but TERM.
        command.env("CARGO_TERM_COLOR", "never").env("TERM", "dumb");
        if std::env::var_os("CI").is_some() {
            // What is compiled once need not be prepared for being compiled again, nor for a debugger.
            command.env("CARGO_INCREMENTAL", "0");
            command.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_PROFILE_RELEASE_DEBUG", "0");
        }
        command
    }

    /// The step as a line for a shell in the workspace.
    pub(super) fn repeat(&self) -> String {
        let quoted = |text: &str| match text {
            plain if !plain.contains([' ', '"', '\'', '$']) => plain.to_owned(),
            special => format!("'{special}'"),
        };
        let program = match self.program.file_name() {
            Some(name) if name == "cargo" => "cargo".into(),
            _ => self.program.display().to_string(),
        };
        let variables =
            self.variables.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
        let arguments = self.arguments.iter().map(|argument| quoted(argument));
        variables.chain([program]).chain(arguments).collect::<Vec<_>>().join(" ")
    }
}

/// The steps known from the start.
pub(super) fn first(metadata: &Metadata, extent: Extent) -> Vec<Step> {
    let quick = extent == Extent::Quick;
    let kernel_log = kernel_log_from_now_on();
    let mut steps = vec![
        Step {
            unavailable: no_rustfmt,
            ..Step::cargo("format", lint::FORMAT_CHECK.iter().copied())
        },
        Step { unavailable: no_clippy, ..Step::cargo("clippy", lint::CLIPPY.iter().copied()) },
        Step::cargo("tidy", ["xtask", "tidy"]),
        Step {
            // The controller's gates play every scenario thirty times, or, for a quick look, ten times.
            variables: if quick { &[("AIMD_SEEDS", "10")] } else { &[] },
            ..Step::cargo("tests", ["xtask", "run-tests", "--", "--workspace", "--all-features"])
        },
        Step::cargo("bindings of aura.h", ["xtask", "codegen", "--check"]),
        Step { unavailable: no_c_compiler, ..library("test", quick) },
        Step { unavailable: no_cpp_compiler, ..library("cpp-test", quick) },
    ];
    if quick {
        steps.push(kernel_log);
        return steps;
    }
    let others =
        ["check", "abi", "examples", "consumers", "servers"].map(|what| library(what, false));
    steps.extend(others.map(|step| Step { unavailable: no_c_compiler, ..step }));
    let others = ["cpp-check", "cpp-examples"].map(|what| library(what, false));
    steps.extend(others.map(|step| Step { unavailable: no_cpp_compiler, ..step }));
    let packages = metadata.workspace_packages();
    for package in packages.iter().filter(|package| stands_alone(package)) {
        let name = package.name.as_str();
        // What its users compile: the rest is compiled by the other steps.
        let check = ["check", "--quiet", "--package", name];
        steps.push(Step::cargo(&format!("{name} alone"), check));
    }
    steps.push(Step {
        variables: &[lint::DOC_FLAGS],
        ..Step::cargo("doc", lint::DOC.iter().copied())
    });
    // As users build it: what the optimiser makes of it is another program.
    steps.push(Step::cargo(
        "tests of aura-engine, optimised",
        ["test", "--release", "--package", "aura-engine", "--", "--show-output"],
    ));
    for (name, variables, which, is_usual) in [
        ("tests under AddressSanitizer", SANITIZED, TESTS_SANITIZED, true),
        ("unit tests under LeakSanitizer, too", SANITIZED_FOR_LEAKS, TESTS_FOR_LEAKS, true),
        ("futures under AddressSanitizer", SANITIZED, FUTURES_SANITIZED, false),
    ] {
        let arguments = ["test"].into_iter().chain(which.split_whitespace()).chain(IN_ASAN);
        let step = Step { variables, unavailable: no_sanitizer, ..Step::cargo(name, arguments) };
        steps.push(if is_usual { step } else { only_if_long(extent, step) });
    }
    steps.push(Step {
        builds_examples: true,
        ..Step::cargo(
            "examples, building",
            ["build", "--workspace", "--examples", "--all-features", MESSAGES],
        )
    });
    steps.push(Step::cargo(
        "demo and benchmarks, building",
        "build --release --package aura-bench --bin demo --bin overhead --bin adaptive --bin fio"
            .split(' '),
    ));
    let short = |name: &str, arguments: &[&str]| Step {
        time_limit: RUN_LIMIT,
        ..Step::cargo(name, arguments.iter().copied())
    };
    steps.push(short("demo, short", &["xtask", "demo", "--seconds", "0.4", "--size", "64MiB"]));
    let bench =
        ["xtask", "bench", "overhead", "--seconds", "0.5", "--rounds", "2", "--size", "32MiB"];
    steps.push(short("bench overhead, short", &bench));
    steps.push(Step {
        unavailable: no_rustfmt,
        ..Step::cargo("format of bench peers", lint::FORMAT_CHECK_PEERS.iter().copied())
    });
    let clippy = Step::cargo("clippy of bench peers", lint::CLIPPY_PEERS.iter().copied());
    steps.push(only_if_long(extent, Step { unavailable: no_clippy, ..clippy }));
    let tests = ["test", "--release", "--manifest-path", PEERS, "--", "--show-output"];
    steps.push(only_if_long(extent, Step::cargo("tests of bench peers", tests)));
    let peers = ["xtask", "bench", "peers", "--seconds", "0.1", "--rounds", "1", "--size", "32MiB"];
    steps.push(only_if_long(extent, Step::cargo("bench peers, short", peers))); // Builds it, too.
    let adaptive = ["xtask", "bench", "adaptive", "--only", "steady", "--seconds", "0.4"];
    let adaptive = [&adaptive[..], &["--rounds", "1", "--size", "64MiB"]].concat();
    steps.push(short("bench adaptive, short", &adaptive));
    let fio = ["xtask", "bench", "fio", "--only", "jobs", "--jobs", "randrw", "--depths", "4"];
    let brief = ["--seconds", "0.05", "--ramp", "0.05", "--rounds", "1", "--size", "16MiB"];
    let fio = [&fio[..], &brief].concat();
    steps.push(Step { unavailable: no_fio, ..short("bench fio, short", &fio) });
    let sim = ["xtask", "sim", "--scenario", "1-shared-queue", "--seeds", "1"];
    steps.push(short("sim, short", &sim));
    steps.extend(gates::usual());
    if extent == Extent::Long {
        steps.extend(gates::nightly());
    }
    steps.push(kernel_log);
    steps
}

/// What the kernel complains of until this step's turn, which is the last one.
fn kernel_log_from_now_on() -> Step {
    let since = kernel_log::position().unwrap_or(0).to_string();
    Step {
        unavailable: || kernel_log::position().err(),
        ..Step::cargo("kernel log", ["xtask", "kernel-log", "--since", &since])
    }
}

fn only_if_long(extent: Extent, step: Step) -> Step {
    let left_out = || Some("compiles for minutes: cargo xtask test --long runs it".into());
    if extent == Extent::Long { step } else { Step { unavailable: left_out, ..step } }
}

/// The stable compiler has the sanitizer, but keeps it for those who say that they know. Memory that
/// tests forget on purpose is no leak; freed memory is kept for a while only, because the tests watch
/// what is resident.
const SANITIZED: &[(&str, &str)] = &[
    ("RUSTC_BOOTSTRAP", "1"),
    ("RUSTFLAGS", "-Zsanitizer=address --cfg aura_poison"),
    ("ASAN_OPTIONS", "detect_leaks=0:quarantine_size_mb=4:thread_local_quarantine_size_kb=64"),
];
/// For programs whose tests forget nothing.
const SANITIZED_FOR_LEAKS: &[(&str, &str)] = &[
    ("RUSTC_BOOTSTRAP", "1"),
    ("RUSTFLAGS", "-Zsanitizer=address --cfg aura_poison"),
    ("ASAN_OPTIONS", "detect_leaks=1"),
];
const TESTS_SANITIZED: &str =
    "--package aura-engine --package aura-bufpool --test engine --test it";
const FUTURES_SANITIZED: &str = "--package aura --test futures";
const TESTS_FOR_LEAKS: &str =
    "--package aura-engine --package aura-bufpool --package aura-ffi --lib";
const IN_ASAN: [&str; 8] = [
    "--all-features",
    "--no-fail-fast",
    "--target",
    "x86_64-unknown-linux-gnu",
    "--target-dir",
    "target/asan",
    "--",
    "--show-output",
];

/// The C library, tried out.
fn library(what: &str, quick: bool) -> Step {
    let arguments = ["xtask", "library", what].into_iter().chain(quick.then_some("--quick"));
    Step::cargo(&format!("C library, {what}"), arguments)
}

/// How cargo is asked to name what it has built. Diagnostics stay readable.
const MESSAGES: &str = "--message-format=json-render-diagnostics";

/// What the source of an example calls if it can be run under several drivers of futures; then it
/// is run under all of them.
const TAKES_DRIVERS: &str = "main_with_driver(";
const ALL_DRIVERS: [&str; 2] = ["--driver", "all"];

/// One step per example that the log of the building step names. They run on files of their own, in
/// a folder of their own.
pub(super) fn examples(log: &Path, folder: &Path) -> io::Result<Vec<Step>> {
    let folder = folder.join("examples");
    fs::create_dir_all(&folder)?;
    let log = fs::File::open(log)?;
    let mut steps = Vec::new();
    for message in Message::parse_stream(io::BufReader::new(log)) {
        let Message::CompilerArtifact(artifact) = message? else { continue };
        let Some(program) = artifact.executable.filter(|_| artifact.target.is_example()) else {
            continue;
        };
        let source = fs::read_to_string(&artifact.target.src_path)?;
        let arguments = if source.contains(TAKES_DRIVERS) { &ALL_DRIVERS[..] } else { &[] };
        steps.push(Step {
            program: program.into_std_path_buf(),
            folder: folder.clone(),
            time_limit: EXAMPLE_LIMIT,
            ..Step::cargo(&format!("example {}", artifact.target.name), arguments.iter().copied())
        });
    }
    steps.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(steps)
}

/// Whether people depend on the package by itself.
fn stands_alone(package: &Package) -> bool {
    is_below(package, "crates") || package.name.as_str() == "aura"
}

fn is_below(package: &Package, folder: &str) -> bool {
    package.manifest_path.ancestors().nth(2).and_then(|above| above.file_name()) == Some(folder)
}

fn no_sanitizer() -> Option<String> {
    let here = cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"));
    (!here).then(|| "the compiler's AddressSanitizer is tried on x86_64 with glibc only".into())
}

fn no_rustfmt() -> Option<String> {
    missing("fmt", "rustfmt")
}

/// The tests of bffio install it on CI, and come before.
fn no_fio() -> Option<String> {
    let mut question = Command::new("fio");
    question.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    let is_there = question.status().is_ok_and(|status| status.success());
    (!is_there).then(|| "no fio here: apt-get install fio".into())
}

fn no_c_compiler() -> Option<String> {
    no_compiler("gcc")
}

fn no_cpp_compiler() -> Option<String> {
    no_compiler("gcc").or_else(|| no_compiler("g++"))
}

fn no_compiler(name: &str) -> Option<String> {
    let mut question = Command::new(name);
    question.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    let is_there = question.status().is_ok_and(|status| status.success());
    (!is_there).then(|| format!("no {name} here: apt-get install {name}"))
}

fn no_clippy() -> Option<String> {
    missing("clippy", "clippy")
}

/// Whether cargo lacks a component that toolchains may come without.
fn missing(subcommand: &str, component: &str) -> Option<String> {
    let mut question = cargo::cargo();
    question.args([subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    let is_there = question.status().is_ok_and(|status| status.success());
    (!is_there).then(|| format!("no {component} here: rustup component add {component}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_can_be_repeated_by_hand() {
        let mut step = Step::cargo("doc", ["doc", "--no-deps"]);
        assert_eq!(step.repeat(), "cargo doc --no-deps");
        step.variables = &[("RUSTDOCFLAGS", "--deny warnings")];
        assert_eq!(step.repeat(), "RUSTDOCFLAGS='--deny warnings' cargo doc --no-deps");
    }

    #[test]
    fn built_examples_become_steps_under_every_driver_they_take() {
        let folder = std::env::temp_dir().join(format!("xtask-plan-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("writable");
        let log = folder.join("log");
        let source = folder.join("source.rs");
        fs::write(&source, "fn main() {}").expect("writable");
        let artifact = |kind: &str, executable: &str| {
            let source = source.display();
            format!(
                "{{\"reason\":\"compiler-artifact\",\"package_id\":\"a 1\",\"manifest_path\":\"/a\",\
                 \"target\":{{\"kind\":[\"{kind}\"],\"crate_types\":[\"bin\"],\"name\":\"cat\",\
                 \"src_path\":\"{source}\",\"edition\":\"2024\",\"doctest\":false,\"test\":false,\
                 \"doc\":false}},\"profile\":{{\"opt_level\":\"1\",\"debug_assertions\":true,\
                 \"overflow_checks\":true,\"test\":false}},\"features\":[],\"filenames\":[],\
                 \"executable\":{executable},\"fresh\":true}}\n"
            )
        };
        let text = [
            "   Compiling a\n".to_owned(),
            artifact("lib", "null"),
            artifact("example", "\"/t/cat\""),
            artifact("bin", "\"/t/tool\""),
        ];
        fs::write(&log, text.concat()).expect("writable");
        let steps = examples(&log, &folder).expect("readable");
        assert_eq!(steps.len(), 1);
        assert_eq!(steps[0].repeat(), "/t/cat");

        fs::write(&source, "fn main() { support::main_with_driver(USAGE, cat) }")
            .expect("writable");
        let steps = examples(&log, &folder).expect("readable");
        fs::remove_dir_all(&folder).expect("there");
        assert_eq!(steps[0].repeat(), "/t/cat --driver all");
    }
}
