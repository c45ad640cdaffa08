//! Which package may know which: arrows point down only.

use cargo_metadata::Metadata;

use super::Finding;

/// Useful alone; know nothing of each other.
const LEAVES: [&str; 5] =
    ["aura-histogram", "aura-aimd", "aura-bufpool", "aura-ring", "aura-metrics"];
/// Nobody may depend on these: they are commands and tests, not libraries.
const TOPS: [&str; 5] = ["xtask", "aura-codegen", "aura-tests", "aura-bench", "aura-stress"];

/// A dependency of one workspace package on another, of any kind (tests and build scripts too).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    from: String,
    to: String,
}

/// Every edge between workspace packages, and one edge to itself per package, so that packages
/// without dependencies are seen too.
pub(super) fn edges(metadata: &Metadata) -> Vec<Edge> {
    let packages = metadata.workspace_packages();
    let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    packages
        .iter()
        .flat_map(|package| {
            let known = package.dependencies.iter().map(|dependency| dependency.name.as_str());
            let known = known.filter(|name| names.contains(name));
            let from = package.name.as_str();
            known.chain([from]).map(|to| Edge { from: from.into(), to: to.into() })
        })
        .collect()
}

pub(super) fn check(edges: &[Edge]) -> Vec<Finding> {
    edges.iter().filter_map(violation).collect()
}

fn violation(edge: &Edge) -> Option<Finding> {
    let (from, to) = (edge.from.as_str(), edge.to.as_str());
    let Some(allowed) = may_know(from) else {
        let what = "has no layer; give it one in xtask/src/tidy/layers.rs and in the docs";
        return (from == to).then(|| Finding::new(from, 0, what));
    };
    if from == to || (allowed.contains(&to) && !TOPS.contains(&to)) {
        return None;
    }
    let allowed =
        if allowed.is_empty() { "no workspace package".into() } else { allowed.join(", ") };
    Some(Finding::new(from, 0, format!("depends on {to}; it may know {allowed}")))
}

/// The workspace packages that a package may know, or `None` if the package has no layer.
fn may_know(package: &str) -> Option<&'static [&'static str]> {
    Some(match package {
        // The models know source files, not packages.
        "xtask" | "aura-codegen" | "aura-models" => &[],
        "aura-aimd" => &["aura-sim"], // Its tests only, which the simulator in turn is made for.
        leaf if LEAVES.contains(&leaf) => &[],
        "aura-sim" => &["aura-aimd"],
        "aura-engine" => &LEAVES,
        "aura" => &["aura-engine"],
        // They read what the engine counts through `aura`, and name it by the one table of names.
        "aura-prometheus" | "aura-otel" => &["aura", "aura-metrics"],
        "aura-syslog" => &["aura"],
        "aura-top" => &["aura-metrics"], // It knows a page of metrics, not the process behind it.
        "aura-ffi" => &["aura-engine"], // A surface of its own: `aura` has no user data, and no names.
        "bffio" => &["aura"],           // On the public interface, as any program.
        "aura-stress" => &["aura", "aura-ffi"], // What users call, in Rust and in C.
        "aura-sys" => &[],              // It links a library that is installed.
        "aura-tests" | "aura-bench" => &[
            "aura",
            "aura-engine",
            "aura-ffi",
            "aura-sys",
            "aura-histogram",
            "aura-aimd",
            "aura-bufpool",
            "aura-ring",
            "aura-metrics",
            "bffio",
        ],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(from: &str, to: &str) -> usize {
        check(&[Edge { from: from.into(), to: to.into() }]).len()
    }

    #[test]
    fn arrows_that_point_down_are_fine() {
        for (from, to) in [
            ("aura-engine", "aura-ring"),
            ("aura", "aura-engine"),
            ("aura-bench", "aura"),
            ("aura-sim", "aura-aimd"),
            ("aura-tests", "aura-histogram"),
        ] {
            assert_eq!(found(from, to), 0, "{from} -> {to}");
        }
    }

    #[test]
    fn arrows_that_point_up_or_sideways_are_found() {
        for (from, to) in [
            ("aura-ring", "aura-histogram"),
            ("aura-aimd", "aura-histogram"),
            ("aura-ring", "aura-engine"),
            ("aura-engine", "aura-sim"),
            ("aura-engine", "aura"),
            ("aura", "aura-ring"),
            ("aura-tests", "xtask"),
            ("aura", "aura-bench"),
            ("xtask", "aura"),
        ] {
            assert_eq!(found(from, to), 1, "{from} -> {to}");
        }
    }

    #[test]
    fn a_package_without_layer_is_found_even_alone() {
        assert_eq!(found("aura-novelty", "aura-novelty"), 1);
        assert_eq!(found("aura-ring", "aura-ring"), 0);
    }
}
