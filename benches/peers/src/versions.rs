//! Which releases of the peers run: read from the lock file that they were built with.

use std::collections::BTreeMap;

use crate::peer::fio;

const LOCK: &str = include_str!("../Cargo.lock");
const LIBRARIES: [&str; 6] = ["compio", "glommio", "io-uring", "monoio", "tokio", "tokio-uring"];

/// Names and versions; fio's if it is installed.
pub(crate) fn all() -> BTreeMap<&'static str, String> {
    let mut versions: BTreeMap<&'static str, String> = BTreeMap::new();
    for (name, version) in packages(LOCK) {
        let Some(name) = LIBRARIES.into_iter().find(|library| *library == name) else { continue };
        // Peers bring other releases of io-uring; Aura's is the newest, and they are in order.
        versions.insert(name, version.to_owned());
    }
    if let Ok(version) = fio::version() {
        versions.insert("fio", version.trim_start_matches("fio-").to_owned());
    }
    versions
}

/// For people.
pub(crate) fn line(versions: &BTreeMap<&'static str, String>) -> String {
    let versions = versions.iter().map(|(name, version)| format!("{name} {version}"));
    versions.collect::<Vec<_>>().join(", ")
}

/// Names and versions in a lock file, where a package's version follows its name.
fn packages(lock: &str) -> impl Iterator<Item = (&str, &str)> {
    lock.split("[[package]]").filter_map(|package| {
        let field = |key: &str| {
            let mut lines = package.lines();
            lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"'))
        };
        Some((field("name")?, field("version")?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_is_in_the_lock_file() {
        let versions = all();
        for library in LIBRARIES {
            let version = versions.get(library).expect(library);
            assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{library} {version}");
        }
    }
}
