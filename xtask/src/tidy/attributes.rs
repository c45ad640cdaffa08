//! Rules on attributes: `forbid(unsafe_code)` where it was promised, a reason for every `allow`.

use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Attribute, Meta, punctuated::Punctuated, token::Comma};

use super::Finding;

/// Library roots that promise to hold no unsafe code.
const WITHOUT_UNSAFE: [&str; 7] = [
    "crates/aura-histogram/src/lib.rs",
    "crates/aura-aimd/src/lib.rs",
    "crates/aura-sim/src/lib.rs",
    "crates/aura-metrics/src/lib.rs",
    "crates/aura-prometheus/src/lib.rs",
    "crates/aura-otel/src/lib.rs",
    "crates/aura-syslog/src/lib.rs",
];

pub(super) fn check(path: &str, tree: &syn::File) -> Vec<Finding> {
    let mut findings = Vec::new();
    if WITHOUT_UNSAFE.contains(&path) && !tree.attrs.iter().any(forbids_unsafe) {
        findings.push(Finding::new(path, 1, "this crate promises `#![forbid(unsafe_code)]`"));
    }
    let mut allows = Unexplained { path, findings };
    allows.visit_file(tree);
    allows.findings
}

fn forbids_unsafe(attribute: &Attribute) -> bool {
    attribute.path().is_ident("forbid")
        && attribute.meta.to_token_stream().to_string().contains("unsafe_code")
}

struct Unexplained<'a> {
    path: &'a str,
    findings: Vec<Finding>,
}

impl Visit<'_> for Unexplained<'_> {
    fn visit_attribute(&mut self, attribute: &Attribute) {
        if lacks_reason(&attribute.meta) {
            let line = attribute.span().start().line;
            self.findings.push(Finding::new(
                self.path,
                line,
                "an `allow` needs a `reason = \"…\"`",
            ));
        }
    }
}

fn lacks_reason(meta: &Meta) -> bool {
    let Meta::List(list) = meta else { return false };
    let Ok(inner) = list.parse_args_with(Punctuated::<Meta, Comma>::parse_terminated) else {
        return false;
    };
    if list.path.is_ident("cfg_attr") {
        return inner.iter().any(lacks_reason);
    }
    let silences = list.path.is_ident("allow") || list.path.is_ident("expect");
    silences && !inner.iter().any(|meta| meta.path().is_ident("reason"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<usize> {
        let tree = syn::parse_file(text).expect("valid Rust");
        check(path, &tree).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn an_allow_without_reason_is_found_wherever_it_hides() {
        let text =
            "//! A.\n#![allow(dead_code)]\nfn a() {\n    #[allow(unused)]\n    let b = 1;\n}\n";
        assert_eq!(found("a.rs", text), [2, 4]);
        assert_eq!(found("a.rs", "#[cfg_attr(test, allow(dead_code))]\nfn a() {}\n"), [1]);
        assert_eq!(found("a.rs", "#[expect(clippy::all)]\nfn a() {}\n"), [1]);
    }

    #[test]
    fn an_allow_with_reason_is_fine() {
        assert!(found("a.rs", "#[allow(dead_code, reason = \"why\")]\nfn a() {}\n").is_empty());
        assert!(found("a.rs", "#[deny(dead_code)]\nfn a() {}\n").is_empty());
        assert!(found("a.rs", "// #[allow(dead_code)]\nfn a() {}\n").is_empty());
    }

    #[test]
    fn a_broken_promise_of_no_unsafe_is_found() {
        assert_eq!(found(WITHOUT_UNSAFE[0], "//! A.\n#![deny(unsafe_code)]\n"), [1]);
        assert!(found(WITHOUT_UNSAFE[0], "//! A.\n#![forbid(unsafe_code)]\n").is_empty());
        assert!(found("crates/aura-ring/src/lib.rs", "//! A.\n").is_empty());
    }
}
