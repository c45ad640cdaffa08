//! Steps that keep promises which no single test can: the soak, the fuzzer, the interfaces, the dependencies.

use super::plan::Step;

/// Of every run: seconds each.
pub(super) fn usual() -> Vec<Step> {
    vec![
        Step::cargo("deny", ["xtask", "deny"]),
        // Builds what the next two need.
        Step::cargo(
            "tests of soak and fuzz",
            ["test", "--release", "--package", "aura-stress", "--", "--show-output"],
        ),
        Step::cargo("soak, short", ["xtask", "soak", "--ops", "1e6", "--seconds", "20"]),
        Step::cargo("fuzz, short", ["xtask", "fuzz", "--cases", "1000", "--seconds", "20"]),
        Step::cargo("public interfaces", ["xtask", "api", "--check"]),
    ]
}
