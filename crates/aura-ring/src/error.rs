//! Why a ring could not be created, and what to do about it.
//!
//! io_uring is switched off in many places (container runtimes, hardened kernels, small limits),
//! and the bare `errno` does not tell them apart. [`SetupError`] looks at the machine once, at the
//! moment of the failure, and names the cause.

use std::fmt;
use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

/// A ring could not be created. Displays what was attempted, the cause and the remedy.
#[derive(thiserror::Error)]
#[error("io_uring_setup({entries} entries): {errno}: {cause}; {}", cause.remedy())]
pub struct SetupError {
    /// What the kernel answered.
    errno: Errno,
    /// Why, as far as can be told.
    cause: Cause,
    /// The size that was asked for.
    entries: u32,
}

/// The cause of a [`SetupError`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// A seccomp filter blocks the system call, as the default profiles of container runtimes do.
    Seccomp,
    /// The sysctl `kernel.io_uring_disabled` has this value and forbids it to this process.
    Sysctl(u32),
    /// The kernel has no io_uring (before 5.1, or built without it). Holds its release.
    KernelTooOld(String),
    /// The memory for the queues exceeds `RLIMIT_MEMLOCK`, in bytes.
    LockedMemory {
        /// The limit in force, in bytes.
        limit_bytes: u64,
    },
    /// The process has as many descriptors as `RLIMIT_NOFILE` allows.
    Descriptors {
        /// The limit in force.
        limit: u64,
    },
    /// The whole system has as many open files as `fs.file-max` allows.
    SystemDescriptors,
    /// The kernel does not accept a queue of that size.
    Size,
    /// None of the above.
    Unknown,
}

impl SetupError {
    pub(crate) fn new(error: &io::Error, entries: u32) -> Self {
        let errno = Errno::from_io_error(error).unwrap_or(Errno::IO);
        Self { errno, cause: Cause::of(errno, &Facts::gather()), entries }
    }

    /// Why it failed.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// What the kernel answered.
    #[must_use]
    pub fn raw_os_error(&self) -> i32 {
        self.errno.raw_os_error()
    }
}

/// As displayed: this is what a program prints that returns the error from `main`, and the remedy
/// belongs there.
impl fmt::Debug for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SetupError({:?})", self.to_string())
    }
}

/// What the cause is judged by.
#[derive(Debug, Default)]
struct Facts {
    sysctl: Option<u32>,
    seccomp_filters: bool,
    kernel_release: String,
    memlock_bytes: Option<u64>,
    nofile: Option<u64>,
}

impl Facts {
    fn gather() -> Self {
        // Filters belong to threads: the one that failed may have one that the first has not.
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let seccomp = status.lines().find_map(|l| l.strip_prefix("Seccomp:")).map(str::trim);
        let sysctl = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok();
        Self {
            sysctl: sysctl.and_then(|text| text.trim().parse().ok()),
            seccomp_filters: seccomp.is_some_and(|mode| mode != "0"),
            kernel_release: rustix::system::uname().release().to_string_lossy().into_owned(),
            memlock_bytes: getrlimit(Resource::Memlock).current,
            nofile: getrlimit(Resource::Nofile).current,
        }
    }

    /// Whether the kernel is one that has io_uring at all (5.1 or later).
    fn kernel_has_io_uring(&self) -> bool {
        let mut numbers = self.kernel_release.split(['.', '-']).map_while(|n| n.parse().ok());
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (5u32, 1u32)
    }
}

impl Cause {
    fn of(errno: Errno, facts: &Facts) -> Self {
        let seccomp = || if facts.seccomp_filters { Self::Seccomp } else { Self::Unknown };
        match errno {
            // The sysctl answers EPERM too, and is the easier one to be sure of.
            Errno::PERM | Errno::ACCESS => match facts.sysctl {
                Some(value) if value > 0 => Self::Sysctl(value),
                _ => seccomp(),
            },
            // Some container runtimes make their filter answer ENOSYS.
            Errno::NOSYS if facts.kernel_has_io_uring() && facts.seccomp_filters => Self::Seccomp,
            Errno::NOSYS => Self::KernelTooOld(facts.kernel_release.clone()),
            Errno::NOMEM => match facts.memlock_bytes {
                Some(limit_bytes) => Self::LockedMemory { limit_bytes },
                None => Self::Unknown,
            },
            Errno::MFILE => Self::Descriptors { limit: facts.nofile.unwrap_or(0) },
            Errno::NFILE => Self::SystemDescriptors,
            Errno::INVAL => Self::Size,
            _ => Self::Unknown,
        }
    }

    /// What to do about it, as a phrase that follows the cause.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Seccomp => {
                "allow io_uring_setup, io_uring_enter and io_uring_register in the seccomp profile \
                 (docker run --security-opt seccomp=…)"
            }
            Self::Sysctl(1) => {
                "run as a member of the group in kernel.io_uring_group, with CAP_SYS_ADMIN, or set \
                 the sysctl to 0"
            }
            Self::Sysctl(_) => "set the sysctl kernel.io_uring_disabled to 0",
            Self::KernelTooOld(_) => "Linux 5.6 or later is needed",
            Self::LockedMemory { .. } => {
                "raise RLIMIT_MEMLOCK (ulimit -l), lower the queue depth or the number of rings, or \
                 give the memory cgroup more room"
            }
            Self::Descriptors { .. } => {
                "raise RLIMIT_NOFILE (ulimit -n) or close descriptors; every ring needs one"
            }
            Self::SystemDescriptors => "raise the sysctl fs.file-max",
            Self::Size => "ask for 1 to 32768 entries",
            Self::Unknown => "see the manual page io_uring_setup(2)",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seccomp => write!(f, "a seccomp filter of this process blocks io_uring"),
            Self::Sysctl(value) => {
                write!(f, "disabled by sysctl kernel.io_uring_disabled = {value}")
            }
            Self::KernelTooOld(release) => write!(f, "the kernel ({release}) has no io_uring"),
            Self::LockedMemory { limit_bytes } => {
                write!(f, "no memory for the queues (RLIMIT_MEMLOCK is {limit_bytes} bytes)")
            }
            Self::Descriptors { limit } => {
                write!(f, "the process is at its limit of {limit} descriptors (RLIMIT_NOFILE)")
            }
            Self::SystemDescriptors => write!(f, "the system is at its limit of open files"),
            Self::Size => write!(f, "the kernel does not accept that size"),
            Self::Unknown => write!(f, "the cause could not be determined"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts { kernel_release: "6.1.0-18-amd64".into(), nofile: Some(256), ..Facts::default() }
    }

    #[test]
    fn the_sysctl_is_named_before_seccomp() {
        let both = Facts { sysctl: Some(2), seccomp_filters: true, ..facts() };
        assert_eq!(Cause::of(Errno::PERM, &both), Cause::Sysctl(2));
        let open = Facts { sysctl: Some(0), seccomp_filters: true, ..facts() };
        assert_eq!(Cause::of(Errno::PERM, &open), Cause::Seccomp);
        assert_eq!(Cause::of(Errno::PERM, &facts()), Cause::Unknown);
    }

    #[test]
    fn a_missing_call_on_a_recent_kernel_under_a_filter_is_the_filter() {
        let filtered = Facts { seccomp_filters: true, ..facts() };
        assert_eq!(Cause::of(Errno::NOSYS, &filtered), Cause::Seccomp);
        let old = Facts { kernel_release: "4.19.0".into(), seccomp_filters: true, ..facts() };
        assert_eq!(Cause::of(Errno::NOSYS, &old), Cause::KernelTooOld("4.19.0".into()));
        let plain = facts();
        assert_eq!(
            Cause::of(Errno::NOSYS, &plain),
            Cause::KernelTooOld(plain.kernel_release.clone())
        );
    }

    #[test]
    fn limits_are_quoted_in_the_message() {
        let error = SetupError {
            errno: Errno::MFILE,
            cause: Cause::of(Errno::MFILE, &facts()),
            entries: 8,
        };
        let text = error.to_string();
        assert!(text.contains("256 descriptors") && text.contains("ulimit -n"), "{text}");
        assert!(format!("{error:?}").contains("ulimit -n"), "{error:?}");
        let memlock = Facts { memlock_bytes: Some(65_536), ..facts() };
        assert!(Cause::of(Errno::NOMEM, &memlock).to_string().contains("65536 bytes"));
    }

    #[test]
    fn every_cause_has_a_remedy() {
        for cause in [
            Cause::Seccomp,
            Cause::Sysctl(1),
            Cause::Sysctl(2),
            Cause::KernelTooOld("4.4".into()),
            Cause::LockedMemory { limit_bytes: 1 },
            Cause::Descriptors { limit: 1 },
            Cause::SystemDescriptors,
            Cause::Size,
            Cause::Unknown,
        ] {
            assert!(!cause.remedy().is_empty() && !cause.to_string().is_empty());
        }
    }
}
