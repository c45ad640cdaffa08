//! What a worker costs: CPU time, context switches, page faults. This file is `unsafe` because
//! `getrusage` is a C call.

use std::mem::MaybeUninit;

/// CPU time and events of a thread, or of several.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Milliseconds in user mode.
    pub user_ms: f64,
    /// Milliseconds in the kernel.
    pub system_ms: f64,
    /// Context switches, voluntary or not.
    pub context_switches: u64,
    /// Page faults that needed I/O.
    pub major_faults: u64,
    /// Page faults that did not.
    pub minor_faults: u64,
}

impl Usage {
    /// What the calling thread has used since it began.
    #[must_use]
    pub fn of_this_thread() -> Self {
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: `usage` is writable memory of the type the call fills, and zeros are valid for it.
        let usage = unsafe {
            libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
            usage.assume_init()
        };
        let ms = |time: libc::timeval| time.tv_sec as f64 * 1e3 + time.tv_usec as f64 / 1e3;
        let count = |count: libc::c_long| u64::try_from(count).unwrap_or(0);
        Self {
            user_ms: ms(usage.ru_utime),
            system_ms: ms(usage.ru_stime),
            context_switches: count(usage.ru_nvcsw) + count(usage.ru_nivcsw),
            major_faults: count(usage.ru_majflt),
            minor_faults: count(usage.ru_minflt),
        }
    }

    /// What was used since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            user_ms: self.user_ms - before.user_ms,
            system_ms: self.system_ms - before.system_ms,
            context_switches: self.context_switches - before.context_switches,
            major_faults: self.major_faults - before.major_faults,
            minor_faults: self.minor_faults - before.minor_faults,
        }
    }

    /// Adds another thread's.
    pub fn merge(&mut self, other: &Self) {
        self.user_ms += other.user_ms;
        self.system_ms += other.system_ms;
        self.context_switches += other.context_switches;
        self.major_faults += other.major_faults;
        self.minor_faults += other.minor_faults;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_noticed() {
        let before = Usage::of_this_thread();
        let mut pages = vec![0_u8; 1 << 22];
        (0..pages.len()).step_by(4096).for_each(|page| pages[page] = 1);
        std::hint::black_box(&pages);
        let used = Usage::of_this_thread().since(&before);
        assert!(used.minor_faults > 0);
        assert!(used.user_ms >= 0.0 && used.system_ms >= 0.0);
    }
}
