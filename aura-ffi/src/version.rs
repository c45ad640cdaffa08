//! The version, from the one place that knows it: the package's manifest.

use std::ffi::{CStr, c_char};

use libc::c_int;

use crate::header::{
    AURA_VERSION, AURA_VERSION_MAJOR, AURA_VERSION_MINOR, AURA_VERSION_PATCH, AURA_VERSION_STRING,
};

const STRING: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(string) => string,
        Err(_) => panic!("a version has no NUL inside"),
    };

// The header says what the manifest says.
const _: () = {
    let (ours, header) = (STRING.to_bytes_with_nul(), AURA_VERSION_STRING);
    assert!(ours.len() == header.len());
    let mut at = 0;
    while at < ours.len() {
        assert!(ours[at] == header[at]);
        at += 1;
    }
    let number = AURA_VERSION_MAJOR * 10_000 + AURA_VERSION_MINOR * 100 + AURA_VERSION_PATCH;
    assert!(AURA_VERSION == number);
    assert!(AURA_VERSION_MAJOR == part(env!("CARGO_PKG_VERSION_MAJOR")));
    assert!(AURA_VERSION_MINOR == part(env!("CARGO_PKG_VERSION_MINOR")));
    assert!(AURA_VERSION_PATCH == part(env!("CARGO_PKG_VERSION_PATCH")));
};

const fn part(digits: &str) -> c_int {
    match c_int::from_str_radix(digits, 10) {
        Ok(number) => number,
        Err(_) => panic!("cargo gives a version's parts as decimal numbers"),
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_version() -> *const c_char {
    STRING.as_ptr()
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_version_int() -> c_int {
    AURA_VERSION
}
