//! One ring of the fake kernel: what is queued, at work, and over.

use std::collections::VecDeque;

use aura_ring::{Cqe, Sqe};

#[derive(Debug)]
pub(super) struct RingState {
    pub(super) entries: usize,
    pub(super) completions_max: usize,
    pub(super) tick: u64,
    pub(super) queued: VecDeque<Sqe>,
    pub(super) live: Vec<Live>,
    pub(super) posted: VecDeque<Posted>,
    /// How many of them are in the queue; the rest has overflown.
    pub(super) visible: usize,
    /// Memory that an operation's completion should have freed, and did not: see `CompleteEarly`.
    pub(super) late_writes: Vec<usize>,
}

/// An operation at work.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) id: u64,
    pub(super) label: u64,
    /// Its number, if it is the application's.
    pub(super) serial: Option<usize>,
    /// The descriptor that it waits for.
    pub(super) poll: Option<i32>,
    pub(super) ready_at: u64,
    pub(super) result: i32,
    /// The result is the operation's own.
    pub(super) own: bool,
    pub(super) hangs: bool,
    /// It waits for this one.
    pub(super) after: Option<u64>,
    pub(super) thread: u8,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Posted {
    pub(super) cqe: Cqe,
    pub(super) serial: Option<usize>,
    pub(super) own: bool,
}

impl RingState {
    pub(super) fn new(entries: usize, completions_max: usize) -> Self {
        Self {
            entries,
            completions_max,
            tick: 0,
            queued: VecDeque::new(),
            live: Vec::new(),
            posted: VecDeque::new(),
            visible: 0,
            late_writes: Vec::new(),
        }
    }

    /// Whether an operation of the application's completes by itself, or has.
    pub(super) fn makes_progress(&self) -> bool {
        let at_work = |live: &Live| live.serial.is_some() && !live.hangs && live.after.is_none();
        self.posted.iter().any(|posted| posted.serial.is_some()) || self.live.iter().any(at_work)
    }

    pub(super) fn is_ready(&self, at: usize) -> bool {
        let live = &self.live[at];
        !live.hangs && live.after.is_none() && live.ready_at <= self.tick
    }

    pub(super) fn soonest(&self) -> Option<u64> {
        let ends = |live: &&Live| !live.hangs && live.after.is_none();
        self.live.iter().filter(ends).map(|live| live.ready_at).min()
    }

    /// Who enters gets what has overflown, as far as there is room.
    pub(super) fn show_all(&mut self) {
        self.visible = self.posted.len().min(self.completions_max);
    }
}
