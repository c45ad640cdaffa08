//! The application: plays all of its threads on one, step by step, so that a game can be repeated.
//!
//! Other threads come in where the engine calls the kernel without holding a lock, see
//! [`interlude`].
//!
//! This file is `unsafe` because it submits operations on memory that the ledger owns.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use aura_engine::{
    Awaited, Cargo, Completion, Config, Engine, Failure, Handle, Memory, Op, RingSelect, Target,
};

use super::backend::{self, Fake};
use super::kernel::{FIRST_FD, Kernel};
use super::ledger::{Kind, LEN, Ledger};
use super::plan::{Defect, Fault, Plan};
use super::rng::Rng;

const FILES: usize = 4;
const CHAIN_MAX: usize = 4;
/// A game that takes longer has lost something.
const PATIENCE: Option<Duration> = Some(Duration::from_secs(5));

thread_local!(static GAME: RefCell<Option<Rc<Game>>> = const { RefCell::new(None) });

/// An operation's memory on its way through the engine.
struct Loan {
    serial: usize,
    ledger: Arc<Ledger>,
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.ledger.returned(self.serial);
    }
}

impl Cargo for Loan {
    type Keeper = ();

    fn abandoned(self, result: i32) {
        self.ledger.heard(self.serial, result);
    }
}

#[derive(Default)]
struct Bell {
    rung: AtomicBool,
    /// See `LoseWake`.
    broken: bool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        if !self.broken {
            self.rung.store(true, Ordering::Relaxed);
        }
    }
}

struct Future {
    serial: usize,
    awaited: Pin<Box<Awaited<'static, Loan, Fake>>>,
    bell: Arc<Bell>,
}

pub(super) struct Game {
    plan: Plan,
    defect: Option<Defect>,
    ledger: Arc<Ledger>,
    kernel: Arc<Kernel>,
    /// Dropped before the engine, which they borrow.
    futures: RefCell<Vec<Future>>,
    engine: Arc<Engine<Fake>>,
    limit: u32,
    rings: u32,
    rng: RefCell<Rng>,
    handles: RefCell<Vec<(Handle, usize)>>,
    /// No interlude now: there is one, or the game is at its end.
    busy: Cell<bool>,
}

/// Another thread does something while the poller sleeps.
pub(super) fn interlude() {
    let game = GAME.with_borrow(Clone::clone);
    if let Some(game) = game.filter(|game| !game.busy.replace(true)) {
        game.kernel.set_interlude(true);
        for _ in 0..game.below(3) {
            game.do_as_another_thread();
        }
        game.kernel.set_interlude(false);
        game.busy.set(false);
    }
}

/// Another thread perhaps does something while completions are processed.
pub(super) fn perhaps_interlude() {
    let wanted = GAME.with_borrow(|game| {
        let game = game.as_ref().filter(|game| game.plan.has(Fault::Interludes));
        game.is_some_and(|game| !game.busy.get() && game.chance(10))
    });
    if wanted {
        interlude();
    }
}

/// Plays one game; how it was lost, if it was.
pub(super) fn play(plan: Plan, defect: Option<Defect>, ledger: &Arc<Ledger>) -> Option<String> {
    let kernel = Arc::new(Kernel::new(plan, defect, Arc::clone(ledger)));
    backend::install(Some(Arc::clone(&kernel)));
    let game = Rc::new(Game::new(plan, defect, Arc::clone(ledger), kernel));
    GAME.set(Some(Rc::clone(&game)));
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for _ in 0..plan.steps {
            game.step();
            if ledger.verdict().is_some() {
                return;
            }
        }
        game.end();
    }));
    GAME.set(None);
    backend::install(None);
    let game = Rc::into_inner(game).expect("no callback has it");
    if let Err(panic) = played {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        ledger.violation(text.unwrap_or_default());
    }
    if ledger.verdict().is_some() {
        std::mem::forget(game); // Its end would wait for what never comes.
        return ledger.verdict();
    }
    drop(game);
    ledger.close();
    ledger.verdict()
}

impl Game {
    fn new(plan: Plan, defect: Option<Defect>, ledger: Arc<Ledger>, kernel: Arc<Kernel>) -> Self {
        let mut rng = Rng::new(plan.seed, 3);
        let queue_depth = *rng.pick(&[2, 4, 8, 16]);
        let rings = *rng.pick(&[1, 1, 2, 3]);
        let limit = 1 + rng.below(queue_depth as usize) as u32;
        let adaptive = plan.has(Fault::Adaptive);
        let config = Config {
            queue_depth,
            ring_count: Some(rings),
            initial_in_flight: Some(limit),
            min_in_flight: Some(1),
            disable_adaptive: !adaptive,
            ring_select: RingSelect::RoundRobin,
            single_thread: rng.chance(25),
            ..Config::default()
        };
        let engine = Engine::create(&config).expect("the settings make sense");
        let limit = if adaptive { queue_depth * rings } else { limit.max(rings) };
        ledger.tell(|| format!("{rings} rings of {queue_depth}, limit {limit}"));
        Self {
            plan,
            defect,
            ledger,
            kernel,
            futures: RefCell::default(),
            engine,
            limit: limit - u32::from(defect == Some(Defect::ExceedLimit)),
            rings,
            rng: RefCell::new(rng),
            handles: RefCell::default(),
            busy: Cell::new(false),
        }
    }

    fn below(&self, bound: usize) -> usize {
        self.rng.borrow_mut().below(bound)
    }

    fn chance(&self, percent: usize) -> bool {
        self.rng.borrow_mut().chance(percent)
    }

    fn step(&self) {
        match self.below(16) {
            0..6 => self.do_as_another_thread(),
            6 | 7 => drop(self.engine.poll()),
            8 if self.kernel.makes_progress() => drop(self.engine.wait(None)),
            8 => drop(self.engine.flush()),
            9 if self.plan.has(Fault::ThreadEnds) => self.kernel.end_thread(self.below(3) as u8),
            10 if self.plan.has(Fault::Clock) => self.jump(),
            11 => self.poll_futures(true),
            _ => self.submit(),
        }
        self.check_limit();
    }

    /// What may be done at any time.
    fn do_as_another_thread(&self) {
        self.kernel.set_thread(self.below(3) as u8);
        match self.below(10) {
            0..4 => self.submit(),
            4 | 5 if self.plan.has(Fault::Chains) => self.submit_chain(),
            6 | 7 if self.plan.has(Fault::Futures) => self.start_future(),
            8 if self.plan.has(Fault::Futures) => self.drop_future(),
            _ => self.cancel(),
        }
    }

    fn jump(&self) {
        let seconds = self.below(4) as i64 - 1;
        self.ledger.tell(|| format!("the clock jumps by {seconds} s"));
        backend::jump(seconds * 1_000_000_000);
    }

    fn check_limit(&self) {
        let chains = if self.plan.has(Fault::Chains) { self.rings * CHAIN_MAX as u32 } else { 0 };
        let (max, limit) = (self.ledger.in_kernel_max(), self.limit + chains);
        if max > limit {
            self.ledger.violation(format!("{max} operations were in flight, {limit} may be"));
        }
    }

    /// A new operation and its number.
    fn operation(&self, after: Option<usize>) -> (Op, usize) {
        let file = self.below(FILES);
        let kinds = [Kind::Read, Kind::Write, Kind::Sync, Kind::Close];
        let closes = self.plan.has(Fault::Closes) && after.is_none();
        let kind = kinds[self.below(if closes { 4 } else { 3 })];
        let (serial, address) = self.ledger.offer(kind, file, after);
        let fd = FIRST_FD + serial as i32;
        let (target, memory) = (Target::Fd(fd), Memory::Address(address));
        let op = match kind {
            Kind::Read => Op::read(target, memory, LEN, 0),
            Kind::Write => Op::write(target, memory, LEN, 0),
            Kind::Sync => Op::fsync(target),
            Kind::Close => Op::close(fd),
        };
        self.ledger.tell(|| format!("{serial}: {kind:?} on file {file}, after {after:?}"));
        (op.expect("sensible"), serial)
    }

    fn callback(&self, serial: usize) -> impl FnOnce(Completion) + Send + use<> {
        let loan = Loan { serial, ledger: Arc::clone(&self.ledger) };
        let twice = self.defect == Some(Defect::CallTwice);
        if self.defect == Some(Defect::FreeEarly) {
            loan.ledger.returned(serial);
        }
        move |completion: Completion| {
            loan.ledger.heard(serial, completion.result);
            if twice {
                loan.ledger.heard(serial, completion.result);
            }
            drop(loan);
            let game = GAME.with_borrow(Clone::clone);
            if let Some(game) = game.filter(|game| game.chance(20)) {
                game.submit();
            }
        }
    }

    fn submit(&self) {
        let (op, serial) = self.operation(None);
        let call = self.callback(serial);
        self.ledger.accepted(serial);
        // SAFETY: the memory is the ledger's, which outlives the engine.
        match unsafe { self.engine.submit(&op, 0, call) } {
            Ok(handle) => self.handles.borrow_mut().push((handle, serial)),
            Err(rejected) => {
                self.ledger.tell(|| format!("{serial} is refused: {}", rejected.error));
                self.ledger.refused(serial);
            }
        }
    }

    fn submit_chain(&self) {
        let mut before = None;
        let count = 2 + self.below(CHAIN_MAX - 1);
        let batch: Vec<_> = (1..=count)
            .map(|place| {
                let (op, serial) = self.operation(before);
                before = Some(serial);
                self.ledger.accepted(serial);
                let op = if place < count { op.linked() } else { op };
                (op, 0, self.callback(serial))
            })
            .collect();
        let last = before.expect("there are some");
        let mut handles = Vec::new();
        // SAFETY: as in `submit`.
        let taken = unsafe { self.engine.submit_batch(batch, |handle| handles.push(handle)) };
        let serials = last + 1 - count..=last;
        if taken.is_err() {
            self.ledger.tell(|| format!("the chain of {serials:?} is refused"));
            serials.for_each(|serial| self.ledger.refused(serial));
        } else {
            self.handles.borrow_mut().extend(handles.into_iter().zip(serials));
        }
    }

    fn start_future(&self) {
        let (op, serial) = self.operation(None);
        let loan = Loan { serial, ledger: Arc::clone(&self.ledger) };
        // SAFETY: the game owns the engine, and drops its futures first.
        let engine: &'static Engine<Fake> = unsafe { &*Arc::as_ptr(&self.engine) };
        // SAFETY: the memory is the ledger's.
        let awaited = unsafe { Awaited::new(engine, Ok(op), loan, None) };
        let broken = self.defect == Some(Defect::LoseWake);
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), broken });
        let future = Future { serial, awaited: Box::pin(awaited), bell };
        self.futures.borrow_mut().push(future);
        self.poll_futures(false);
    }

    /// Polls the futures that were woken, and perhaps one that was not.
    fn poll_futures(&self, idly: bool) {
        let mut waiting = std::mem::take(&mut *self.futures.borrow_mut());
        let idle = idly.then(|| self.below(waiting.len()));
        let mut at = 0;
        waiting.retain_mut(|future| {
            at += 1;
            let rung = future.bell.rung.swap(false, Ordering::Relaxed);
            !(rung || idle == Some(at - 1)) || !self.poll_future(future)
        });
        self.futures.borrow_mut().append(&mut waiting);
    }

    fn poll_future(&self, future: &mut Future) -> bool {
        let waker = Waker::from(Arc::clone(&future.bell));
        let Poll::Ready(outcome) = future.awaited.as_mut().poll(&mut Context::from_waker(&waker))
        else {
            return false;
        };
        match outcome.result {
            Ok(result) => self.ledger.heard(future.serial, result),
            Err(Failure::Kernel(errno)) => self.ledger.heard(future.serial, -errno),
            // Refused, or taken and then given up when the engine ended.
            Err(_) if outcome.cargo.is_some() => self.ledger.refused_or_given_up(future.serial),
            Err(failure) => self.ledger.violation(format!("{}: {failure:?}", future.serial)),
        }
        true
    }

    fn drop_future(&self) {
        let count = self.futures.borrow().len();
        if count > 0 {
            let at = self.below(count);
            let future = self.futures.borrow_mut().swap_remove(at);
            self.ledger.tell(|| format!("the future of {} is dropped", future.serial));
            self.ledger.ask_cancel(future.serial, true);
            let serial = future.serial;
            drop(future);
            self.ledger.dropped(serial);
        }
    }

    /// Cancels any operation there ever was.
    fn cancel(&self) {
        let count = self.handles.borrow().len();
        if count == 0 {
            return;
        }
        let (handle, serial) = self.handles.borrow()[self.below(count)];
        let was_over = self.ledger.is_over(serial);
        let asked_before = self.ledger.ask_cancel(serial, true);
        self.ledger.tell(|| format!("{serial} is to be cancelled"));
        let cancelled = self.engine.cancel(handle);
        if cancelled.is_err() {
            self.ledger.ask_cancel(serial, asked_before);
        } else if was_over {
            self.ledger.violation(format!("{serial} was cancelled after its end"));
        }
    }

    /// Brings everything to an end, in one of several ways.
    fn end(&self) {
        self.busy.set(true);
        self.kernel.calm_down();
        self.ledger.tell(|| "the end begins".into());
        let way = self.below(4);
        if way == 0 {
            while let Some(future) = { self.futures.borrow_mut().pop() } {
                self.ledger.ask_cancel(future.serial, true);
            }
        } else {
            self.engine.begin_driving();
            self.engine.abandon_driving();
            self.poll_futures(false);
            // What had no slot is submitted only now.
            while !self.futures.borrow().is_empty()
                && self.engine.drain(PATIENCE).is_ok_and(|n| n > 0)
            {
                self.poll_futures(false);
            }
            if let Some(future) = self.futures.borrow().first() {
                self.ledger.violation(format!("the task of {} was not woken", future.serial));
                return;
            }
        }
        if way < 3 {
            self.ledger.tell(|| "draining".into());
            if let Err(error) = self.engine.drain(PATIENCE) {
                self.ledger.violation(error.to_string());
                return;
            }
            let stats = self.engine.in_flight();
            if stats != 0 {
                self.ledger.violation(format!("{stats} permits were not given back"));
            }
        }
        if way < 2 {
            self.ledger.closing();
            self.engine.shutdown();
        }
        self.ledger.closing(); // The engine is dropped next.
    }
}
