//! Sleeping with more precision than milliseconds. This file is `unsafe` because a descriptor is borrowed
//! from its number.

use std::os::fd::{BorrowedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Sleeps until a descriptor is readable, or for so long.
pub(super) fn until_readable(fd: RawFd, timeout: Duration) {
    let timeout =
        Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
    // SAFETY: the descriptor belongs to an engine that the caller keeps meanwhile.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    // A signal ends it early; the caller looks at the clock again anyway.
    let _ = poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout));
}
