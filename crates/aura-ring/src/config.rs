//! What is asked of a ring, and what the kernel granted.

use std::time::Duration;

/// What to ask of a new ring. Everything that the kernel refuses and that can be done without is
/// left out; [`Features`] says what came of it.
///
/// ```
/// use aura_ring::{Ring, RingConfig};
///
/// let ring = Ring::new(&RingConfig { entries: 64, ..RingConfig::default() })?;
/// assert_eq!(ring.features().sq_entries, 64);
/// # Ok::<(), aura_ring::SetupError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingConfig {
    /// Submission queue entries, 1 to 32 768; the kernel rounds up to a power of two. Default 128.
    pub entries: u32,
    /// Completion queue entries, or `None` for the kernel's default of twice the submission
    /// queue. The kernel rounds up to a power of two, and takes no less than the submission queue
    /// has and no more than 65 536. It bounds what may be in flight.
    pub cq_entries: Option<u32>,
    /// Let a kernel thread read the submission queue, and go to sleep after this long without
    /// work (in whole milliseconds, at least one). Needs `CAP_SYS_NICE` before Linux 5.13; if refused, the ring works without it.
    pub sqpoll_idle: Option<Duration>,
    /// The thread that submits is the thread that reaps, always.
    ///
    /// The kernel may then delay the tail of an operation until that thread enters it
    /// (`IORING_SETUP_COOP_TASKRUN`) instead of interrupting it. With several threads that would
    /// hold back the completions of a thread which submits and then computes.
    pub one_thread: bool,
    /// That thread is the one which creates the ring; others neither submit nor wait, nor register anything.
    ///
    /// The kernel then does the tail of operations when that thread enters it for completions, and never
    /// interrupts it (`IORING_SETUP_SINGLE_ISSUER` and `IORING_SETUP_DEFER_TASKRUN`, Linux 6.1). Another thread
    /// that enters gets `EEXIST`. Without effect unless [`one_thread`](Self::one_thread), or with submission polling.
    pub thread_bound: bool,
}

impl Default for RingConfig {
    fn default() -> Self {
        Self {
            entries: 128,
            cq_entries: None,
            sqpoll_idle: None,
            one_thread: false,
            thread_bound: false,
        }
    }
}

/// What the kernel granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Features {
    /// Entries of the submission queue.
    pub sq_entries: u32,
    /// Entries of the completion queue.
    pub cq_entries: u32,
    /// A kernel thread reads the submission queue.
    pub sqpoll: bool,
    /// The `errno` with which submission polling was refused, when it was asked for.
    pub sqpoll_refused: Option<i32>,
    /// The kernel cooperates with the one thread instead of interrupting it.
    pub coop_taskrun: bool,
    /// The kernel leaves the tail of operations to the thread that made the ring.
    pub defer_taskrun: bool,
    /// A wait can have a timeout without a timer operation (Linux 5.11).
    pub timed_wait: bool,
    /// The kernel keeps completions that did not fit the queue (Linux 5.5).
    pub no_drop: bool,
}
