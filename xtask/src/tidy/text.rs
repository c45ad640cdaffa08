//! Rules on plain text: headers, lengths, unfinished work, unexplained lints in manifests.

#[cfg(test)]
use super::GENERATED;
use super::{Finding, Source};

/// Longer than this is an error: think of a seam.
const LINES_MAX: usize = 500;
/// Longer than this is worth a note.
const LINES_NOTED: usize = 250;
/// Marks of unfinished work, spelt so that this file is not its own finding.
const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if source.path.ends_with(".rs") {
        findings.extend(header(source));
        findings.extend(length(source));
    }
    if source.path.ends_with("Cargo.toml") {
        findings.extend(lints(source));
    }
    findings.extend(unfinished(source));
    findings
}

/// A Rust file opens with what lives in it.
fn header(source: &Source) -> Option<Finding> {
    let first = source.text.lines().next().unwrap_or_default();
    let opens_well = first.strip_prefix("//!").is_some_and(|rest| !rest.trim().is_empty())
        || (source.path.ends_with("lib.rs") && first.starts_with("#![doc = include_str!("));
    (!opens_well)
        .then(|| Finding::new(&source.path, 1, "open the file with `//!`: what lives here"))
}

fn length(source: &Source) -> Option<Finding> {
    if source.is_generated() {
        return None;
    }
    match source.text.lines().count() {
        lines if lines > LINES_MAX => Some(Finding::new(
            &source.path,
            0,
            format!("{lines} lines; find a seam and split it (at most {LINES_MAX})"),
        )),
        lines if lines > LINES_NOTED => {
            Some(Finding::note(&source.path, format!("{lines} lines; aim at {LINES_NOTED}")))
        }
        _ => None,
    }
}

fn unfinished(source: &Source) -> Vec<Finding> {
    let words = |line: &str| -> Option<&'static str> {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.find_map(|word| UNFINISHED.into_iter().find(|mark| *mark == word))
    };
    let lines = source.text.lines().enumerate();
    lines
        .filter_map(|(index, line)| words(line).map(|mark| (index + 1, mark)))
        .map(|(line, mark)| {
            Finding::new(&source.path, line, format!("{mark}: finish it, or open an issue"))
        })
        .collect()
}

/// A lint that a manifest allows has its reason on the line.
fn lints(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().enumerate();
    lines
        .filter(|(_, line)| {
            let (setting, reason) = line.split_once('#').unwrap_or((line, ""));
            setting.contains("\"allow\"") && reason.trim().is_empty()
        })
        .map(|(index, _)| {
            Finding::new(&source.path, index + 1, "say on the line why this lint is allowed")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(path: &str, text: &str) -> Vec<String> {
        let source = Source { path: path.into(), text: text.into() };
        let errors = check(&source).into_iter().filter(|finding| !finding.is_note);
        errors.map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn a_file_without_header_is_found() {
        assert_eq!(errors("a.rs", "fn main() {}\n").len(), 1);
        assert_eq!(errors("a.rs", "").len(), 1);
        assert_eq!(errors("a.rs", "//!\nfn main() {}\n").len(), 1);
        assert!(errors("a.rs", "//! Starts.\nfn main() {}\n").is_empty());
    }

    #[test]
    fn only_a_library_root_may_open_with_its_readme() {
        let text = "#![doc = include_str!(\"../README.md\")]\n";
        assert!(errors("a/src/lib.rs", text).is_empty());
        assert_eq!(errors("a/src/main.rs", text).len(), 1);
    }

    #[test]
    fn long_files_fail_and_longish_ones_are_noted() {
        let lines = |count: usize| format!("//! Long.\n{}", "\n".repeat(count - 1));
        assert_eq!(errors("a.rs", &lines(LINES_MAX + 1)).len(), 1);
        assert!(errors("a.rs", &lines(LINES_MAX)).is_empty());
        let longish = Source { path: "a.rs".into(), text: lines(LINES_NOTED + 1) };
        assert!(check(&longish).iter().all(|finding| finding.is_note));
        assert_eq!(check(&longish).len(), 1);
    }

    #[test]
    fn generated_files_may_be_long() {
        let text = format!("//! A view. {GENERATED}.\n{}", "\n".repeat(2 * LINES_MAX));
        assert!(errors("a.rs", &text).is_empty());
    }

    #[test]
    fn unfinished_work_is_found_as_a_word_in_any_file() {
        for mark in UNFINISHED {
            let found = errors("README.md", &format!("fine\nand {mark}: more\n"));
            assert_eq!(found.len(), 1, "{mark}");
            assert!(found[0].starts_with("error: README.md:2: "), "{found:?}");
            assert!(errors("README.md", &format!("/tmp/name{mark}{mark}\n")).is_empty());
        }
    }

    #[test]
    fn an_allowed_lint_in_a_manifest_needs_a_reason() {
        assert_eq!(errors("a/Cargo.toml", "some_lint = \"allow\"\n").len(), 1);
        assert_eq!(errors("a/Cargo.toml", "some_lint = \"allow\" #\n").len(), 1);
        assert!(errors("a/Cargo.toml", "some_lint = \"allow\" # noisy with macros\n").is_empty());
        assert!(errors("a/Cargo.toml", "some_lint = \"warn\"\n").is_empty());
    }
}
