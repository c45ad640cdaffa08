//! `cargo xtask run-tests`: what `cargo test` runs, each test in a process of its own.
//!
//! So a test that hangs is ended by its time limit, and named; one that crashes takes no other along;
//! and tests that wait leave the processors to others, whatever program they are in. What is printed
//! reads as cargo's own output. The tests in documentation are cargo's business, meanwhile.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use cargo_metadata::Message;
use clap::Args;

use super::child::{self, Ending, Run};
use crate::{Outcome, cargo};

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// End a test that takes longer than so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 240)]
    limit: u64,
    /// Run so many tests at a time [default: two more than there are processors, as many tests wait]
    #[arg(long, value_name = "TESTS")]
    at_once: Option<usize>,
    /// What `cargo test` is to build: --workspace, --package, --all-features, ...
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    passed_on: Vec<OsString>,
}

/// One test of a program.
#[derive(Debug)]
struct Test {
    program: PathBuf,
    /// The folder of its package, where cargo runs it.
    folder: PathBuf,
    name: String,
}

/// What a test came to, with what it printed.
#[derive(Debug)]
enum Verdict {
    Passed(String),
    /// With the rest of libtest's line, which has the reason.
    Ignored(String),
    Failed {
        why: String,
        output: String,
    },
}

#[derive(Debug, Default)]
struct Counts {
    passed: usize,
    failed: Vec<String>,
    ignored: usize,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    child::install_interrupt_handler()?;
    let Some(programs) = build(&arguments.passed_on)? else { return Ok(ExitCode::FAILURE) };
    let logs = std::env::temp_dir().join(format!("aura-run-tests-{}", std::process::id()));
    std::fs::create_dir_all(&logs)?;
    let outcome = run_programs(arguments, &programs, &logs);
    std::fs::remove_dir_all(&logs)?;
    outcome
}

fn run_programs(arguments: &Arguments, programs: &[(PathBuf, PathBuf)], logs: &Path) -> Outcome {
    let mut tests = VecDeque::new();
    for (program, folder) in programs {
        tests.extend(list(program, folder)?);
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let at_once = arguments.at_once.unwrap_or(processors + 2);
    let begun = Instant::now();
    let documentation_log = logs.join("documentation");
    let (counts, documentation) = std::thread::scope(|scope| {
        let documentation = has_documentation(&arguments.passed_on)
            .then(|| scope.spawn(|| run_documentation(&arguments.passed_on, &documentation_log)));
        let counts = run_all(tests, at_once, Duration::from_secs(arguments.limit), logs);
        (counts, documentation.map(|thread| thread.join().expect("it does not panic")))
    });
    let Counts { passed, failed, ignored } = counts?;
    if !failed.is_empty() {
        println!("failures:\n    {}\n", failed.join("\n    "));
    }
    println!(
        "test result: {}. {passed} passed; {} failed; {ignored} ignored; finished in {:.2}s",
        if failed.is_empty() { "ok" } else { "FAILED" },
        failed.len(),
        begun.elapsed().as_secs_f64()
    );
    let mut is_ok = failed.is_empty();
    if let Some(run) = documentation {
        is_ok &= matches!(run?.ending, Ending::Exited(status) if status.success());
        std::io::stdout().write_all(&std::fs::read(documentation_log)?)?;
    }
    Ok(if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn cargo_test(passed_on: &[OsString], options: &[&str]) -> Command {
    let mut command = cargo::cargo();
    command.arg("test").args(passed_on).args(options);
    command
}

/// The programs with tests and the folders of their packages; `None` if they cannot be built.
fn build(passed_on: &[OsString]) -> std::io::Result<Option<Vec<(PathBuf, PathBuf)>>> {
    let options = ["--no-run", "--message-format=json-render-diagnostics"];
    let mut building = cargo_test(passed_on, &options).stdout(Stdio::piped()).spawn()?;
    let output = building.stdout.take().expect("piped");
    let mut programs = Vec::new();
    for message in Message::parse_stream(BufReader::new(output)) {
        let Message::CompilerArtifact(artifact) = message? else { continue };
        if let Some(program) = artifact.executable.filter(|_| artifact.profile.test) {
            let folder = artifact.manifest_path.parent().expect("a file is in a folder");
            programs.push((program.into_std_path_buf(), folder.into()));
        }
    }
    Ok(building.wait()?.success().then_some(programs))
}

/// Whether the tests in documentation are wanted, too: cargo runs them if no targets are named.
fn has_documentation(passed_on: &[OsString]) -> bool {
    let targets = ["--test", "--tests", "--lib", "--bin", "--bins", "--examples"];
    !passed_on.iter().any(|option| targets.iter().any(|target| option == target))
}

fn run_documentation(passed_on: &[OsString], log: &Path) -> std::io::Result<Run> {
    const LIMIT: Duration = Duration::from_secs(15 * 60);
    let options = ["--doc", "--no-fail-fast", "--", "--show-output"];
    child::run(&mut cargo_test(passed_on, &options), LIMIT, log)
}

/// The tests of a program, those that are ignored included.
fn list(program: &Path, folder: &Path) -> std::io::Result<Vec<Test>> {
    let output = command(program, folder).args(["--list", "--format=terse"]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    let test =
        |name: &str| Test { program: program.into(), folder: folder.into(), name: name.into() };
    Ok(names.map(test).collect())
}

/// A program as cargo runs it.
fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("CARGO_MANIFEST_DIR", folder);
    command
}

fn run_all(
    tests: VecDeque<Test>,
    at_once: usize,
    limit: Duration,
    logs: &Path,
) -> std::io::Result<Counts> {
    let left = Mutex::new(tests);
    let counts = Mutex::new(Counts::default());
    let work = |worker: usize| -> std::io::Result<()> {
        let log = logs.join(worker.to_string());
        loop {
            let next = left.lock().expect("nobody panics with it").pop_front();
            let Some(test) = next else { return Ok(()) };
            let Some(verdict) = perform(&test, limit, &log)? else {
                return Err(std::io::ErrorKind::Interrupted.into());
            };
            let mut counts = counts.lock().expect("nobody panics with it");
            counts.add(&test, verdict);
        }
    };
    std::thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> =
            (0..at_once.max(1)).map(|worker| scope.spawn(move || work(worker))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("it does not panic"))
    })?;
    Ok(counts.into_inner().expect("nobody panics with it"))
}

/// Runs one test; `None` if the user interrupted it.
fn perform(test: &Test, limit: Duration, log: &Path) -> std::io::Result<Option<Verdict>> {
    let mut command = command(&test.program, &test.folder);
    command.args(["--exact", "--show-output", &test.name]);
    let run = child::run(&mut command, limit, log)?;
    let printed = std::fs::read(log)?;
    let printed = String::from_utf8_lossy(&printed);
    Ok(Some(match run.ending {
        Ending::Interrupted => return Ok(None),
        Ending::TimedOut => {
            let why = format!("killed after {} s", limit.as_secs());
            Verdict::Failed { why, output: printed.into() }
        }
        Ending::Exited(status) if !status.success() => {
            Verdict::Failed { why: status.to_string(), output: printed.into() }
        }
        Ending::Exited(_) => passed_or_ignored(&test.name, &printed),
    }))
}

fn passed_or_ignored(name: &str, printed: &str) -> Verdict {
    let line = format!("test {name} ... ");
    let mut output = String::new();
    for said in printed.lines() {
        // With one processor libtest begins the line before the test, which may say something itself.
        match said.strip_prefix(&line) {
            Some(rest) if rest.starts_with("ignored") => return Verdict::Ignored(rest.into()),
            Some("ok") => {}
            Some(rest) => output += &format!("{rest}\n"),
            None if is_libtests(name, said) => {}
            None => output += &format!("{said}\n"),
        }
    }
    Verdict::Passed(output)
}

/// Whether libtest says so itself, around a single test.
fn is_libtests(name: &str, line: &str) -> bool {
    line.is_empty()
        || ["running 1 test", "successes:"].contains(&line)
        || line.starts_with("test result: ")
        || line.trim_start() == name
}

impl Counts {
    /// Counts and prints a verdict.
    fn add(&mut self, test: &Test, verdict: Verdict) {
        let name = &test.name;
        match verdict {
            Verdict::Passed(output) => {
                self.passed += 1;
                print!("test {name} ... ok\n{output}");
            }
            Verdict::Ignored(rest) => {
                self.ignored += 1;
                println!("test {name} ... {rest}");
            }
            Verdict::Failed { why, output } => {
                // libtest's own verdict would be counted beside this one.
                let verdict = format!("test {name} ... FAILED");
                output.lines().filter(|line| *line != verdict).for_each(|line| println!("{line}"));
                println!("{verdict}: {why}");
                println!("repeat with: {} --exact {name}", test.program.display());
                self.failed.push(name.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_said_is_told_from_what_libtest_says() {
        let printed = "\nrunning 1 test\ntest a::b ... ok\n\nsuccesses:\n\n---- a::b stdout ----\n\
                       SKIP: no disk\n\n\nsuccesses:\n    a::b\n\ntest result: ok. 1 passed; 0 failed\n";
        let Verdict::Passed(output) = passed_or_ignored("a::b", printed) else {
            panic!("it passed");
        };
        assert_eq!(output, "---- a::b stdout ----\nSKIP: no disk\n");
    }

    #[test]
    fn the_reason_why_a_test_is_ignored_is_kept() {
        let printed = "running 1 test\ntest a ... ignored, run by b\n\ntest result: ok.\n";
        assert!(
            matches!(passed_or_ignored("a", printed), Verdict::Ignored(why) if why == "ignored, run by b")
        );
    }

    #[test]
    fn a_test_that_hangs_is_killed_and_named() {
        let log = std::env::temp_dir().join(format!("aura-each-{}", std::process::id()));
        let sleeper = log.with_extension("sh");
        std::fs::write(&sleeper, "#!/bin/sh\nsleep 1000\n").expect("writable");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&sleeper, mode).expect("ours");
        let test = Test { program: sleeper.clone(), folder: "/".into(), name: "hangs".into() };
        let verdict = perform(&test, Duration::from_millis(200), &log).expect("it starts");
        assert!(matches!(verdict, Some(Verdict::Failed { why, .. }) if why == "killed after 0 s"));
        for file in [log, sleeper] {
            std::fs::remove_file(file).expect("there");
        }
    }

    #[test]
    fn documentation_is_tested_unless_targets_are_named() {
        let options = |text: &str| text.split(' ').map(Into::into).collect::<Vec<OsString>>();
        assert!(has_documentation(&options("--workspace --all-features")));
        assert!(!has_documentation(&options("--workspace --test server")));
    }
}
