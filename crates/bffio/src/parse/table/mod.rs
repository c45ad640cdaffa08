//! Every option that is known: those of jobs by topic, and those of the program.

mod files;
mod measure;
mod other;
mod pattern;
mod program;
mod timing;
mod verify;

use super::program::ProgramOption;
use super::spec::Spec;

/// The options, with the heading under which help shows them.
pub(crate) const TOPICS: [(&str, &[Spec]); 8] = [
    ("Workload", pattern::OPTIONS),
    ("Files and devices", files::OPTIONS),
    ("Time, rate and order", timing::OPTIONS),
    ("Finding the depth", timing::SEARCH_OPTIONS),
    ("Buffers and verification", verify::OPTIONS),
    ("Measurement, reports and logs", measure::OPTIONS),
    ("Accepted without effect", other::IGNORED),
    ("Known, but not supported", other::REFUSED),
];

/// The options of the program; those that are refused come last.
pub(crate) const PROGRAM_OPTIONS: &[ProgramOption] = program::OPTIONS;

/// All options of jobs.
pub(crate) fn options() -> impl Iterator<Item = &'static Spec> {
    TOPICS.iter().flat_map(|(_, options)| *options)
}

/// The option of this name or alias; `-` and `_` are the same.
pub(crate) fn find(name: &str) -> Option<&'static Spec> {
    let plain = name.replace('-', "_");
    options()
        .find(|spec| names(spec).any(|known| known == name || known.replace('-', "_") == plain))
}

/// Canonical name and aliases.
pub(crate) fn names(spec: &'static Spec) -> impl Iterator<Item = &'static str> {
    std::iter::once(spec.name).chain(spec.aliases.iter().copied())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_name_means_two_options() {
        let mut seen = HashSet::new();
        for name in options().flat_map(names) {
            assert!(seen.insert(name.replace('-', "_")), "{name} is there twice");
        }
    }

    #[test]
    fn aliases_and_dashes_find_their_option() {
        for (given, canonical) in [
            ("readwrite", "rw"),
            ("blocksize", "bs"),
            ("timeout", "runtime"),
            ("io_limit", "io_size"),
            ("wait_for_previous", "stonewall"),
            ("target_p99", "target-p99"),
            ("file-service-type", "file_service_type"),
            ("hugepage_size", "hugepage-size"),
        ] {
            assert_eq!(find(given).map(|spec| spec.name), Some(canonical));
        }
        assert!(find("iodpth").is_none());
    }
}
