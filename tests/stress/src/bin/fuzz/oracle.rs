//! How a call may answer, and what happens when it answers otherwise.

use std::io::{Error, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::plant::{self, Plant};

/// How a child ends that has found something broken.
pub(crate) const EXIT_BROKEN: i32 = 3;

/// Whether calls are shown. Set before the first call.
static SHOWS: AtomicBool = AtomicBool::new(false);

pub(crate) fn show_calls() {
    SHOWS.store(true, Ordering::Relaxed);
}

/// Whether this process runs one case for somebody to look at.
pub(crate) fn is_replay() -> bool {
    SHOWS.load(Ordering::Relaxed)
}

/// Says what happens, when a case is replayed.
pub(crate) fn show(what: impl FnOnce() -> String) {
    if is_replay() {
        println!("{}", what());
    }
}

/// Something does not hold: says so, and ends the process.
pub(crate) fn broken(what: &str) -> ! {
    let _ = std::io::stdout().flush();
    eprintln!("BROKEN: {what}");
    // Not `exit`: engines are in an unknown state, and shall do nothing more.
    // SAFETY: ends the process.
    unsafe { libc::_exit(EXIT_BROKEN) }
}

/// What a call answered: whether it failed, and with which errno (0 if it left it alone).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) failed: bool,
    pub(crate) errno: i32,
}

/// Makes a call with a clean errno.
pub(crate) fn call<T>(
    function: impl FnOnce() -> T,
    failed: impl FnOnce(&T) -> bool,
) -> (T, Answer) {
    // SAFETY: the calling thread's own.
    unsafe { *libc::__errno_location() = 0 };
    let value = function();
    let errno = Error::last_os_error().raw_os_error().unwrap_or(0);
    let failed = failed(&value);
    let errno = if failed && plant::is_due(Plant::WrongErrno) { libc::EXDEV } else { errno };
    (value, Answer { failed, errno })
}

/// What a call may answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct May {
    succeed: bool,
    errnos: Vec<i32>,
}

impl May {
    /// It has to succeed, unless more is allowed.
    pub(crate) fn succeed() -> Self {
        Self { succeed: true, errnos: Vec::new() }
    }

    /// It has to fail with one of these, unless more is allowed.
    pub(crate) fn fail(errnos: &[i32]) -> Self {
        Self { succeed: false, errnos: errnos.into() }
    }

    /// It may fail with these, too.
    pub(crate) fn or(mut self, errnos: &[i32]) -> Self {
        self.errnos.extend_from_slice(errnos);
        self
    }

    /// The same, if something is so.
    pub(crate) fn or_if(self, is_so: bool, errnos: &[i32]) -> Self {
        if is_so { self.or(errnos) } else { self }
    }

    /// What both may: it succeeds only if both may, and fails as either.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.succeed &= other.succeed;
        self.or(&other.errnos)
    }

    fn allows(&self, answer: Answer) -> bool {
        if answer.failed { self.errnos.contains(&answer.errno) } else { self.succeed }
    }

    pub(crate) fn check(&self, what: &str, answer: Answer) {
        let said = || match answer.failed {
            false => "succeeds".to_owned(),
            true => format!("fails: {}", name(answer.errno)),
        };
        show(|| format!("{what} {}", said()));
        if !self.allows(answer) {
            let errnos: Vec<String> = self.errnos.iter().map(|&errno| name(errno)).collect();
            let succeed = if self.succeed { "succeed" } else { "not succeed" };
            broken(&format!("{what} {}; it may {succeed}, or fail with {errnos:?}", said()));
        }
    }
}

/// An errno in words.
pub(crate) fn name(errno: i32) -> String {
    match errno {
        0 => "no errno".into(),
        errno => Error::from_raw_os_error(errno).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_allowed_or_not() {
        let fails = |errno| Answer { failed: true, errno };
        let succeeds = Answer { failed: false, errno: 0 };
        let may = May::succeed().or_if(true, &[libc::EAGAIN]).or_if(false, &[libc::EBUSY]);
        assert!(may.allows(succeeds) && may.allows(fails(libc::EAGAIN)));
        assert!(!may.allows(fails(libc::EBUSY)) && !may.allows(fails(0)));
        assert!(!May::fail(&[libc::EINVAL]).allows(succeeds));
    }
}
