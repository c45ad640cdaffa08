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

/// What a test writes to stderr when it cannot run here, followed by the reason. It must bypass the
/// capture of passing tests: `writeln!(std::io::stderr(), …)` does, `eprintln!` does not.
const SKIP: &str = "SKIP: ";

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

/// The reason, if the line is a skip. With one test thread it follows the name of the test.
fn skip(line: &str) -> Option<&str> {
    line.strip_prefix(SKIP).or_else(|| {
        let (test, rest) = line.split_once(" ... ")?;
        test.starts_with("test ").then(|| rest.strip_prefix(SKIP)).flatten()
    })
}

/// Name and reason of a test marked `#[ignore]`.
fn ignored(line: &str) -> Option<(&str, &str)> {
    let (test, rest) = line.strip_prefix("test ")?.rsplit_once(" ... ignored")?;
    let reason = rest.strip_prefix(", ").unwrap_or("ignored, no reason given");
    Some((test, reason))
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
             test a::b ... SKIP: no loop devices\n\
             test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n",
        );
        assert_eq!(tally.skipped, ["no FUSE here", "no loop devices"]);
        assert_eq!(tally.passed, 3);
    }

    #[test]
    fn ignored_tests_are_skips_with_their_reason() {
        let tally =
            read("test a::b ... ignored, takes an hour\ntest c ... ignored\ntest d ... ok\n");
        assert_eq!(tally.skipped, ["a::b: takes an hour", "c: ignored, no reason given"]);
    }

    #[test]
    fn output_without_tests_has_no_results() {
        assert_eq!(read("Compiling\nFinished\n"), Tally::default());
        assert_eq!(count("ok. many passed", "passed"), 0);
    }
}
