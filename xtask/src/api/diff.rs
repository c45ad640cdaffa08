//! Lines that are new, and lines that are gone. Order says nothing about an interface.

use std::collections::BTreeSet;

/// What is different, each line after `-` (gone) or `+` (new).
pub(super) fn lines(before: &str, now: &str) -> Vec<String> {
    let (before, now): (BTreeSet<&str>, BTreeSet<&str>) =
        (before.lines().collect(), now.lines().collect());
    let gone = before.difference(&now).map(|line| format!("- {line}"));
    let new = now.difference(&before).map(|line| format!("+ {line}"));
    gone.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_named_and_order_is_no_change() {
        assert_eq!(lines("a\nb\n", "b\nc\n"), ["- a", "+ c"]);
        assert_eq!(lines("a\nb\n", "b\na\n"), [""; 0]);
    }
}
