//! A million mixed operations (or `AURA_STRESS_OPS`) from four threads with cancellations, on
//! default options: one completion each, every byte verified, nothing left behind.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use aura::{Buffer, BufferRef, Engine, Error, RequestHandle, Result, iovec};

use crate::model::{LANE, Lane, range};
use crate::support::{Random, alone, direct_file, open_descriptors, resident_kib, scratch, skip};

const THREADS: usize = 4;
const LANES: usize = 32;
/// A thread that hears nothing for so long has lost something.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_million_operations_complete_once_each_and_leave_nothing_behind() {
    if !alone("nothing_lost::a_million_operations_complete_once_each_and_leave_nothing_behind") {
        return;
    }
    let operations = std::env::var("AURA_STRESS_OPS").map_or(1_000_000, |n| n.parse().unwrap());
    // The same, small: whatever is allocated once is allocated then.
    stress(operations / 20);
    let before = (open_descriptors(), resident_kib());
    let start = Instant::now();
    stress(operations);
    let after = (open_descriptors(), resident_kib());
    eprintln!("{operations} operations in {:?}; {before:?} -> {after:?}", start.elapsed());
    assert_eq!(before.0, after.0, "descriptors");
    // One byte per operation counts completions.
    let allowed = before.1 + operations / 1024 + 32 * 1024;
    assert!(after.1 <= allowed, "resident KiB: {} -> {}", before.1, after.1);
}

fn stress(operations: usize) {
    let engine = Engine::new().unwrap();
    let directory = tempfile::tempdir_in(scratch()).unwrap();
    let cached = tempfile::tempfile_in(scratch()).unwrap();
    let direct = direct_file(directory.path());
    if direct.is_none() {
        skip("no O_DIRECT where the target folder is: all of the run goes through the page cache");
    }
    let (pipe, _writer) = std::io::pipe().unwrap();
    let size = (THREADS * LANES * LANE) as u64;
    cached.set_len(size).unwrap();
    direct.iter().for_each(|file| file.set_len(size).unwrap());
    let completions: Arc<[AtomicU8]> = (0..operations).map(|_| AtomicU8::new(0)).collect();
    let over = AtomicBool::new(false);
    let cancelled = AtomicUsize::new(0);
    let finished = Barrier::new(THREADS + 1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                match engine.wait(20) {
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.errno(), libc::ETIMEDOUT),
                }
            }
        });
        for thread in 0..THREADS {
            // One thread of the four bypasses the page cache.
            let direct = direct.as_ref().filter(|_| thread == 0);
            let (engine, completions, finished) = (&engine, &completions, &finished);
            let (cached, pipe, cancelled) = (&cached, pipe.as_raw_fd(), &cancelled);
            scope.spawn(move || {
                let share = (operations * thread / THREADS)..(operations * (thread + 1) / THREADS);
                let mut worker = Worker::new(engine, thread, completions, pipe);
                worker.unit = if direct.is_some() { 4096 } else { 1 };
                worker.fd = direct.unwrap_or(cached).as_raw_fd();
                share.for_each(|number| worker.step(number));
                worker.finish();
                cancelled.fetch_add(worker.cancelled, Ordering::SeqCst);
                finished.wait();
            });
        }
        finished.wait();
        over.store(true, Ordering::SeqCst);
    });
    engine.drain(10_000).unwrap();
    let wrong = completions.iter().filter(|count| count.load(Ordering::SeqCst) != 1).count();
    assert_eq!(wrong, 0, "operations without exactly one completion");
    let (stats, pool) = (engine.stats().unwrap(), engine.buffer_stats().unwrap());
    assert_eq!((stats.ops_completed(), stats.current_in_flight()), (operations as i64, 0));
    assert_eq!((pool.total_buffers(), pool.total_allocated_bytes()), (0, 0), "the pool");
    assert_eq!((stats.callback_panics(), engine.get_fatal_error().unwrap()), (0, 0));
    let cancelled = cancelled.into_inner();
    assert!(cancelled * 1000 > operations, "only {cancelled} cancellations had an effect");
}

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

struct Worker<'a> {
    engine: &'a Engine,
    thread: usize,
    completions: &'a Arc<[AtomicU8]>,
    fd: RawFd,
    unit: usize,
    pipe: RawFd,
    random: Random,
    lanes: Vec<Lane>,
    idle: Vec<usize>,
    to_close: Vec<RawFd>,
    /// Requests to be cancelled a little later.
    doomed: Vec<RequestHandle>,
    /// Of each lane: its present operation may end cancelled.
    may_be_cancelled: [bool; LANES],
    cancelled: usize,
    done: Receiver<Done>,
    hear: Sender<Done>,
}

impl<'a> Worker<'a> {
    fn new(
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

    /// Submits one operation, when there is a lane for it.
    fn step(&mut self, number: usize) {
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
                assert_eq!(size, Some((THREADS * LANES * LANE) as u64), "{number}");
            }
            (Kind::Sync | Kind::Nop | Kind::Close(_), Ok(0)) => {}
            (kind, other) => panic!("{number}, {kind:?}: {other:?}"),
        }
        self.idle.push(work.lane);
    }

    fn finish(&mut self) {
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
