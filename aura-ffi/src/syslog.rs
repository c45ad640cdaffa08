//! A log handler that calls `syslog(3)`.
//!
//! # Synchronization
//!
//! `IDENT` is locked while the handler is installed or removed. The C library keeps a pointer to the name
//! and reads it under a lock of its own, so a name is dropped only after `openlog` or `closelog` has
//! taken the next one or none.

use std::ffi::{CStr, CString, c_char, c_void};
use std::sync::{Mutex, PoisonError};

use libc::c_int;

use crate::errno::{Refusal, give};
use crate::header::aura_syslog_options_t;
use crate::log;

/// The name that `openlog` was given, as long as it may look at it.
static IDENT: Mutex<Option<CString>> = Mutex::new(None);
/// Its address is the handler's user data, by which the handler is recognised.
static MARK: u8 = 0;

const DEFAULT_IDENT: &CStr = c"aura";
const DEFAULT_OPTIONS: c_int = libc::LOG_PID | libc::LOG_NDELAY;
const KNOWN_OPTIONS: c_int =
    DEFAULT_OPTIONS | libc::LOG_CONS | libc::LOG_ODELAY | libc::LOG_NOWAIT | libc::LOG_PERROR;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_syslog_install(options: *const aura_syslog_options_t) -> c_int {
    // SAFETY: the caller's word.
    give(unsafe { Settings::read(options) }.map(|settings| {
        install(settings);
        0
    }))
}

#[unsafe(no_mangle)]
pub extern "C" fn aura_syslog_remove() {
    let mut ident = IDENT.lock().unwrap_or_else(PoisonError::into_inner);
    if ident.is_none() {
        return;
    }
    log::clear_if(mark());
    // SAFETY: no preconditions. After it nobody looks at the name.
    unsafe { libc::closelog() };
    *ident = None;
}

struct Settings {
    ident: CString,
    facility: c_int,
    options: c_int,
}

impl Settings {
    /// # Safety
    ///
    /// `given` is null, or points to options whose name is null or a string.
    unsafe fn read(given: *const aura_syslog_options_t) -> Result<Self, Refusal> {
        // SAFETY: by contract.
        let given = unsafe { given.as_ref() };
        let or_default =
            |value: Option<c_int>, default| value.filter(|v| *v != -1).unwrap_or(default);
        let facility = or_default(given.map(|given| given.facility), libc::LOG_USER);
        if facility & !libc::LOG_FACMASK != 0 || facility > libc::LOG_LOCAL7 {
            return Err(Refusal::invalid("facility is none of LOG_KERN to LOG_LOCAL7, nor -1"));
        }
        let options = or_default(given.map(|given| given.log_options), DEFAULT_OPTIONS);
        if options & !KNOWN_OPTIONS != 0 {
            return Err(Refusal::invalid("log_options has bits that openlog does not know"));
        }
        let ident = given.map(|given| given.ident).filter(|ident| !ident.is_null());
        // SAFETY: by contract.
        let ident = ident.map_or(DEFAULT_IDENT, |ident| unsafe { CStr::from_ptr(ident) });
        Ok(Self { ident: cleaned(ident, |byte| byte <= b' '), facility, options })
    }
}

fn install(settings: Settings) {
    let mut ident = IDENT.lock().unwrap_or_else(PoisonError::into_inner);
    let Settings { ident: name, facility, options } = settings;
    // SAFETY: the string stays in place (it is on the heap) until another one is given, or none.
    unsafe { libc::openlog(name.as_ptr(), options, facility) };
    *ident = Some(name);
    log::install(to_syslog, mark());
}

fn mark() -> *mut c_void {
    (&raw const MARK).cast_mut().cast()
}

unsafe extern "C-unwind" fn to_syslog(level: c_int, message: *const c_char, _: *mut c_void) {
    // SAFETY: the log passes a string.
    let message = unsafe { CStr::from_ptr(message) };
    // One message is one line, whatever is in it.
    let message = cleaned(message, |byte| byte < b' ');
    // SAFETY: a format with one string, and the string; without a facility it is that of `openlog`.
    unsafe { libc::syslog(level, c"%s".as_ptr(), message.as_ptr()) };
}

/// A copy in which `_` takes the place of bytes that would be misunderstood.
fn cleaned(text: &CStr, is_bad: fn(u8) -> bool) -> CString {
    let clean = |byte: &u8| if is_bad(*byte) || *byte == 0x7f { b'_' } else { *byte };
    CString::new(text.to_bytes().iter().map(clean).collect::<Vec<_>>()).expect("had no NUL before")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        ident: Option<&CStr>,
        facility: c_int,
        log_options: c_int,
    ) -> Result<Settings, Refusal> {
        let ident = ident.map_or(std::ptr::null(), CStr::as_ptr);
        let options = aura_syslog_options_t { ident, facility, log_options };
        // SAFETY: valid, and its name too.
        unsafe { Settings::read(&raw const options) }
    }

    #[test]
    fn minus_one_and_null_are_the_defaults_and_zero_is_a_facility() {
        let settings = read(None, -1, -1).expect("good");
        assert_eq!((settings.ident.as_c_str(), settings.facility), (c"aura", libc::LOG_USER));
        assert_eq!(settings.options, libc::LOG_PID | libc::LOG_NDELAY);
        assert_eq!(read(None, libc::LOG_KERN, 0).expect("good").facility, libc::LOG_KERN);
        // SAFETY: null is allowed.
        assert!(unsafe { Settings::read(std::ptr::null()) }.is_ok());
    }

    #[test]
    fn what_openlog_does_not_know_is_refused() {
        for (facility, options) in [(1, -1), (-2, -1), (libc::LOG_LOCAL7 + 8, -1), (-1, 0x400)] {
            assert!(read(None, facility, options).is_err(), "{facility:#x} {options:#x}");
        }
    }

    #[test]
    fn a_name_cannot_break_the_line() {
        let settings = read(Some(c"a b\nc"), -1, -1).expect("good");
        assert_eq!(settings.ident.as_c_str(), c"a_b_c");
    }
}
