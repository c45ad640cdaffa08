//! Operations with callbacks, from a thread that ends when it has submitted them.

use std::ops::Range;
use std::sync::Arc;

use aura::{Engine, RequestHandle, Result};
use aura_stress::random::Random;

use super::Processing;
use crate::account::Account;
use crate::tally::Came;
use crate::work::{Task, Work};

/// One operation in so many is cancelled right after it was submitted.
const CANCEL_ONE_IN: u64 = 64;
/// Cancellations are asked for when so many operations wait for one.
const DOOMED_MAX: usize = 4;

/// A worker, and what it is going to cancel.
struct Worker<'a> {
    account: &'a Arc<Account>,
    engine: &'a Engine,
    processing: Processing,
    doomed: Vec<RequestHandle>,
}

pub(super) fn work(
    account: &Arc<Account>,
    engine: &Engine,
    processing: Processing,
    numbers: Range<usize>,
    random: &mut Random,
) -> Result<()> {
    let mut worker = Worker { account, engine, processing, doomed: Vec::new() };
    for number in numbers {
        worker.submit(number, random)?;
        if worker.doomed.len() >= DOOMED_MAX {
            worker.cancel()?;
        }
    }
    worker.cancel()
}

impl Worker<'_> {
    /// Submits one operation, at the limit again and again.
    fn submit(&mut self, number: usize, random: &mut Random) -> Result<()> {
        let Self { account, engine, .. } = *self;
        loop {
            let task = Task::draw(account, random);
            let doomed = task.is_stuck() || random.one_in(CANCEL_ONE_IN);
            // A descriptor that a cancelled operation opens all the same would be nobody's.
            let doomed = doomed && !matches!(task, Task::Open | Task::Panic);
            match Work::new(account, engine, number, task, doomed)?.submit(engine) {
                Ok(request) => {
                    account.accept();
                    self.doomed.extend(doomed.then_some(request));
                    return Ok(());
                }
                Err(error) if error.errno() == libc::EAGAIN => {
                    account.shift.tally.at_the_limit();
                    self.cancel()?; // It may be what takes up all the room.
                    self.make_room()?;
                }
                Err(error) if may_be_refused(task, error.errno()) => {
                    account.shift.enter(number, Came::Refused);
                    return Ok(());
                }
                Err(error) => {
                    account.shift.tally.finding(format!("{task:?} is refused: {error}"));
                    return Err(error);
                }
            }
        }
    }

    fn make_room(&self) -> Result<()> {
        self.processing.make_room(self.engine, &self.account.shift.tally)
    }

    fn cancel(&mut self) -> Result<()> {
        for request in std::mem::take(&mut self.doomed) {
            while let Err(error) = self.engine.cancel_request(&request) {
                match error.errno() {
                    libc::EALREADY => break,
                    libc::EBUSY => self.make_room()?,
                    _ => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// Whether the call has to fail like that: for nonsense, and while memory or files are not registered.
fn may_be_refused(task: Task, errno: i32) -> bool {
    match task {
        Task::Nonsense(_) => errno == libc::EINVAL,
        Task::ReadPlace(..) | Task::WritePlace(..) => [libc::ENOENT, libc::EBUSY].contains(&errno),
        _ => false,
    }
}
