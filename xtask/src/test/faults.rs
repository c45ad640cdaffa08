//! The fault table of docs/reliability.md against what the tests came to.
//!
//! The page is the source: each row of the table under "The fault table" names its tests, by name, by the file
//! or folder they are in, or as "the fake kernel". A row holds if all that it names ran and passed; it is
//! skipped if one of them was skipped altogether; and it is broken if a test failed or is not there, so that
//! the page cannot promise what nobody tests.

use std::collections::BTreeMap;

/// Under this heading is the table.
const HEADING: &str = "## The fault table";
/// Words that stand for tests, and the module these are in.
const FAKE_KERNEL: (&str, &str) = ("the fake kernel", "fake::");

/// What a test came to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Came {
    Passed,
    Skipped(String),
    Failed,
}

/// What all tests came to, by name.
#[derive(Debug, Default)]
pub(super) struct Results {
    tests: BTreeMap<String, Came>,
}

/// A row, and what its tests came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    failure: String,
    came: Verdict,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    Skipped(String),
    Broken(String),
}

impl Results {
    /// Reads what test programs printed.
    pub(super) fn read(&mut self, output: &str) {
        let mut section = None;
        for line in output.lines() {
            if let Some(name) =
                line.strip_prefix("---- ").and_then(|l| l.strip_suffix(" stdout ----"))
            {
                section = Some(name.to_owned());
            } else if line.starts_with("test result: ") {
                section = None;
            } else if let Some((name, came)) = result(line) {
                self.enter(name, came);
            } else if let (Some(name), Some(why)) = (&section, line.strip_prefix("SKIP: ")) {
                self.enter(&name.clone(), Came::Skipped(why.into()));
            }
        }
    }

    /// A name may be there several times: in several programs, and run in several ways. A failure stays, and
    /// so does a skip, but for another run that passed.
    fn enter(&mut self, name: &str, came: Came) {
        let known = self.tests.entry(name.into()).or_insert_with(|| came.clone());
        match (&*known, &came) {
            (Came::Failed, _) | (Came::Skipped(_), Came::Passed) => {}
            _ => *known = came,
        }
    }

    /// What the tests that a row names by this came to; `None` if there are none.
    fn of(&self, reference: &Reference) -> Option<Came> {
        let mut found = self.tests.iter().filter(|(name, _)| reference.means(name)).peekable();
        found.peek()?;
        let mut skipped = None;
        let mut has_passed = false;
        for (_, came) in found {
            match came {
                Came::Failed => return Some(Came::Failed),
                Came::Passed => has_passed = true,
                Came::Skipped(why) => skipped = Some(why.clone()),
            }
        }
        Some(match skipped {
            Some(why) if !has_passed => Came::Skipped(why),
            _ => Came::Passed,
        })
    }

    /// Compares the page with the results.
    pub(super) fn rows(&self, page: &str) -> Vec<Row> {
        table(page).map(|(failure, tests)| self.row(failure, tests)).collect()
    }

    fn row(&self, failure: &str, tests: &str) -> Row {
        let references = references(tests);
        let mut came = match references.is_empty() {
            true => Verdict::Broken("it names no test".into()),
            false => Verdict::Passed,
        };
        for reference in references {
            let worse = match self.of(&reference) {
                Some(Came::Passed) => continue,
                Some(Came::Skipped(why)) => Verdict::Skipped(why),
                Some(Came::Failed) => Verdict::Broken(format!("{} failed", reference.text)),
                None => Verdict::Broken(format!("{} did not run", reference.text)),
            };
            if !matches!(came, Verdict::Broken(_)) {
                came = worse;
            }
        }
        Row { failure: failure.into(), came }
    }
}

/// Name and result of libtest's line.
fn result(line: &str) -> Option<(&str, Came)> {
    let (name, rest) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let came = match rest {
        "ok" => Came::Passed,
        failed if failed.starts_with("FAILED") => Came::Failed, // The reason may follow.
        // Run by another test, as it says.
        ignored if ignored.contains("run by ") => return None,
        ignored if ignored.starts_with("ignored") => Came::Skipped(ignored.into()),
        _ => return None,
    };
    Some((name, came))
}

/// Something in the second cell that means tests.
#[derive(Debug)]
struct Reference {
    text: String,
    /// The test's name, without modules; or the module with `::`.
    pattern: String,
}

impl Reference {
    fn means(&self, test: &str) -> bool {
        match self.pattern.strip_suffix("::") {
            Some(module) => test.split("::").any(|part| part == module),
            None => test.rsplit("::").next() == Some(self.pattern.as_str()),
        }
    }
}

fn references(cell: &str) -> Vec<Reference> {
    let quoted = cell.split('`').skip(1).step_by(2);
    let mut found: Vec<Reference> = quoted
        .map(|text| {
            // A path: the module is what the last part is called.
            let pattern = match text.rsplit_once('/') {
                Some((_, last)) => format!("{}::", last.trim_end_matches(".rs")),
                None => text.to_owned(),
            };
            Reference { text: text.into(), pattern }
        })
        .collect();
    if cell.contains(FAKE_KERNEL.0) {
        found.push(Reference { text: FAKE_KERNEL.0.into(), pattern: FAKE_KERNEL.1.into() });
    }
    found
}

/// The two first cells of each row.
fn table(page: &str) -> impl Iterator<Item = (&str, &str)> {
    let section = page.split_once(HEADING).map_or("", |(_, rest)| rest);
    let lines = section.lines().skip(1).take_while(|line| !line.starts_with("## "));
    lines.filter(|line| line.starts_with('|')).skip(2).filter_map(|line| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        Some((cells.next()?, cells.next()?))
    })
}

/// The table in words: the counts first, then every row that did not pass; and what is wrong, if anything.
pub(super) fn tell(rows: &[Row]) -> (String, Option<String>) {
    let count = |wanted: fn(&Verdict) -> bool| rows.iter().filter(|row| wanted(&row.came)).count();
    let passed = count(|came| *came == Verdict::Passed);
    let skipped = count(|came| matches!(came, Verdict::Skipped(_)));
    let mut text = format!("fault table: {} rows, {passed} passed, {skipped} skipped", rows.len());
    let broken = rows.len() - passed - skipped;
    if broken > 0 {
        text += &format!(", {broken} broken");
    }
    for Row { failure, came } in rows {
        match came {
            Verdict::Passed => {}
            Verdict::Skipped(why) => text += &format!("\n  skipped: {failure}: {why}"),
            Verdict::Broken(why) => text += &format!("\n  broken: {failure}: {why}"),
        }
    }
    let problem = match (rows.is_empty(), broken) {
        (true, _) => Some(format!("docs/reliability.md has no table under {HEADING:?}")),
        (false, 0) => None,
        _ => Some(format!("{broken} rows of docs/reliability.md are not tested as they say")),
    };
    (text, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "## The fault table\n\nWords.\n\n| failure | test |\n| --- | --- |\n\
        | threads end | `aura/tests/api/departures.rs`, the fake kernel |\n\
        | a fork | `a_fork_is_harmless` |\n\
        | no FUSE | `errors_arrive` (FUSE) |\n\
        | a dream | nobody knows |\n\n## Next\n| not | `a_row` |\n";
    const OUTPUT: &str = "test departures::one ... ok\ntest fake::games::all ... ok\n\
        test fork::a_fork_is_harmless ... FAILED\ntest fuse::errors_arrive ... ok\n\
        test child ... ignored, run by a_fork_is_harmless\n\
        successes:\n\n---- fuse::errors_arrive stdout ----\nSKIP: no FUSE here\n\n\
        test result: FAILED. 2 passed; 1 failed\n";

    fn rows(output: &str) -> Vec<Verdict> {
        let mut results = Results::default();
        results.read(output);
        results.rows(PAGE).into_iter().map(|row| row.came).collect()
    }

    #[test]
    fn rows_hold_as_their_tests_do() {
        let rows = rows(OUTPUT);
        assert_eq!(rows[0], Verdict::Passed);
        assert_eq!(rows[1], Verdict::Broken("a_fork_is_harmless failed".into()));
        assert_eq!(rows[2], Verdict::Skipped("no FUSE here".into()));
        assert_eq!(rows[3], Verdict::Broken("it names no test".into()));
        assert_eq!(rows.len(), 4, "the table ends with its section");
    }

    #[test]
    fn a_test_that_is_not_there_breaks_its_row() {
        let rows = rows("test departures::one ... ok\n");
        assert_eq!(rows[0], Verdict::Broken("the fake kernel did not run".into()));
    }

    #[test]
    fn the_counts_come_first_and_reasons_follow() {
        let mut results = Results::default();
        results.read(OUTPUT);
        let (text, problem) = tell(&results.rows(PAGE));
        assert!(text.starts_with("fault table: 4 rows, 1 passed, 1 skipped, 2 broken\n"), "{text}");
        assert!(text.contains("skipped: no FUSE: no FUSE here"), "{text}");
        assert!(problem.expect("two are broken").contains("2 rows"));
        assert!(tell(&[]).1.is_some(), "no table at all");
    }

    #[test]
    fn every_row_of_the_page_names_tests() {
        let file = crate::cargo::workspace_root().join("docs/reliability.md");
        let page = std::fs::read_to_string(file).expect("it is there");
        let rows: Vec<_> = table(&page).collect();
        assert!(rows.len() > 10, "{rows:?}");
        for (failure, tests) in rows {
            assert!(!references(tests).is_empty(), "{failure} names no test: {tests}");
        }
    }
}
