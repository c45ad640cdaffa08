//! The fake kernel: executes what is queued in an order and with results that follow from a seed.
//!
//! Its time passes when it is entered, reaped from, or slept in. Nothing here touches files: an
//! operation's descriptor says which one of the [`Ledger`]'s it is.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex};

use aura_ring::{Cqe, Opcode, PushError, Sqe, Wake};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::ledger::{LEN, Ledger};
use super::plan::{Defect, Fault, Plan};
use super::ring::{Live, Posted, RingState};
use super::rng::Rng;
use crate::raw::{is_linked, label_of};

/// Descriptors of operations; the number of the operation is added. No real descriptor is as high.
pub(super) const FIRST_FD: i32 = 1 << 24;
/// A poller that has looked in vain so many times waits for nothing.
const FRUITLESS_MAX: u32 = 20_000;

#[derive(Debug)]
pub(super) struct Kernel {
    state: Mutex<State>,
    pub(super) ledger: Arc<Ledger>,
}

#[derive(Debug)]
struct State {
    plan: Plan,
    defect: Option<Defect>,
    rng: Rng,
    rings: Vec<RingState>,
    /// The thread that submits at the moment.
    thread: u8,
    /// Another thread has come in between: what is difficult enough without faults of enter.
    interlude: bool,
    /// No more faults, and everything comes to an end.
    calm: bool,
    fruitless: u32,
    next_id: u64,
}

fn error<T>(errno: i32) -> io::Result<T> {
    Err(io::Error::from_raw_os_error(errno))
}

impl Kernel {
    pub(super) fn new(plan: Plan, defect: Option<Defect>, ledger: Arc<Ledger>) -> Self {
        let state = State {
            plan,
            defect,
            rng: Rng::new(plan.seed, 2),
            rings: Vec::new(),
            thread: 0,
            interlude: false,
            calm: false,
            fruitless: 0,
            next_id: 0,
        };
        Self { state: Mutex::new(state), ledger }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State, &Ledger) -> T) -> T {
        act(&mut self.state.lock().unwrap(), &self.ledger)
    }

    /// Adds a ring and returns its number.
    pub(super) fn add_ring(&self, entries: u32) -> usize {
        self.with(|state, _| {
            let entries = entries.next_power_of_two() as usize;
            let tiny = state.plan.has(Fault::Overflow);
            let completions_max = if tiny { 2 } else { 2 * entries };
            state.rings.push(RingState::new(entries, completions_max));
            state.rings.len() - 1
        })
    }

    pub(super) fn set_thread(&self, thread: u8) {
        self.with(|state, _| state.thread = thread);
    }

    pub(super) fn set_interlude(&self, interlude: bool) {
        self.with(|state, _| state.interlude = interlude);
    }

    /// Lets everything come to an end from now on.
    pub(super) fn calm_down(&self) {
        self.with(|state, _| {
            state.calm = true;
            state.rings.iter_mut().flat_map(|ring| &mut ring.live).for_each(|live| {
                live.hangs = false;
            });
        });
    }

    /// Whether waiting would end: something is queued, or at work and not hanging.
    pub(super) fn makes_progress(&self) -> bool {
        self.with(|state, _| state.rings.iter().any(RingState::makes_progress))
    }

    /// The kernel cancels what a thread that ends has in it.
    pub(super) fn end_thread(&self, thread: u8) {
        self.with(|state, ledger| {
            ledger.tell(|| format!("thread {thread} ends"));
            let State { rings, rng, .. } = state;
            for ring in rings {
                let tick = ring.tick;
                for live in ring.live.iter_mut() {
                    if live.thread == thread && live.serial.is_some() && live.own {
                        live.result = -*rng.pick(&[libc::ECANCELED, libc::EFAULT]);
                        live.own = false;
                        live.hangs = false;
                        live.ready_at = tick;
                    }
                }
            }
        });
    }

    pub(super) fn push_all(&self, ring: usize, sqes: &[Sqe]) -> Result<(), PushError> {
        self.with(|state, ledger| {
            if state.rings[ring].makes_progress() && state.faulty(Fault::Refusals, 10) {
                return Err(PushError::TooManyInFlight);
            }
            let ring = &mut state.rings[ring];
            if ring.queued.len() + sqes.len() > ring.entries {
                return Err(PushError::QueueFull);
            }
            for sqe in sqes {
                if let Some(serial) = serial_of(sqe) {
                    ledger.queued(serial);
                }
                ring.queued.push_back(*sqe);
            }
            Ok(())
        })
    }

    pub(super) fn queued(&self, ring: usize) -> u32 {
        self.with(|state, _| state.rings[ring].queued.len() as u32)
    }

    pub(super) fn entries(&self, ring: usize) -> u32 {
        self.with(|state, _| state.rings[ring].entries as u32)
    }

    pub(super) fn enter(&self, ring: usize) -> io::Result<u32> {
        self.with(|state, ledger| {
            if state.faulty(Fault::Enter, 8) {
                let errno =
                    *state.rng.pick(&[libc::EAGAIN, libc::EBUSY, libc::EINTR, libc::ENOMEM]);
                ledger.tell(|| format!("ring {ring}: enter fails with {errno}"));
                return error(errno);
            }
            let taken = state.take(ledger, ring);
            state.pass(ledger, ring);
            state.rings[ring].show_all();
            Ok(taken)
        })
    }

    /// Sleeps; `None` if somebody else may do something first, after which this is to be called
    /// again.
    pub(super) fn wait(
        &self,
        ring: usize,
        may_end: bool,
        is_back: bool,
    ) -> Option<io::Result<Wake>> {
        self.with(|state, ledger| {
            if !is_back {
                if state.faulty(Fault::Enter, 1) {
                    return Some(error(libc::EAGAIN));
                }
                if state.faulty(Fault::Enter, 6) {
                    return Some(Ok(Wake::Interrupted));
                }
                state.take(ledger, ring);
                if !state.rings[ring].queued.is_empty() {
                    return Some(Ok(Wake::Ready)); // Sleeps only if it took everything.
                }
                if state.rings[ring].visible == 0 && state.plan.has(Fault::Interludes) {
                    return None;
                }
            }
            if is_back && !may_end {
                state.look_at_sleeper(ledger, ring);
            }
            let soonest = state.rings[ring].soonest();
            if let Some(soonest) = soonest {
                let tick = &mut state.rings[ring].tick;
                *tick = (*tick).max(soonest);
            }
            state.pass(ledger, ring);
            state.look_at_polls(ledger, ring);
            state.rings[ring].show_all();
            if state.rings[ring].visible > 0 {
                state.fruitless = 0;
                return Some(Ok(Wake::Ready));
            }
            assert!(may_end, "the poller sleeps for ever on ring {ring}, with nothing to come");
            state.count_fruitless();
            Some(Ok(Wake::TimedOut))
        })
    }

    pub(super) fn reap(&self, ring: usize, out: &mut [Cqe]) -> usize {
        self.with(|state, ledger| {
            state.pass(ledger, ring);
            state.look_at_polls(ledger, ring);
            if state.rings[ring].visible == 0 {
                state.count_fruitless();
            } else {
                state.fruitless = 0;
            }
            let ring = &mut state.rings[ring];
            let taken = ring.visible.min(out.len());
            ring.visible -= taken;
            for place in &mut out[..taken] {
                let Posted { cqe, serial, own } = ring.posted.pop_front().expect("visible");
                *place = cqe;
                if let Some(serial) = serial {
                    ledger.reaped(serial, cqe.result, own);
                }
            }
            taken
        })
    }

    pub(super) fn has_completions(&self, ring: usize) -> bool {
        self.with(|state, _| state.rings[ring].visible > 0)
    }

    pub(super) fn has_overflown(&self, ring: usize) -> bool {
        self.with(|state, _| state.rings[ring].visible < state.rings[ring].posted.len())
    }
}

impl State {
    fn faulty(&mut self, fault: Fault, percent: usize) -> bool {
        self.plan.has(fault) && !self.calm && !self.interlude && self.rng.chance(percent)
    }

    /// Other threads did something while the poller sleeps in a ring: it must hear of it.
    fn look_at_sleeper(&self, ledger: &Ledger, sleeps_in: usize) {
        let wakes =
            self.rings[sleeps_in].live.iter().any(|live| live.poll.is_some_and(is_readable));
        for (index, ring) in self.rings.iter().enumerate() {
            if !ring.queued.is_empty() && !wakes {
                ledger.violation(format!("ring {index}: queued while the poller sleeps"));
            }
            let works = ring.live.iter().any(|live| live.serial.is_some())
                || ring.posted.iter().any(|posted| posted.serial.is_some());
            if works && index != sleeps_in && !wakes {
                ledger.violation(format!("the poller sleeps in {sleeps_in}, deaf to ring {index}"));
            }
        }
    }

    /// Makes a mistake now and then.
    fn errs(&mut self, defect: Defect) -> bool {
        self.defect == Some(defect) && self.rng.chance(20)
    }

    fn count_fruitless(&mut self) {
        self.fruitless += 1;
        assert!(self.fruitless < FRUITLESS_MAX, "the poller looks for what never comes");
    }

    /// Begins with what is queued. Chains are taken whole.
    fn take(&mut self, ledger: &Ledger, ring: usize) -> u32 {
        let queued = self.rings[ring].queued.len();
        let most =
            if self.faulty(Fault::Partial, 15) { self.rng.below(queued + 1) } else { queued };
        let mut taken = 0;
        let mut linked_to: Option<(u64, usize)> = None;
        while taken < most || linked_to.is_some() {
            let Some(sqe) = self.rings[ring].queued.pop_front() else { break };
            taken += 1;
            linked_to = self.begin(ledger, ring, &sqe, linked_to);
        }
        taken as u32
    }

    fn begin(
        &mut self,
        ledger: &Ledger,
        ring: usize,
        sqe: &Sqe,
        linked_to: Option<(u64, usize)>,
    ) -> Option<(u64, usize)> {
        let (label, parts) = (label_of(sqe), sqe.parts());
        self.next_id += 1;
        let mut live = Live {
            id: self.next_id,
            label,
            serial: serial_of(sqe),
            poll: None,
            ready_at: self.rings[ring].tick,
            result: 0,
            own: true,
            hangs: false,
            after: linked_to.map(|(id, _)| id),
            thread: self.thread,
        };
        if sqe.code() == Opcode::AsyncCancel as u8 {
            live.result = self.cancel(ledger, ring, parts.addr);
        } else if sqe.code() == Opcode::PollAdd as u8 {
            live.poll = Some(parts.fd);
            live.hangs = true;
        } else {
            let serial = live.serial.expect("an operation of the application's");
            ledger.tell(|| format!("ring {ring}: the kernel begins {serial}"));
            let is_first = ledger.begins(serial, linked_to.map(|(_, serial)| serial));
            self.decide_fate(sqe, is_first, &mut live);
            if self.errs(Defect::ForgetSubmission) {
                return None;
            }
            if self.errs(Defect::TearChain) {
                live.after = None;
            }
            if self.errs(Defect::CompleteEarly) {
                self.rings[ring].late_writes.push(serial);
            }
        }
        let next = live.serial.filter(|_| is_linked(sqe)).map(|serial| (live.id, serial));
        self.rings[ring].live.push(live);
        next
    }

    fn decide_fate(&mut self, sqe: &Sqe, is_first: bool, live: &mut Live) {
        let moves_data = [Opcode::Read, Opcode::Write].iter().any(|code| *code as u8 == sqe.code());
        live.result = if moves_data { LEN as i32 } else { 0 };
        if moves_data && self.faulty(Fault::ShortResults, 20) {
            live.result = self.rng.below(LEN) as i32;
        }
        if self.faulty(Fault::Errors, 15) {
            live.result = -*self.rng.pick(&[libc::EIO, libc::ENOSPC, libc::EDQUOT, libc::EAGAIN]);
        }
        if self.faulty(Fault::Delays, 60) {
            live.ready_at += self.rng.below(12) as u64;
        }
        // What is repeated ends: a wait that has seen it end once relies on that.
        live.hangs = is_first && self.faulty(Fault::Hangs, 10);
    }

    /// Asked to cancel an operation; the answer.
    fn cancel(&mut self, ledger: &Ledger, ring: usize, label: u64) -> i32 {
        let too_late = self.faulty(Fault::LateCancels, 40);
        let ring = &mut self.rings[ring];
        let Some(live) = ring.live.iter_mut().find(|live| live.label == label) else {
            return -libc::ENOENT;
        };
        ledger.tell(|| format!("cancelling {:?}, too late: {too_late}", live.serial));
        if too_late {
            live.hangs = false; // It ends by itself after all.
            return -libc::EALREADY;
        }
        (live.result, live.own, live.hangs) = (-libc::ECANCELED, false, false);
        live.ready_at = ring.tick;
        0
    }

    /// A moment passes: what is ready completes, in any order.
    fn pass(&mut self, ledger: &Ledger, index: usize) {
        self.rings[index].tick += 1;
        loop {
            let ring = &mut self.rings[index];
            let ready: Vec<usize> = (0..ring.live.len()).filter(|at| ring.is_ready(*at)).collect();
            if ready.is_empty() {
                break;
            }
            let at = if self.plan.has(Fault::Delays) { *self.rng.pick(&ready) } else { ready[0] };
            let live = ring.live.remove(at);
            self.complete(ledger, index, live);
        }
        if let Some(serial) = self.rings[index].late_writes.first().copied()
            && self.rng.chance(30)
        {
            self.rings[index].late_writes.remove(0);
            ledger.fill(serial, &[0x55; LEN]);
        }
    }

    fn complete(&mut self, ledger: &Ledger, index: usize, live: Live) {
        if let Some(serial) = live.serial {
            ledger.tell(|| format!("ring {index}: {serial} completes: {}", live.result));
            ledger.ends(serial, live.result);
            if self.errs(Defect::LoseCompletion) {
                return;
            }
        }
        let short = live.result != LEN as i32 && live.result != 0;
        let swaps = self.errs(Defect::SwapLabels);
        let ring = &mut self.rings[index];
        let tick = ring.tick;
        for next in ring.live.iter_mut().filter(|next| next.after == Some(live.id)) {
            next.after = None;
            next.ready_at = next.ready_at.max(tick);
            if short || live.result == 0 && live.hangs {
                (next.result, next.own, next.hangs) = (-libc::ECANCELED, false, false);
            }
        }
        let cqe = Cqe { user_data: live.label, result: live.result, flags: 0 };
        let mut posted = Posted { cqe, serial: live.serial, own: live.own };
        if let Some(other) = ring.live.iter_mut().find(|other| other.serial.is_some())
            && swaps
            && live.serial.is_some()
        {
            std::mem::swap(&mut other.label, &mut posted.cqe.user_data);
        }
        ring.posted.push_back(posted);
        if ring.visible + 1 == ring.posted.len() && ring.visible < ring.completions_max {
            ring.visible += 1;
        }
    }

    /// What waits for a descriptor ends when that is readable.
    fn look_at_polls(&mut self, ledger: &Ledger, ring: usize) {
        let polls = |live: &Live| live.poll.is_some_and(is_readable);
        while let Some(at) = self.rings[ring].live.iter().position(polls) {
            let mut live = self.rings[ring].live.remove(at);
            live.result = 1;
            self.complete(ledger, ring, live);
        }
    }
}

fn is_readable(fd: i32) -> bool {
    // SAFETY: the engine's wake-up descriptor, which lives as long as its rings.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&at_once)).is_ok_and(|ready| ready > 0)
}

/// The number of the application's operation.
fn serial_of(sqe: &Sqe) -> Option<usize> {
    let its_own =
        [Opcode::AsyncCancel, Opcode::PollAdd].iter().any(|code| *code as u8 == sqe.code());
    (!its_own).then(|| (sqe.raw_fd() - FIRST_FD) as usize)
}
