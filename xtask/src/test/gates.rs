//! Steps that keep promises which no single test can: the soak, the fuzzer, the interfaces, the dependencies.

use std::time::Duration;

use super::plan::Step;

/// Of every run: seconds each.
pub(super) fn usual() -> Vec<Step> {
    vec![
        Step::cargo("deny", ["xtask", "deny"]),
        Step::cargo("soak, short", ["xtask", "soak", "--ops", "4e5", "--seconds", "20"]),
        Step::cargo("fuzz, short", ["xtask", "fuzz", "--cases", "1000", "--seconds", "20"]),
        Step::cargo("public interfaces", ["xtask", "api", "--check"]),
    ]
}

/// How long a step of the night may take.
const NIGHT: Duration = Duration::from_secs(2 * 3600);

/// Of the long run: what takes from minutes to an hour each.
pub(super) fn nightly() -> Vec<Step> {
    let long = |name: &str, arguments: &[&str]| Step {
        time_limit: NIGHT,
        ..Step::cargo(name, arguments.iter().copied())
    };
    let more =
        |variables, name: &str, arguments: &[&str]| Step { variables, ..long(name, arguments) };
    vec![
        long("soak, 1e8 operations", &["xtask", "soak", "--ops", "1e8"]),
        long("fuzz, ten minutes", &["xtask", "fuzz", "--seconds", "600", "--seed", "1000000"]),
        long(
            "fuzz under AddressSanitizer",
            &["xtask", "fuzz", "--sanitizer", "--seconds", "300", "--seed", "2000000"],
        ),
        more(
            &[("AURA_TEST_OPERATIONS", "1000000")],
            "a million futures dropped",
            &["test", "--release", "--package", "aura", "--all-features", "--test", "futures"],
        ),
        more(
            &[("AURA_TEST_OPERATIONS", "1000000")],
            "a million races in C++",
            &["xtask", "library", "cpp-test", "--quick"],
        ),
        long("the C++ suite, with more compilers", &["xtask", "library", "cpp-test", "--long"]),
        more(
            &[("AURA_STRESS_OPS", "20000000")],
            "nothing is lost of 2e7",
            &["test", "--release", "--package", "aura-tests", "nothing_lost"],
        ),
        more(
            &[("LOOM_MAX_PREEMPTIONS", "4")],
            "models, with more interruptions",
            &["test", "--release", "--package", "aura-models"],
        ),
        more(
            &[("PROPTEST_CASES", "20000")],
            "state machines, with more cases",
            &["test", "--release", "--package", "aura-engine", "--package", "aura-bufpool"],
        ),
    ]
}
