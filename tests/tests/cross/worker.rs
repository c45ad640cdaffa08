//! A thread that keeps many operations in flight, cancels some, and checks every result against
//! what it knows of its part of the file.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use aura::{Buffer, BufferRef, Engine, Error, RequestHandle, Result, iovec};

use crate::model::{LANE, Lane, range};
use crate::support::Random;

pub(crate) const THREADS: usize = 4;
/// Every thread has so many parts of the file, with one operation at a time in each.
const LANES: usize = 32;
pub(crate) const FILE_SIZE: u64 = (THREADS * LANES * LANE) as u64;
/// A thread that hears nothing for so long has lost something.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an operation works on; owned by its callback, and handed back by it.
struct Work {
    number: usize,
    lane: usize,
    kind: Kind,
    at: usize,
    buffer: Option<Buffer>,
    iov: Box<[iovec; 2]>,
    status: Option<Box<aura::statx>>,
}

// SAFETY: the pointers in `iov` name the buffer beside them.
unsafe impl Send for Work {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    Readv,
    Writev,
    Sync,
    Nop,
    Open,
    Close(RawFd),
    Statx,
    /// Of an empty pipe: ends only by cancellation.
    Stuck,
}

type Done = (Work, Result<usize>);

pub(crate) struct Worker<'a> {
    engine: &'a Engine,
    thread: usize,
    completions: &'a Arc<[AtomicU8]>,
    pub(crate) fd: RawFd,
    /// Offsets and lengths are multiples of it.
    pub(crate) unit: usize,
    pipe: RawFd,
    random: Random,
    lanes: Vec<Lane>,
    idle: Vec<usize>,
    to_close: Vec<RawFd>,
    /// Requests to be cancelled a little later.
    doomed: Vec<RequestHandle>,
    /// Of each lane: its present operation may end cancelled.
    may_be_cancelled: [bool; LANES],
    pub(crate) cancelled: usize,
    done: Receiver<Done>,
    hear: Sender<Done>,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(
        engine: &'a Engine,
        thread: usize,
        completions: &'a Arc<[AtomicU8]>,
        pipe: RawFd,
    ) -> Self {
        let (hear, done) = channel();
        Self {
            engine,
            thread,
            completions,
            fd: -1,
            unit: 1,
            pipe,
            random: Random::new(thread as u64 + 1),
            lanes: (0..LANES).map(|_| Lane::new()).collect(),
            idle: (0..LANES).collect(),
            to_close: Vec::new(),
            doomed: Vec::new(),
            may_be_cancelled: [false; LANES],
            cancelled: 0,
            done,
            hear,
        }
    }

    /// Submits the operation of this number, when there is a lane for it.
    pub(crate) fn step(&mut self, number: usize) {
        while let Ok(done) = self.done.try_recv() {
            self.check(done);
        }
        while self.idle.is_empty() {
            self.cancel_doomed(); // It may be all that the lanes wait for.
            self.hear_one();
        }
        let place = self.random.below(self.idle.len());
        let lane = self.idle.swap_remove(place);
        let kind = self.choose(lane);
        let request = loop {
            match self.submit(number, lane, kind) {
                Ok(request) => break request,
                Err(error) => assert_eq!(error.errno(), libc::EAGAIN, "{kind:?}: {error}"),
            }
            self.cancel_doomed();
            if self.idle.len() + 1 < LANES {
                self.hear_one();
            } else {
                std::thread::yield_now(); // The others have all there is.
            }
        };
        let cancel = kind == Kind::Stuck || self.random.below(16) == 0;
        let cancel = cancel && !matches!(kind, Kind::Close(_) | Kind::Open);
        self.may_be_cancelled[lane] = cancel;
        if cancel {
            self.doomed.push(request);
            if self.doomed.len() > self.random.below(8) {
                self.cancel_doomed();
            }
        }
    }

    fn choose(&mut self, lane: usize) -> Kind {
        if self.lanes[lane].is_unknown() {
            return Kind::Write;
        }
        if let Some(fd) = self.to_close.pop() {
            return Kind::Close(fd);
        }
        match self.random.below(2000) {
            0 => Kind::Sync,
            1..=40 => Kind::Open,
            41..=80 => Kind::Statx,
            81..=120 => Kind::Stuck,
            121..=300 => Kind::Nop,
            301..=500 => Kind::Readv,
            501..=650 => Kind::Writev,
            651..=1200 => Kind::Write,
            _ => Kind::Read,
        }
    }

    fn submit(&mut self, number: usize, lane: usize, kind: Kind) -> Result<RequestHandle> {
        let (at, len) = if self.lanes[lane].is_unknown() {
            (0, LANE)
        } else {
            range(&mut self.random, self.unit)
        };
        let mut work = Work::new(number, lane, kind, at);
        if matches!(kind, Kind::Read | Kind::Write | Kind::Readv | Kind::Writev | Kind::Stuck) {
            let mut buffer = self.engine.allocate_buffer(len).unwrap();
            self.random.fill(buffer.as_mut_slice());
            let half = (len / 2).next_multiple_of(self.unit).min(len);
            // SAFETY: half is at most the length.
            let second = unsafe { buffer.as_mut_ptr().add(half) };
            work.iov[0] = iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: half };
            work.iov[1] = iovec { iov_base: second.cast(), iov_len: len - half };
            work.buffer = Some(buffer);
        }
        let offset = ((self.thread * LANES + lane) * LANE + at) as i64;
        let (engine, fd) = (self.engine, self.fd);
        let memory = work.buffer.as_ref().map_or(BufferRef::fixed(-1, 0), BufferRef::from);
        // SAFETY: the array is on the heap and moves with `work`, which the callback owns.
        let iov = unsafe { &*std::ptr::from_ref::<[iovec; 2]>(&work.iov) };
        if kind == Kind::Statx {
            // SAFETY: zeros are valid.
            work.status = Some(Box::new(unsafe { std::mem::zeroed() }));
        }
        let status = work.status.as_deref_mut().map_or(std::ptr::null_mut(), std::ptr::from_mut);
        let (hear, completions) = (self.hear.clone(), Arc::clone(self.completions));
        let call = move |result| {
            completions[work.number].fetch_add(1, Ordering::SeqCst);
            hear.send((work, result)).unwrap();
        };
        // SAFETY: the callback owns all memory that the operation names.
        unsafe {
            match kind {
                Kind::Read => engine.read(fd, memory, len, offset, call),
                Kind::Write => engine.write(fd, memory, len, offset, call),
                Kind::Readv => engine.readv(fd, iov, offset, call),
                Kind::Writev => engine.writev(fd, iov, offset, call),
                Kind::Sync => engine.fdatasync(fd, call),
                Kind::Nop => engine.nop(call),
                Kind::Open => engine.openat(libc::AT_FDCWD, c"/dev/null", libc::O_CLOEXEC, 0, call),
                Kind::Close(fd) => engine.close(fd, call),
                Kind::Statx => {
                    let (flags, mask) = (libc::AT_EMPTY_PATH, libc::STATX_SIZE);
                    engine.statx(fd, c"", flags, mask, status, call)
                }
                Kind::Stuck => engine.read(self.pipe, memory, len, 0, call),
            }
        }
    }

    fn cancel_doomed(&mut self) {
        for request in self.doomed.drain(..) {
            while let Err(error) = self.engine.cancel_request(&request) {
                match error.errno() {
                    libc::EBUSY => std::thread::yield_now(),
                    libc::EALREADY => break,
                    _ => panic!("{error}"),
                }
            }
        }
    }

    fn hear_one(&mut self) {
        let done = self.done.recv_timeout(PATIENCE);
        self.check(done.expect("a completion; without one something was lost"));
    }

    fn check(&mut self, (work, result): Done) {
        let lane = &mut self.lanes[work.lane];
        let len = work.buffer.as_ref().map_or(0, Buffer::len);
        let bytes = work.buffer.as_ref().map_or(&[][..], Buffer::as_slice);
        let number = work.number;
        match (work.kind, result) {
            (kind, Err(Error::Cancelled)) => {
                assert!(self.may_be_cancelled[work.lane], "{number}, {kind:?}: nobody asked");
                self.cancelled += 1;
                if matches!(kind, Kind::Write | Kind::Writev) {
                    lane.forget();
                }
            }
            (Kind::Read | Kind::Readv, Ok(read)) => {
                assert_eq!(read, len, "{number}: short");
                let wrong = lane.difference(work.at, bytes);
                assert_eq!(wrong, None, "{number}: lane {}, {} + {len}", work.lane, work.at);
            }
            (Kind::Write | Kind::Writev, Ok(written)) => {
                assert_eq!(written, len, "{number}: short");
                lane.write(work.at, bytes);
            }
            (Kind::Open, Ok(fd)) => self.to_close.push(fd as RawFd),
            (Kind::Statx, Ok(0)) => {
                let size = work.status.as_ref().map(|status| status.stx_size);
                assert_eq!(size, Some(FILE_SIZE), "{number}");
            }
            (Kind::Sync | Kind::Nop | Kind::Close(_), Ok(0)) => {}
            (kind, other) => panic!("{number}, {kind:?}: {other:?}"),
        }
        self.idle.push(work.lane);
    }

    /// Waits for everything that is in flight.
    pub(crate) fn finish(&mut self) {
        self.cancel_doomed();
        while self.idle.len() < LANES {
            self.hear_one();
        }
        for fd in self.to_close.drain(..) {
            // SAFETY: opened by this worker, and not closed yet.
            assert_eq!(unsafe { libc::close(fd) }, 0);
        }
    }
}

impl Work {
    fn new(number: usize, lane: usize, kind: Kind, at: usize) -> Self {
        let empty = || iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        let iov = Box::new([empty(), empty()]);
        Self { number, lane, kind, at, buffer: None, iov, status: None }
    }
}
