//! What one worker does: a stretch of operations through one layer of the interface.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `callbacks` | operations with callbacks, cancellations, calls that are refused |
//! | `futures` | futures that own their buffers, one by one and in batches; some are dropped |
//! | `chains` | linked operations through the C interface, on an engine of the worker's own |

mod callbacks;
mod chains;
mod futures;

use std::ops::Range;
use std::sync::Arc;

use aura::{Engine, Options};
use aura_stress::random::Random;

use crate::account::Account;
use crate::engines;
use crate::tally::Tally;

/// What a worker fails with: the run ends, as it could not do what it wanted.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Who processes completions while a worker works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Processing {
    /// Other threads. The worker lends a hand at the limit.
    Elsewhere,
    /// The worker itself.
    Here,
}

impl Processing {
    /// Lets time pass, so that operations complete. Not when something was found: they may never.
    pub(crate) fn make_room(self, engine: &Engine, tally: &Tally) -> aura::Result<()> {
        match self {
            _ if tally.has_findings() => Err(aura::Error::Cancelled),
            Self::Here => engine.wait(1).map_or_else(ignore_time_out, |_| Ok(())),
            // Anybody may; and a worker that only waits takes the processor from those it waits for.
            Self::Elsewhere => {
                if engine.poll()? == 0 {
                    std::thread::yield_now();
                }
                Ok(())
            }
        }
    }
}

pub(crate) fn ignore_time_out(error: aura::Error) -> aura::Result<()> {
    if error.errno() == libc::ETIMEDOUT { Ok(()) } else { Err(error) }
}

/// A layer of the interface.
#[derive(Clone, Copy, Debug)]
enum Layer {
    Callbacks,
    Futures,
    Batches,
    /// Callbacks on an engine that comes and goes with the worker.
    Visit,
    Chains,
}

/// Carries operations of these numbers out, through a random layer.
pub(crate) fn work(
    account: &Arc<Account>,
    engine: &Engine,
    processing: Processing,
    numbers: Range<usize>,
    random: &mut Random,
) -> Result<(), Failure> {
    use Layer::{Batches, Callbacks, Chains, Futures, Visit};
    let layer = match random.below(64) {
        0..46 => Callbacks,
        46..55 => Futures,
        55..61 => Batches,
        61..63 => Visit,
        _ => Chains,
    };
    match layer {
        Callbacks => Ok(callbacks::work(account, engine, processing, numbers, random)?),
        Futures => Ok(futures::one_by_one(account, engine, numbers, random)?),
        Batches => Ok(futures::in_batches(account, engine, numbers, random)?),
        Visit => visit(account, numbers, random),
        Chains => chains::work(account, numbers, random),
    }
}

/// An engine for one worker, dropped with operations in flight.
fn visit(
    account: &Arc<Account>,
    numbers: Range<usize>,
    random: &mut Random,
) -> Result<(), Failure> {
    let engine = Engine::with_options(&engines::options(random, Options::new()))?;
    account.shift.tally.engine();
    let own = Account::open(&account.shift, &engine)?;
    callbacks::work(&own, &engine, Processing::Here, numbers, random)?;
    if random.one_in(2) {
        own.close(&engine)?;
    }
    Ok(())
}
