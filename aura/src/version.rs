//! The version, from the one place that knows it: the package's manifest.

/// The library's version, for example `"0.5.0"`.
#[must_use]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// The library's version as a number: `major * 10000 + minor * 100 + patch`.
///
/// ```
/// let mut parts = aura::version().split('.').map(|part| part.parse::<i32>().unwrap());
/// let number = parts.by_ref().take(3).fold(0, |number, part| number * 100 + part);
/// assert_eq!(aura::version_int(), number);
/// ```
#[must_use]
pub fn version_int() -> i32 {
    const MAJOR: i32 = number(env!("CARGO_PKG_VERSION_MAJOR"));
    const MINOR: i32 = number(env!("CARGO_PKG_VERSION_MINOR"));
    const PATCH: i32 = number(env!("CARGO_PKG_VERSION_PATCH"));
    MAJOR * 10_000 + MINOR * 100 + PATCH
}

const fn number(digits: &str) -> i32 {
    match i32::from_str_radix(digits, 10) {
        Ok(number) => number,
        Err(_) => panic!("cargo gives a version's parts as decimal numbers"),
    }
}
