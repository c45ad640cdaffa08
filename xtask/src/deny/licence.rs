//! Whether a licence expression can be satisfied by licences from a list.
//!
//! The grammar is that of SPDX 2: `OR` binds weaker than `AND`, `WITH` belongs to the licence before it,
//! and there are parentheses. Cargo's older `MIT/Apache-2.0` means `OR`.

use std::collections::BTreeSet;

/// Whether one can keep to the expression with nothing but these licences.
///
/// An expression that cannot be read satisfies nobody.
pub(super) fn is_satisfied(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { tokens: &tokens, allowed };
    parser.any() == Some(true) && parser.tokens.is_empty()
}

struct Parser<'a> {
    tokens: &'a [&'a str],
    allowed: &'a BTreeSet<String>,
}

impl Parser<'_> {
    fn next_is(&mut self, word: &str) -> bool {
        let is_next = self.tokens.first() == Some(&word);
        if is_next {
            self.tokens = &self.tokens[1..];
        }
        is_next
    }

    fn any(&mut self) -> Option<bool> {
        let mut holds = self.all()?;
        while self.next_is("OR") {
            holds |= self.all()?;
        }
        Some(holds)
    }

    fn all(&mut self) -> Option<bool> {
        let mut holds = self.one()?;
        while self.next_is("AND") {
            holds &= self.one()?;
        }
        Some(holds)
    }

    fn one(&mut self) -> Option<bool> {
        if self.next_is("(") {
            let holds = self.any()?;
            return self.next_is(")").then_some(holds);
        }
        let (licence, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        let mut licence = (*licence).to_owned();
        if self.next_is("WITH") {
            let (exception, rest) = self.tokens.split_first()?;
            self.tokens = rest;
            licence += &format!(" WITH {exception}");
        }
        Some(self.allowed.contains(&licence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(expression: &str) -> bool {
        let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"];
        is_satisfied(expression, &allowed.map(Into::into).into())
    }

    #[test]
    fn one_of_several_is_enough_and_all_of_several_are_needed() {
        assert!(holds("MIT") && holds("GPL-3.0 OR MIT") && holds("GPL-3.0/MIT"));
        assert!(!holds("GPL-3.0") && !holds("MIT AND GPL-3.0"));
        assert!(holds("(MIT OR GPL-3.0) AND Unicode-3.0"));
        assert!(!holds("(MIT OR GPL-3.0) AND Zlib"));
        assert!(holds("GPL-3.0 AND Zlib OR MIT"), "OR binds weaker");
    }

    #[test]
    fn an_exception_belongs_to_its_licence() {
        assert!(holds("Apache-2.0 WITH LLVM-exception OR Zlib"));
        assert!(!holds("MIT WITH LLVM-exception"));
    }

    #[test]
    fn what_cannot_be_read_satisfies_nobody() {
        for broken in ["", "MIT OR", "(MIT", "MIT)", "AND MIT", "MIT MIT", "MIT WITH"] {
            assert!(!holds(broken), "{broken}");
        }
    }
}
