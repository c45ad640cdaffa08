//! One ring: pushing operations, handing them to the kernel, waiting, reaping completions.
//!
//! This file is `unsafe` because the queues are memory shared with the kernel, and because an
//! operation names raw memory that the kernel will read or write later.
//!
//! # Synchronization
//!
//! A ring has two ends. The *pushing* end ([`Ring::push`]) may be used by one thread at a time,
//! the *reaping* end ([`Ring::reap`]) by one thread at a time; the two ends, and everything else,
//! may be used at the same time from any thread. Whoever shares an end between threads brings the
//! lock. Submitting needs no lock: the kernel serialises entries into itself, and takes what the
//! pushing end has published.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use io_uring::{IoUring, Probe, types};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io_uring::{IoringEnterFlags, io_uring_enter};

use crate::config::{Features, RingConfig};
use crate::cqe::Cqe;
use crate::error::SetupError;
use crate::opcode::Opcode;
use crate::queues::{Queues, SQ_CQ_OVERFLOW, SQ_TASKRUN};
use crate::sqe::Sqe;

/// Longer timeouts are cut to this, 136 years: the kernel adds the time since boot to them, in
/// nanoseconds in an `i64`, and a sum that overflows lies in the past.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

/// Keeps a counter off the cache lines of its neighbours (two lines, for the CPUs that fetch them
/// in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
struct OwnLine(AtomicU32);

/// One io_uring.
///
/// Dropping it closes the descriptor; it does **not** wait for operations in flight, whose memory
/// the kernel may go on using (closing is no barrier). Whoever pushed them must have reaped their
/// completions first, or leave that memory alone for good.
pub struct Ring {
    pub(crate) uring: IoUring,
    queues: Queues,
    features: Features,
    /// Bit `n`: the kernel knows opcode `n`.
    opcodes: u64,
    /// How many completions were ever reaped, modulo 2³². Written by the reaping end only. The
    /// same as the completion queue's head, but on a line that the kernel does not write to. What
    /// was pushed (the submission queue's tail) is never ahead by more than that queue holds.
    reaped: OwnLine,
}

/// Why an operation was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The submission queue is full: [`Ring::submit`], then try again.
    #[error("the submission queue is full; submit first")]
    QueueFull,
    /// As much is in flight as the completion queue can hold: reap, then try again.
    #[error("the completion queue has no room for one more operation; reap first")]
    TooManyInFlight,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// At least one completion is ready (if no other thread has taken it already), or the kernel
    /// had other news.
    Ready,
    /// Nothing was ready in time.
    TimedOut,
    /// A signal handler ran.
    Interrupted,
}

impl Ring {
    /// Creates a ring.
    ///
    /// # Errors
    ///
    /// [`SetupError`] names the cause (seccomp, sysctl, old kernel, locked memory, descriptors)
    /// and the remedy.
    pub fn new(config: &RingConfig) -> Result<Self, SetupError> {
        let fail = |error: &io::Error| SetupError::new(error, config.entries);
        if !(1..=32_768).contains(&config.entries) {
            return Err(fail(&io::Error::from_raw_os_error(libc::EINVAL)));
        }
        let (uring, mut features) = set_up(config).map_err(|error| fail(&error))?;
        let queues = Queues::map(&uring).map_err(|error| fail(&error))?;
        let params = uring.params();
        features.sq_entries = params.sq_entries();
        features.cq_entries = params.cq_entries();
        features.timed_wait = params.is_feature_ext_arg();
        features.no_drop = params.is_feature_nodrop();
        let opcodes = probe(&uring);
        Ok(Self { uring, queues, features, opcodes, reaped: OwnLine::default() })
    }

    /// What the kernel granted.
    #[must_use]
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// Whether the kernel knows this operation.
    #[must_use]
    pub fn supports(&self, opcode: Opcode) -> bool {
        self.opcodes >> (opcode as u8) & 1 == 1
    }

    /// Puts one operation into the submission queue. The kernel sees it at the next
    /// [`submit`](Self::submit) or [`wait`](Self::wait).
    ///
    /// # Errors
    ///
    /// [`PushError`] when a queue has no room; nothing was taken.
    ///
    /// # Safety
    ///
    /// - No other thread pushes to this ring at the same time.
    /// - Whatever memory the operation names (buffer, iovec array and its buffers, path, statx
    ///   result) is valid for what the operation does with it, and stays so, and is not used in
    ///   conflict with it, until the operation's completion has been reaped.
    #[inline]
    pub unsafe fn push(&self, sqe: &Sqe) -> Result<(), PushError> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.push_labelled(sqe, sqe.label()) }
    }

    /// As [`push`](Self::push) of `sqe.user_data(user_data)`, without a copy.
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// As there.
    #[inline]
    pub unsafe fn push_labelled(&self, sqe: &Sqe, user_data: u64) -> Result<(), PushError> {
        // Acquire pairs with the release in `reap`: the room it freed is free.
        let reaped = self.reaped.0.load(Ordering::Acquire);
        if self.queues.sq_tail().wrapping_sub(reaped) >= self.features.cq_entries {
            return Err(PushError::TooManyInFlight);
        }
        // SAFETY: the caller is the only one pushing, and vouches for the memory that is named.
        if unsafe { self.queues.push(sqe, user_data) } { Ok(()) } else { Err(PushError::QueueFull) }
    }

    /// Queues several operations, to be handed over together: whoever submits meanwhile takes all
    /// of them or none. So the chain of [`Sqe::linked`] operations stays whole.
    ///
    /// # Errors
    ///
    /// [`PushError`] when a queue has no room for all of them; none was taken.
    ///
    /// # Safety
    ///
    /// As [`push`](Self::push), for each of them.
    pub unsafe fn push_all(&self, sqes: &[Sqe]) -> Result<(), PushError> {
        let reaped = self.reaped.0.load(Ordering::Acquire); // As in `push`.
        let in_flight = self.queues.sq_tail().wrapping_sub(reaped) as usize;
        if in_flight + sqes.len() > self.features.cq_entries as usize {
            return Err(PushError::TooManyInFlight);
        }
        // SAFETY: the caller is the only one pushing, and vouches for the memory that is named.
        if unsafe { self.queues.push_all(sqes) } { Ok(()) } else { Err(PushError::QueueFull) }
    }

    /// Operations that were pushed and whose completions have not been reaped. What the other end
    /// does meanwhile may not be counted yet. Never more than the completion queue holds.
    #[inline]
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        // Acquire pairs with the release in `reap`; read first, because an operation counted as
        // reaped was counted as pushed before.
        let reaped = self.reaped.0.load(Ordering::Acquire);
        let in_flight = self.queues.sq_tail().wrapping_sub(reaped);
        // Between the two loads both ends may have gone on.
        in_flight.min(self.features.cq_entries)
    }

    /// Operations that were pushed and that the kernel has not taken yet.
    #[inline]
    #[must_use]
    pub fn queued(&self) -> u32 {
        let head = self.queues.sq_head();
        // Read second: the kernel takes nothing that was not pushed.
        self.queues.sq_tail().wrapping_sub(head)
    }

    /// Hands the queued operations to the kernel and returns how many it took; with submission
    /// polling, how many were queued for the kernel's thread, which is woken up if it sleeps. Runs
    /// whatever the kernel has put off, so that completions which did not fit the queue appear.
    ///
    /// # Errors
    ///
    /// The kernel's answer. `EAGAIN` and `EBUSY` are temporary (no memory; completions waiting to
    /// be reaped); nothing is lost, what was not taken stays queued.
    #[inline]
    pub fn submit(&self) -> io::Result<u32> {
        if self.features.sqpoll || self.queues.sq_flags() & SQ_CQ_OVERFLOW != 0 {
            return self.uring.submit().map(|taken| taken as u32);
        }
        // What the kernel has put off until its thread comes, it does only if asked for completions. Asked with every
        // submission it hands completions out in ones and twos: direct writes at depth 32 lost a quarter of their IOPS.
        let asks = self.features.defer_taskrun && self.queued() == 0;
        let flags = if asks { IoringEnterFlags::GETEVENTS } else { IoringEnterFlags::empty() };
        self.enter(0, flags)
    }

    /// Enters the kernel with all that is queued. Without submission polling.
    #[inline]
    fn enter(&self, want: u32, flags: IoringEnterFlags) -> io::Result<u32> {
        let queued = self.queues.sq_tail().wrapping_sub(self.queues.sq_head());
        // SAFETY: what is queued was pushed by `push`, whose callers vouch for its memory.
        Ok(unsafe { io_uring_enter(self, queued, want, flags)? })
    }

    /// Hands the queued operations to the kernel and blocks until a completion is ready, the
    /// timeout (`None`: none) has passed, or a signal handler ran.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<Wake> {
        let timeout = timeout.map(|limit| limit.min(FOREVER));
        let head = self.queues.cq_head();
        let start = timeout.map(|_| Instant::now());
        let submitter = self.uring.submitter();
        let entered = match timeout {
            None if !self.features.sqpoll => {
                self.enter(1, IoringEnterFlags::GETEVENTS).map(|taken| taken as usize)
            }
            None => submitter.submit_and_wait(1),
            Some(limit) if self.features.timed_wait => {
                let limit = types::Timespec::from(limit);
                submitter.submit_with_args(1, &types::SubmitArgs::new().timespec(&limit))
            }
            Some(limit) => self.submit().and_then(|_| self.wait_readable(limit)),
        };
        match entered {
            // The wait ended well.
            Ok(0) => Ok(Wake::Ready),
            // Having submitted something, the kernel says how much, and not how the wait ended.
            Ok(_) if self.queues.cq_tail() != head => Ok(Wake::Ready),
            Ok(_) => match timeout.zip(start) {
                Some((limit, start)) if start.elapsed() >= limit => Ok(Wake::TimedOut),
                _ => Ok(Wake::Interrupted),
            },
            Err(error) => match error.raw_os_error() {
                Some(libc::ETIME) => Ok(Wake::TimedOut),
                Some(libc::EINTR) => Ok(Wake::Interrupted),
                _ => Err(error),
            },
        }
    }

    /// Whether a completion is ready to be reaped. Costs two loads, no system call.
    #[inline]
    #[must_use]
    pub fn has_completions(&self) -> bool {
        self.queues.cq_head() != self.queues.cq_tail()
    }

    /// Whether the kernel holds back completions until it is entered: the queue overflowed, or
    /// work was put off ([`RingConfig::one_thread`]). If so, [`submit`](Self::submit).
    #[inline]
    #[must_use]
    pub fn needs_enter(&self) -> bool {
        self.queues.sq_flags() & (SQ_CQ_OVERFLOW | SQ_TASKRUN) != 0
    }

    /// Takes up to `out.len()` completions, oldest first, and returns how many. No system call.
    ///
    /// # Safety
    ///
    /// No other thread reaps from this ring at the same time.
    #[inline]
    pub unsafe fn reap(&self, out: &mut [Cqe]) -> usize {
        // SAFETY: the caller is the only one reaping.
        let taken = unsafe { self.queues.reap(out) };
        if taken > 0 {
            let reaped = self.reaped.0.load(Ordering::Relaxed).wrapping_add(taken as u32);
            // Release pairs with the acquire in `push`.
            self.reaped.0.store(reaped, Ordering::Release);
        }
        taken
    }

    /// What `io_uring_enter` does with a timeout, for the kernels on which it takes none.
    fn wait_readable(&self, limit: Duration) -> io::Result<usize> {
        let limit = Timespec::try_from(limit).expect("cut to FOREVER, which fits");
        match poll(&mut [PollFd::new(self, PollFlags::IN)], Some(&limit))? {
            0 => Err(io::Error::from_raw_os_error(libc::ETIME)),
            _ => Ok(0),
        }
    }
}

/// The ring's descriptor is readable as long as completions wait to be reaped, so it fits `poll`,
/// `epoll` and `select` (level-triggered).
impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is open as long as `self.uring` lives.
        unsafe { BorrowedFd::borrow_raw(self.uring.as_raw_fd()) }
    }
}

impl AsRawFd for Ring {
    fn as_raw_fd(&self) -> RawFd {
        self.uring.as_raw_fd()
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring")
            .field("fd", &self.as_raw_fd())
            .field("features", &self.features)
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

/// Tries the most wanted set of flags first and leaves out, one after the other, what the kernel
/// refuses and what can be done without.
fn set_up(config: &RingConfig) -> io::Result<(IoUring, Features)> {
    let mut features = Features {
        sqpoll: config.sqpoll_idle.is_some(),
        // A kernel thread submits, so there is nobody to cooperate with.
        coop_taskrun: config.one_thread && config.sqpoll_idle.is_none(),
        defer_taskrun: config.one_thread && config.thread_bound && config.sqpoll_idle.is_none(),
        ..Features::default()
    };
    let mut submit_all = true;
    loop {
        let mut builder = IoUring::builder();
        if submit_all {
            builder.setup_submit_all(); // One bad entry must not hold up the ones behind it.
        }
        if let Some(entries) = config.cq_entries {
            builder.setup_cqsize(entries);
        }
        if let Some(idle) = config.sqpoll_idle.filter(|_| features.sqpoll) {
            // Zero would mean the kernel's default, a second.
            let idle_ms = u32::try_from(idle.as_millis()).unwrap_or(u32::MAX).max(1);
            builder.setup_sqpoll(idle_ms);
        }
        if features.defer_taskrun {
            builder.setup_single_issuer().setup_defer_taskrun().setup_taskrun_flag();
        } else if features.coop_taskrun {
            builder.setup_coop_taskrun().setup_taskrun_flag();
        }
        let error = match builder.build(config.entries) {
            Ok(uring) => {
                features.coop_taskrun &= !features.defer_taskrun;
                return Ok((uring, features));
            }
            Err(error) => error,
        };
        let errno = error.raw_os_error();
        if features.sqpoll && errno != Some(libc::EINVAL) {
            features.sqpoll_refused = errno;
            features.sqpoll = false;
            features.coop_taskrun = config.one_thread;
        } else if features.defer_taskrun && errno == Some(libc::EINVAL) {
            features.defer_taskrun = false; // Before Linux 6.1.
        } else if features.coop_taskrun && errno == Some(libc::EINVAL) {
            features.coop_taskrun = false; // Before Linux 5.19.
        } else if submit_all && errno == Some(libc::EINVAL) {
            submit_all = false; // Before Linux 5.18.
        } else {
            return Err(error);
        }
    }
}

/// Asks which operations the kernel knows. A kernel that cannot be asked (before 5.6) is taken to
/// know those that it had from the start.
fn probe(uring: &IoUring) -> u64 {
    let mut answer = Probe::new();
    if uring.submitter().register_probe(&mut answer).is_err() {
        return (1 << Opcode::ReadFixed as u8 | 1 << Opcode::WriteFixed as u8)
            | (1 << Opcode::Nop as u8 | 1 << Opcode::Readv as u8 | 1 << Opcode::Writev as u8)
            | 1 << Opcode::Fsync as u8;
    }
    let known = Opcode::ALL.into_iter().filter(|op| answer.is_supported(*op as u8));
    known.fold(0, |bits, op| bits | 1 << op as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_end_the_same_without_the_timeouts_of_the_kernel() {
        let mut ring = Ring::new(&RingConfig::default()).expect("a plain ring");
        ring.features.timed_wait = false; // As before Linux 5.11.
        let (limit, start) = (Duration::from_millis(30), Instant::now());
        assert_eq!(ring.wait(Some(limit)).unwrap(), Wake::TimedOut);
        assert!(start.elapsed() >= limit);
        // SAFETY: this test has one thread; a no-op names no memory.
        unsafe { ring.push(&Sqe::nop()) }.unwrap();
        assert_eq!(ring.wait(Some(Duration::MAX)).unwrap(), Wake::Ready);
    }

    #[test]
    fn a_short_idle_time_is_not_taken_for_the_default() {
        for (idle_us, idle_ms) in [(0, 1), (300, 1), (2_900, 2), (u64::MAX, u32::MAX)] {
            let sqpoll_idle = Some(Duration::from_micros(idle_us));
            let ring = Ring::new(&RingConfig { sqpoll_idle, ..RingConfig::default() }).unwrap();
            if ring.features.sqpoll {
                assert_eq!(ring.uring.params().sq_thread_idle(), idle_ms);
            } else {
                eprintln!("SKIPPED the idle time: refused, {:?}", ring.features.sqpoll_refused);
            }
        }
    }
}
