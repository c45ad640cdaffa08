//! One operation with a callback: what it does, what it owns, and what may come of it.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use aura::{Buffer, BufferRef, Engine, Error, RequestHandle, Result, iovec};
use aura_stress::random::Random;

use crate::account::Account;
use crate::blocks::{BLOCK_BYTES, Block};
use crate::plant::{Planned, Plant};
use crate::site::{DIRECT_BYTES, Failing, Places, TAIL_BYTES};
use crate::tally::Came;

/// What an operation does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Task {
    Nop,
    /// A nop whose callback panics.
    Panic,
    Read(Block),
    Readv(Block),
    ReadPlace(Block, usize),
    ReadDirect(Block),
    Write(Block),
    Writev(Block),
    WritePlace(Block, usize),
    /// A read over the file's end.
    ReadTail,
    /// A read beyond the file's end.
    ReadNothing,
    Open,
    Fail(Failing),
    /// A read of an empty pipe: ends only by cancellation.
    Stuck,
    /// A call that makes no sense, in one of several ways.
    Nonsense(u64),
}

/// An operation, owned by its callback. Dropped without being called it gives its claims back.
#[derive(Debug)]
pub(crate) struct Work {
    account: Arc<Account>,
    number: usize,
    task: Task,
    /// It will be cancelled, so it may end cancelled.
    doomed: bool,
    buffer: Option<Buffer>,
    iov: [iovec; 2],
    holds_claims: bool,
}

// SAFETY: the pointers in `iov` name the buffer beside them.
unsafe impl Send for Work {}

/// Where the parts of vectored operations meet.
const PART_BYTES: usize = 200;

impl Task {
    /// A random one. What cannot be had now (a block that is being written, a place) is a nop.
    pub(crate) fn draw(account: &Account, random: &mut Random) -> Self {
        let site = &account.shift.site;
        let read = |random: &mut Random| site.blocks.claim_read(random);
        let write = |random: &mut Random| site.blocks.claim_write(random);
        let drawn = match random.below(1024) {
            0..440 => None,
            440..820 => read(random).map(Self::Read),
            820..880 => write(random).map(Self::Write),
            880..900 => read(random).map(Self::Readv),
            900..910 => write(random).map(Self::Writev),
            910..960 => read(random).map(|block| at_place(account, block, Self::ReadPlace)),
            960..980 => write(random).map(|block| at_place(account, block, Self::WritePlace)),
            980..990 => Some(Self::ReadTail),
            990..994 => Some(Self::ReadNothing),
            994..998 => Some(Self::Open),
            998..1012 => Some(Self::Fail(site.failing(random))),
            1012..1015 => Some(Self::Stuck),
            1015..1017 => Some(Self::Panic),
            1017..1023 => Some(Self::Nonsense(random.next())),
            _ => site.direct.as_ref().map(|_| Self::ReadDirect(site.direct_block(random))),
        };
        drawn.unwrap_or(Self::Nop)
    }

    /// Whether it ends only if it is cancelled.
    pub(crate) fn is_stuck(self) -> bool {
        matches!(self, Self::Stuck)
    }

    fn len(self) -> usize {
        match self {
            Self::Nop | Self::Panic | Self::Open | Self::Nonsense(_) => 0,
            Self::ReadPlace(..) | Self::WritePlace(..) => 0, // The memory is registered.
            Self::ReadDirect(_) => DIRECT_BYTES,
            _ => BLOCK_BYTES,
        }
    }
}

/// The task at a place of the registered memory; one that cannot be had makes it an ordinary one.
fn at_place(account: &Account, block: Block, task: fn(Block, usize) -> Task) -> Task {
    let ordinary = |task| match task {
        Task::WritePlace(block, _) => Task::Write(block),
        _ => Task::Read(block),
    };
    match account.shift.site.places.claim() {
        Some(place) => task(block, place),
        None => ordinary(task(block, 0)),
    }
}

impl Work {
    pub(crate) fn new(
        account: &Arc<Account>,
        engine: &Engine,
        number: usize,
        task: Task,
        doomed: bool,
    ) -> Result<Box<Self>> {
        let mut buffer = match task.len() {
            0 => None,
            len => Some(engine.allocate_buffer(len)?),
        };
        let mut iov = [iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; 2];
        if let Some(buffer) = &mut buffer {
            prepare(task, account, buffer.as_mut_slice());
            let (first, second) = buffer.as_mut_slice().split_at_mut(PART_BYTES);
            iov = [first, second]
                .map(|part| iovec { iov_base: part.as_mut_ptr().cast(), iov_len: part.len() });
        } else if let Task::ReadPlace(_, place) | Task::WritePlace(_, place) = task {
            // SAFETY: the task has claimed the place, and is not submitted yet.
            prepare(task, account, unsafe { account.shift.site.places.memory(place) });
        }
        let account = account.clone();
        Ok(Box::new(Self { account, number, task, doomed, buffer, iov, holds_claims: true }))
    }

    /// Submits it. Refused, it is dropped, and has given back what it had claimed.
    pub(crate) fn submit(self: Box<Self>, engine: &Engine) -> Result<RequestHandle> {
        let site = self.account.shift.site.clone();
        let (task, fd) = (self.task, site.file.as_raw_fd());
        let memory = self.buffer.as_ref().map_or(BufferRef::fixed(-1, 0), BufferRef::from);
        let at = |block: Block| block.offset() as i64;
        let registered = |place| BufferRef::fixed(0, Places::offset(place));
        // SAFETY: the array is in the box, which the callback owns.
        let iov = unsafe { &*std::ptr::from_ref(&self.iov) };
        let mut work = self; // With the box: moving the closure moves no memory that the kernel uses.
        let call = move |result| work.finish(result);
        // SAFETY: the callback owns all memory that the operation names.
        unsafe {
            match task {
                Task::Nop | Task::Panic => engine.nop(call),
                Task::Read(block) => engine.read(fd, memory, BLOCK_BYTES, at(block), call),
                Task::Write(block) => engine.write(fd, memory, BLOCK_BYTES, at(block), call),
                Task::Readv(block) => engine.readv(fd, iov, at(block), call),
                Task::Writev(block) => engine.writev(fd, iov, at(block), call),
                Task::ReadPlace(block, place) => {
                    let file = engine.fixed_file(0)?;
                    file.read(registered(place), BLOCK_BYTES, at(block), call)
                }
                Task::WritePlace(block, place) => {
                    engine.write(fd, registered(place), BLOCK_BYTES, at(block), call)
                }
                Task::ReadDirect(block) => {
                    let fd = site.direct.as_ref().map_or(-1, AsRawFd::as_raw_fd);
                    engine.read(fd, memory, DIRECT_BYTES, at(block), call)
                }
                Task::ReadTail => engine.read(fd, memory, BLOCK_BYTES, at(site.tail()), call),
                Task::ReadNothing => {
                    engine.read(fd, memory, BLOCK_BYTES, at(site.tail()) + 4096, call)
                }
                Task::Open => engine.openat(libc::AT_FDCWD, c"/dev/null", libc::O_CLOEXEC, 0, call),
                Task::Fail(Failing { fd, writes: true, .. }) => {
                    engine.write(fd, memory, BLOCK_BYTES, 0, call)
                }
                Task::Fail(Failing { fd, .. }) => engine.read(fd, memory, BLOCK_BYTES, 0, call),
                Task::Stuck => engine.read(site.stuck.as_raw_fd(), memory, BLOCK_BYTES, 0, call),
                Task::Nonsense(how) => match how % 4 {
                    0 => engine.read(fd, memory, BLOCK_BYTES, 0, call), // No memory.
                    1 => engine.ftruncate(fd, -1, call),
                    2 => engine.fallocate(fd, 0, -1, 1, call),
                    _ => engine.readv(fd, &[], 0, call),
                },
            }
        }
    }

    /// The callback.
    fn finish(&mut self, result: Result<usize>) {
        let shift = self.account.shift.clone();
        let plant = shift.planted(self.number);
        if plant == Some(Plant::LostCompletion) {
            return;
        }
        if plant == Some(Plant::DoubleCompletion) {
            shift.ledger.enter(self.number);
        }
        let result = match plant {
            Some(Plant::SpuriousCancel) => Err(Error::Cancelled),
            _ => result,
        };
        match self.judge(&result) {
            Some(came) => shift.enter(self.number, came),
            None => {
                let Self { number, task, doomed, .. } = *self;
                shift.tally.finding(format!("operation {number}, {task:?} ({doomed}): {result:?}"));
            }
        }
        let is_known = matches!(result, Ok(BLOCK_BYTES));
        self.give_back(is_known);
        if matches!(self.task, Task::Panic) {
            self.account.panic();
            std::panic::panic_any(Planned);
        }
    }

    /// What the result is; `None` if it must not be.
    fn judge(&mut self, result: &Result<usize>) -> Option<Came> {
        let site = self.account.shift.site.clone();
        match (self.task, result) {
            (_, Err(Error::Cancelled)) => self.doomed.then_some(Came::Cancelled),
            (Task::Nop, Ok(0)) => Some(Came::Right),
            (Task::Panic, Ok(0)) => Some(Came::Panicked),
            (Task::Open, Ok(fd)) => {
                // SAFETY: new, and nobody else's.
                drop(unsafe { OwnedFd::from_raw_fd(*fd as RawFd) });
                Some(Came::Right)
            }
            (Task::Fail(failing), Err(error)) => {
                (error.errno() == failing.errno).then_some(Came::Failed)
            }
            // The table of files was taken away and came back while it was being submitted.
            (Task::ReadPlace(..), Err(error)) => {
                (error.errno() == libc::EBADF).then_some(Came::Failed)
            }
            (Task::ReadNothing, Ok(0)) => Some(Came::Short),
            (Task::ReadTail, Ok(TAIL_BYTES)) => {
                self.holds(site.tail(), TAIL_BYTES).then_some(Came::Short)
            }
            (
                Task::Read(block) | Task::Readv(block) | Task::ReadPlace(block, _),
                Ok(BLOCK_BYTES),
            ) => self.holds(block, BLOCK_BYTES).then_some(Came::Right),
            (Task::ReadDirect(block), Ok(DIRECT_BYTES)) => {
                self.holds(block, DIRECT_BYTES).then_some(Came::Right)
            }
            (Task::Write(_) | Task::Writev(_) | Task::WritePlace(..), Ok(BLOCK_BYTES)) => {
                Some(Came::Right)
            }
            _ => None,
        }
    }

    /// Whether the memory holds the block's content.
    fn holds(&mut self, block: Block, len: usize) -> bool {
        let shift = &self.account.shift;
        let memory = match (self.task, &mut self.buffer) {
            (_, Some(buffer)) => &mut buffer.as_mut_slice()[..len],
            // SAFETY: the task has claimed the place, and its operation is over.
            (Task::ReadPlace(_, place), None) => unsafe { shift.site.places.memory(place) },
            _ => return false,
        };
        if shift.planted(self.number) == Some(Plant::WrongBit) {
            memory[77] ^= 1;
        }
        let difference = block.difference(memory);
        if let Some(at) = difference {
            shift.tally.finding(format!("{block:?} differs at byte {at} in {:?}", self.task));
        }
        shift.tally.verified(len);
        difference.is_none()
    }

    /// Gives back blocks and places. A written block is known if all of it was written.
    fn give_back(&mut self, is_known: bool) {
        if !std::mem::take(&mut self.holds_claims) {
            return;
        }
        let site = &self.account.shift.site;
        // Before the block: who claims the block may look for a place.
        if let Task::ReadPlace(_, place) | Task::WritePlace(_, place) = self.task {
            site.places.release(place);
        }
        match self.task {
            Task::Read(block) | Task::Readv(block) | Task::ReadPlace(block, _) => {
                site.blocks.release_read(block);
            }
            Task::Write(block) | Task::Writev(block) | Task::WritePlace(block, _) => {
                site.blocks.release_write(block, is_known);
            }
            _ => {}
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.give_back(false);
    }
}

/// What a write writes; what a read must not find already there.
fn prepare(task: Task, account: &Account, memory: &mut [u8]) {
    match task {
        Task::Write(block) | Task::Writev(block) | Task::WritePlace(block, _) => block.fill(memory),
        Task::Read(block)
        | Task::Readv(block)
        | Task::ReadPlace(block, _)
        | Task::ReadDirect(block) => {
            block.spoil(memory);
        }
        Task::ReadTail => account.shift.site.tail().spoil(memory),
        _ => {}
    }
}
