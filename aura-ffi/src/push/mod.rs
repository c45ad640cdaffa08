//! Posting metrics to a collector.
//!
//! # Synchronization
//!
//! `LAST` remembers how the last push to each endpoint ended, so that the log hears of changes only. It is
//! locked for a look, never while anything is sent.

mod endpoint;
mod http;

use std::ffi::{CStr, c_char};
use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aura_engine::log::{Level, emit};
use libc::{c_int, size_t};

use crate::errno::{Failure, Refusal, give, required, set};
use crate::header::AURA_OTEL_PUSH_TIMEOUT_MS;
use endpoint::Endpoint;

const TIMEOUT: Duration = Duration::from_millis(AURA_OTEL_PUSH_TIMEOUT_MS as u64);

#[unsafe(no_mangle)]
pub unsafe extern "C" fn aura_otel_push(
    endpoint: *const c_char,
    buf: *const c_char,
    len: size_t,
) -> c_int {
    // SAFETY: the caller's word.
    let (endpoint, body) = match unsafe { arguments(endpoint, buf, len) } {
        Ok(arguments) => arguments,
        Err(refusal) => return give(Err(refusal)),
    };
    match http::post(&endpoint, body, TIMEOUT) {
        Ok(status) => {
            note(&endpoint, &Outcome::Status(status));
            status.into()
        }
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or(libc::EPROTO);
            note(&endpoint, &Outcome::Failed(errno));
            drop((endpoint, error));
            set(errno);
            c_int::FAILED
        }
    }
}

/// # Safety
///
/// `endpoint` is null or a string, `buf` is null or points to `len` bytes.
unsafe fn arguments<'a>(
    endpoint: *const c_char,
    buf: *const c_char,
    len: size_t,
) -> Result<(Endpoint, &'a [u8]), Refusal> {
    let endpoint = required(endpoint, "there is no endpoint")?;
    let buf = required(buf, "there is nothing to push")?;
    if len == 0 || isize::try_from(len).is_err() {
        return Err(Refusal::invalid("there is nothing to push, or too much"));
    }
    // SAFETY: by contract.
    let (endpoint, body) = unsafe {
        let body = std::slice::from_raw_parts(buf.cast::<u8>().as_ptr(), len);
        (CStr::from_ptr(endpoint.as_ptr()), body)
    };
    let endpoint = endpoint.to_str().map_err(|_| Refusal::invalid("the endpoint is not UTF-8"))?;
    Ok((Endpoint::parse(endpoint)?, body))
}

/// How a push ended.
#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    Status(u16),
    Failed(c_int),
}

impl Outcome {
    fn is_success(self) -> bool {
        matches!(self, Self::Status(200..300))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "answered {status}"),
            Self::Failed(libc::EPROTO) => f.write_str("did not answer in HTTP"),
            Self::Failed(errno) => io::Error::from_raw_os_error(*errno).fmt(f),
        }
    }
}

/// The last endpoints, newest last, with their last outcomes.
static LAST: Mutex<Vec<(String, Outcome)>> = Mutex::new(Vec::new());
const REMEMBERED: usize = 16;

/// Logs an outcome if it is news.
fn note(endpoint: &Endpoint, outcome: &Outcome) {
    let name = endpoint.to_string();
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let at = last.iter().position(|(known, _)| *known == name);
    let before = at.map(|at| last.remove(at).1);
    if last.len() == REMEMBERED {
        last.remove(0);
    }
    last.push((name, *outcome));
    drop(last); // The log handler may push.
    if before == Some(*outcome) {
        return;
    }
    if !outcome.is_success() {
        emit(Level::Warning, format_args!("pushing metrics to {endpoint}: {outcome}"));
    } else if before.is_some() {
        emit(Level::Notice, format_args!("pushing metrics to {endpoint} works again"));
    }
}
