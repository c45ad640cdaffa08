//! The soak and the fuzzer hold without a mistake, and find those that are made on purpose.

use std::process::{Command, Output};

const SOAK: &str = env!("CARGO_BIN_EXE_soak");
const FUZZ: &str = env!("CARGO_BIN_EXE_fuzz");
/// Operations after which each planted mistake has been made several times.
const OPERATIONS: &str = "48000";

fn run(program: &str, arguments: &[&str]) -> (Output, String) {
    let output = Command::new(program).args(arguments).output().expect("it starts");
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    (output, String::from_utf8_lossy(&said).into_owned())
}

#[track_caller]
fn soak_finds(plant: &str, words: &str) {
    let (output, said) = run(SOAK, &["--ops", OPERATIONS, "--plant", plant]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("FOUND") && said.contains(words), "{said}");
}

#[track_caller]
fn fuzz_finds(plant: &str, words: &str) {
    let (output, said) = run(FUZZ, &["--cases", "1000", "--plant", plant]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(words) && said.contains("cargo xtask fuzz --replay "), "{said}");
}

#[test]
fn the_soak_holds_without_a_mistake_and_says_so_in_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let json = folder.path().join("soak.json");
    let json = json.to_str().expect("text");
    let (output, said) = run(SOAK, &["--ops", OPERATIONS, "--seed", "3", "--json", json]);
    assert!(output.status.success() && said.contains("soak: held"), "{said}");
    let text = std::fs::read_to_string(json).expect("written");
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(report["verdict"], "held");
    assert_eq!(report["operations"], 48_000);
    assert_eq!(report["gauges"].as_array().map(Vec::len), Some(7), "{text}");
}

#[test]
fn the_soak_finds_lost_and_double_completions() {
    soak_finds("lost-completion", "never completed");
    soak_finds("double-completion", "more than once");
}

#[test]
fn the_soak_finds_wrong_results() {
    soak_finds("wrong-bit", "differs at byte");
    soak_finds("spurious-cancel", "Cancelled");
}

#[test]
fn the_soak_finds_what_is_left_behind() {
    soak_finds("descriptor", "descriptors: grew");
    soak_finds("buffer", "buffers");
    soak_finds("memory", "resident memory, KiB: grew");
}

#[test]
fn the_fuzzer_finds_lost_and_double_completions() {
    fuzz_finds("lost-completion", "BROKEN");
    fuzz_finds("double-completion", "completes 2 times");
}

#[test]
fn the_fuzzer_finds_a_wrong_errno_and_makes_the_case_smaller() {
    fuzz_finds("wrong-errno", "Invalid cross-device link");
    let (_, said) = run(FUZZ, &["--cases", "1000", "--plant", "wrong-errno"]);
    let enough = said.lines().find_map(|line| line.split_once(" of its ")).expect("it says so");
    assert!(enough.0.parse::<u32>().expect("a number") < 8, "{said}");
}

#[test]
fn the_fuzzer_survives_a_crash_and_says_where_it_was() {
    fuzz_finds("crash", "killed by signal 11");
}

#[test]
fn a_case_that_is_replayed_shows_its_calls() {
    let (output, said) = run(FUZZ, &["--replay", "5"]);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("step 0") && said.contains("held: "), "{said}");
}

#[test]
fn what_makes_no_sense_on_the_command_line_is_said() {
    for (program, arguments) in
        [(SOAK, &["--ops", "none"][..]), (SOAK, &["--seconds", "-1"]), (FUZZ, &["--replay", "x"])]
    {
        let (output, said) = run(program, arguments);
        assert_eq!(output.status.code(), Some(2), "{said}");
    }
}
