//! A real ring that delays, refuses or falsifies on command, to hold open the short moments in
//! which something could go wrong.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Write};
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aura_engine::backend::Backend;
use aura_engine::{Completion, Config, Engine, Memory, RingSelect, SetupError};
use aura_ring::{Cqe, Opcode, PushError, Ring, RingConfig, Sqe, Wake};

use crate::raw::label_of;

/// What a ring is to do. One for each ring, in the order of their creation.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    /// Milliseconds that `submit` sleeps before it enters the kernel.
    pub(crate) submit_delay_ms: AtomicU32,
    /// How many calls of `submit` fail, and with what.
    pub(crate) submit_failures: AtomicU32,
    pub(crate) submit_errno: AtomicI32,
    /// Calls of `submit` that have begun.
    pub(crate) submits: AtomicUsize,
    /// Pushes, of anything, that find the queue full.
    pub(crate) pushes_to_refuse: AtomicU32,
    /// After a cancellation is queued: hand it over at once, and sleep so many milliseconds.
    pub(crate) linger_after_cancel_ms: AtomicU32,
    /// Cancellations are not done, nor answered.
    pub(crate) ignore_cancels: AtomicBool,
    /// Completions of no-ops to be turned into `-ECANCELED`, as the kernel does for threads that
    /// end.
    pub(crate) nops_to_cancel: AtomicU32,
    /// Completions of writes to be turned into `-EFAULT` though all was written, as may be with those of
    /// threads that end.
    pub(crate) writes_to_fail: AtomicU32,
    /// Everything pushed goes to a worker of the kernel's at once.
    pub(crate) force_async: AtomicBool,
    /// Operations that the kernel gave up on, as it does on those of threads that end.
    pub(crate) given_up: AtomicU32,
    /// A completion of nothing in flight, which is reaped first.
    pub(crate) forged: Mutex<Option<Cqe>>,
    /// The label of what was pushed last.
    pub(crate) last_label: AtomicU64,
    pub(crate) mistake: Mutex<Option<Mistake>>,
}

/// What a ring does wrong with what is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// A replaced file is not replaced.
    LoseFile,
    /// Another place is replaced.
    ShiftFile,
    /// Unregistered files stay registered.
    KeepFiles,
    /// Buffers are not put into the table.
    LoseBuffers,
    /// Buffers are put into each other's places.
    SwapBuffers,
}

impl Mistake {
    pub(crate) const ALL: [Self; 5] =
        [Self::LoseFile, Self::ShiftFile, Self::KeepFiles, Self::LoseBuffers, Self::SwapBuffers];
}

impl Orders {
    fn mistake(&self) -> Option<Mistake> {
        *self.mistake.lock().unwrap()
    }
}

thread_local!(static RINGS: RefCell<Vec<Arc<Orders>>> = const { RefCell::new(Vec::new()) });

pub(crate) struct Odd {
    ring: Ring,
    orders: Arc<Orders>,
    /// What was pushed under which label.
    opcodes: Mutex<HashMap<u64, u8>>,
}

/// An engine over odd rings, and their orders.
pub(crate) fn odd_engine(config: &Config) -> (Arc<Engine<Odd>>, Vec<Arc<Orders>>) {
    RINGS.take();
    let engine = Engine::create(config).expect("the kernel has io_uring");
    (engine, RINGS.take())
}

/// Results in the order of their callbacks.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<i32>>>);

impl Heard {
    pub(crate) fn hear(&self) -> impl FnOnce(Completion) + Send + 'static {
        let all = Arc::clone(&self.0);
        move |completion| all.lock().unwrap().push(completion.result)
    }

    pub(crate) fn all(&self) -> Vec<i32> {
        self.0.lock().unwrap().clone()
    }
}

/// A bound against hangs.
pub(crate) const LONG: Duration = Duration::from_secs(20);

#[track_caller]
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < LONG, "{what}: not after {LONG:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Memory that outlives every test: an operation may be lost where a test fails.
pub(crate) fn lasting_memory(len: usize) -> Memory {
    Memory::Address(Box::leak(vec![0u8; len].into_boxed_slice()).as_mut_ptr())
}

fn spend(counter: &AtomicU32) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

fn sleep_ms(ms: &AtomicU32) {
    let ms = ms.load(Ordering::SeqCst);
    if ms > 0 {
        std::thread::sleep(Duration::from_millis(ms.into()));
    }
}

// SAFETY: a `Ring`, whose promises hold; completions are changed, never doubled.
unsafe impl Backend for Odd {
    fn create(config: &RingConfig) -> Result<Self, SetupError> {
        let orders = Arc::new(Orders::default());
        RINGS.with_borrow_mut(|rings| rings.push(Arc::clone(&orders)));
        Ok(Self { ring: Ring::new(config)?, orders, opcodes: Mutex::default() })
    }

    unsafe fn push_all(&self, sqes: &[Sqe]) -> Result<(), PushError> {
        if spend(&self.orders.pushes_to_refuse) {
            return Err(PushError::QueueFull);
        }
        // SAFETY: the caller's promise.
        unsafe { self.ring.push_all(sqes) }
    }

    unsafe fn push(&self, sqe: &Sqe) -> Result<(), PushError> {
        if spend(&self.orders.pushes_to_refuse) {
            return Err(PushError::QueueFull);
        }
        let is_cancel = sqe.code() == Opcode::AsyncCancel as u8;
        if is_cancel && self.orders.ignore_cancels.load(Ordering::SeqCst) {
            return Ok(());
        }
        let forced = self.orders.force_async.load(Ordering::SeqCst);
        let pushed = if forced { sqe.forced_async() } else { *sqe };
        // SAFETY: the caller's promise.
        unsafe { self.ring.push(&pushed)? };
        self.opcodes.lock().unwrap().insert(label_of(sqe), sqe.code());
        self.orders.last_label.store(label_of(sqe), Ordering::SeqCst);
        let linger = self.orders.linger_after_cancel_ms.load(Ordering::SeqCst);
        if is_cancel && linger > 0 {
            let _ = self.ring.submit();
            std::thread::sleep(Duration::from_millis(linger.into()));
        }
        Ok(())
    }

    fn queued(&self) -> u32 {
        self.ring.queued()
    }

    fn submit(&self) -> io::Result<u32> {
        self.orders.submits.fetch_add(1, Ordering::SeqCst);
        sleep_ms(&self.orders.submit_delay_ms);
        if spend(&self.orders.submit_failures) {
            let errno = self.orders.submit_errno.load(Ordering::SeqCst);
            return Err(io::Error::from_raw_os_error(errno));
        }
        self.ring.submit()
    }

    fn wait(&self, timeout: Option<Duration>) -> io::Result<Wake> {
        self.ring.wait(timeout)
    }

    unsafe fn reap(&self, out: &mut [Cqe]) -> usize {
        if let Some(forged) = self.orders.forged.lock().unwrap().take() {
            out[0] = forged;
            return 1;
        }
        // SAFETY: the caller's promise.
        let taken = unsafe { self.ring.reap(out) };
        for cqe in &mut out[..taken] {
            let is_given_up = matches!(-cqe.result, libc::ECANCELED | libc::EFAULT);
            self.orders.given_up.fetch_add(is_given_up.into(), Ordering::SeqCst);
            let opcode = self.opcodes.lock().unwrap().remove(&cqe.user_data);
            let is = |wanted: Opcode| opcode == Some(wanted as u8);
            if is(Opcode::Nop) && spend(&self.orders.nops_to_cancel) {
                cqe.result = -libc::ECANCELED;
            } else if is(Opcode::Write) && spend(&self.orders.writes_to_fail) {
                cqe.result = -libc::EFAULT;
            }
        }
        taken
    }

    fn has_completions(&self) -> bool {
        self.ring.has_completions()
    }

    fn needs_enter(&self) -> bool {
        self.ring.needs_enter()
    }

    fn supports(&self, opcode: Opcode) -> bool {
        self.ring.supports(opcode)
    }

    fn entries(&self) -> u32 {
        self.ring.features().sq_entries
    }

    fn pollable(&self) -> BorrowedFd<'_> {
        Backend::pollable(&self.ring)
    }

    fn sqpoll_refused(&self) -> Option<i32> {
        self.ring.features().sqpoll_refused
    }

    fn register_files(&self, fds: &[RawFd]) -> io::Result<()> {
        self.ring.register_files(fds)
    }

    fn update_files(&self, first: u32, fds: &[RawFd]) -> io::Result<()> {
        match self.orders.mistake() {
            Some(Mistake::LoseFile) => Ok(()),
            Some(Mistake::ShiftFile) => self.ring.update_files(first ^ 1, fds),
            _ => self.ring.update_files(first, fds),
        }
    }

    fn unregister_files(&self) -> io::Result<()> {
        if self.orders.mistake() == Some(Mistake::KeepFiles) {
            return Ok(());
        }
        self.ring.unregister_files()
    }

    fn register_buffer_table(&self, places: u32) -> io::Result<()> {
        self.ring.register_buffer_table(places)
    }

    unsafe fn update_buffers(&self, first: u32, buffers: &[libc::iovec]) -> io::Result<()> {
        let buffers = match self.orders.mistake() {
            Some(Mistake::LoseBuffers) => Vec::new(),
            Some(Mistake::SwapBuffers) => buffers.iter().rev().copied().collect(),
            _ => buffers.to_vec(),
        };
        // SAFETY: the caller's promise.
        unsafe { self.ring.update_buffers(first, &buffers) }
    }

    fn clear_buffers(&self, first: u32, count: u32) -> io::Result<()> {
        self.ring.clear_buffers(first, count)
    }
}

/// An engine with little room, whose rings take turns.
pub(crate) fn small_engine(rings: u32) -> Arc<Engine<Ring>> {
    Engine::create(&Config {
        queue_depth: 16,
        ring_count: Some(rings),
        disable_adaptive: true,
        ring_select: RingSelect::RoundRobin,
        ..Config::default()
    })
    .unwrap()
}

/// A file without a name, full of one byte.
pub(crate) fn file_of(byte: u8) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[byte; 64]).unwrap();
    file
}
