//! Reading counts and skips from what a step printed.

/// What the tests of a step came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: usize,
    pub(super) failed: usize,
    /// One line per skipped test: its reason.
    pub(super) skipped: Vec<String>,
    /// Whether any test program reported at all.
    pub(super) has_results: bool,
}

/// How the line begins that a test prints when it cannot run here; the reason follows. Tests are run with
/// `--show-output`, so that lines of passing tests get here too.
const SKIPS: [&str; 2] = ["SKIP: ", "SKIPPED "];

/// Part of the reason of a test that is ignored because another one runs it.
const RUN_BY_ANOTHER: &str = "run by ";

pub(super) fn read(output: &str) -> Tally {
    let mut tally = Tally::default();
    let mut skipped_while_running = 0;
    for line in output.lines() {
        if let Some(counts) = line.strip_prefix("test result: ") {
            tally.has_results = true;
            tally.passed += count(counts, "passed");
            tally.failed += count(counts, "failed");
        } else if let Some(reason) = skip(line) {
            tally.skipped.push(reason.into());
            skipped_while_running += 1;
        } else if let Some((test, reason)) = ignored(line) {
            tally.skipped.push(format!("{test}: {reason}"));
        }
    }
    // A test that skips itself returns, and so counts as passed for cargo.
    if tally.has_results {
        tally.passed = tally.passed.saturating_sub(skipped_while_running);
    }
    tally
}

/// The number before `word` in `ok. 3 passed; 0 failed; …`.
fn count(counts: &str, word: &str) -> usize {
    let mut parts = counts.split([' ', ';', '.']).filter(|part| !part.is_empty());
    let mut previous = "";
    parts
        .find_map(|part| {
            let found = (part == word).then(|| previous.parse().ok()).flatten();
            previous = part;
            found
        })
        .unwrap_or_default()
}

/// The reason, if the line is a skip. Written past the capture, with one test thread, it follows the
/// name of the test.
fn skip(line: &str) -> Option<&str> {
    let reason = |text| SKIPS.into_iter().find_map(|mark| str::strip_prefix(text, mark));
    reason(line).or_else(|| {
        let (test, rest) = line.split_once(" ... ")?;
        test.starts_with("test ").then(|| reason(rest)).flatten()
    })
}

/// Name and reason of a test marked `#[ignore]`. One that another test runs in a process of its own, and
/// says so, is no skip.
fn ignored(line: &str) -> Option<(&str, &str)> {
    let (test, rest) = line.strip_prefix("test ")?.rsplit_once(" ... ignored")?;
    let reason = rest.strip_prefix(", ").unwrap_or("ignored, no reason given");
    (!reason.contains(RUN_BY_ANOTHER)).then_some((test, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_programs_add_up() {
        let tally = read(
            "test result: ok. 20 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
             noise\n\
             test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n",
        );
        assert_eq!((tally.passed, tally.failed), (23, 2));
        assert!(tally.has_results);
    }

    #[test]
    fn a_test_that_skips_itself_is_not_counted_as_passed() {
        let tally = read(
            "SKIP: no FUSE here\n\
             SKIPPED the idle time: refused\n\
             test a::b ... SKIP: no loop devices\n\
             test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n",
        );
        assert_eq!(tally.skipped, ["no FUSE here", "the idle time: refused", "no loop devices"]);
        assert_eq!(tally.passed, 2);
    }

    #[test]
    fn ignored_tests_are_skips_with_their_reason() {
        let tally =
            read("test a::b ... ignored, takes an hour\ntest c ... ignored\ntest d ... ok\n");
        assert_eq!(tally.skipped, ["a::b: takes an hour", "c: ignored, no reason given"]);
    }

    #[test]
    fn a_test_that_another_one_runs_is_no_skip() {
        let tally = read("test child_that_forks ... ignored, forks; run by a_fork_is_harmless\n");
        assert_eq!(tally.skipped, [""; 0]);
    }

    #[test]
    fn output_without_tests_has_no_results() {
        assert_eq!(read("Compiling\nFinished\n"), Tally::default());
        assert_eq!(count("ok. many passed", "passed"), 0);
    }
}
