//! The nearest name to a mistyped one.

/// The candidate most like `name`, if any is like it.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name, candidate), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance <= candidate.len().max(name.len()).div_ceil(3))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_finger_finds_its_word_and_nonsense_finds_none() {
        let words = ["iodepth", "ioengine", "bs", "size", "runtime"];
        assert_eq!(nearest("iodpeth", words), Some("iodepth"));
        assert_eq!(nearest("run_time", words), Some("runtime"));
        assert_eq!(nearest("BS", words), Some("bs"));
        assert_eq!(nearest("quetzalcoatl", words), None);
    }
}
