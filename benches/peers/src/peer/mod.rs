//! Every row: what it is called, and how it is started.
//!
//! Each is written as those write who know it best: its own runtime, one task per read in flight (and none
//! for a single read), buffers that are used again, rings large enough. One thread does everything, but in
//! the rows that are pools of threads.

mod aura;
mod compio;
pub(crate) mod fio;
mod glommio;
mod monoio;
mod threads;
mod tokio_fs;
mod tokio_uring;

use aura_bench::Error;
use aura_bench::row::callback::{Callbacks, Mode};
use aura_bench::row::raw::RawLoop;
use aura_bench::row::{Row, Settings};
use aura_bench::subject::Subject;

/// What the shares of all others refer to.
pub(crate) const BASELINE: &str = "raw-plain";

/// Starts the runtime, or whatever a row has.
type Start = fn(&Subject, Settings) -> Result<Box<dyn Row>, Error>;

/// One way to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Called for every turn, outside of the measured time.
    pub(crate) start: Start,
    /// What a reader of the table has to know.
    pub(crate) note: Option<&'static str>,
}

const fn peer(name: &'static str, start: Start) -> Peer {
    Peer { name, start, note: None }
}

const POOL: &str = "many threads, which use all CPUs; the raw loop uses one";
const FIO: &str = "checks lengths, not content, and times every read";

/// All rows, in the order of the table.
pub(crate) const PEERS: [Peer; 18] = [
    peer(BASELINE, |subject, settings| boxed(RawLoop::plain(subject, settings)?.sampling())),
    peer("raw-fixed", |subject, settings| boxed(RawLoop::fixed(subject, settings)?.sampling())),
    peer("aura-callback-single", |subject, settings| {
        boxed(Callbacks::read(Mode::Single, subject, settings)?.sampling())
    }),
    peer("aura-callback-default", |subject, settings| {
        boxed(Callbacks::read(Mode::Default, subject, settings)?.sampling())
    }),
    peer("aura-future-single", aura::start_single),
    peer("aura-future-default", aura::start_default),
    peer("aura-future-fixed", aura::start_fixed),
    peer("aura-tokio", aura::start_tokio),
    peer("compio", compio::start),
    peer("monoio", monoio::start),
    peer("tokio-uring", tokio_uring::start),
    peer("tokio-uring-fixed", tokio_uring::start_fixed),
    peer("glommio", glommio::start),
    Peer { note: Some(POOL), ..peer("tokio-blocking", tokio_fs::start_blocking) },
    Peer { note: Some(POOL), ..peer("tokio-file", tokio_fs::start_files) },
    Peer { note: Some(POOL), ..peer("threads", threads::start) },
    Peer { note: Some(FIO), ..peer("fio", fio::start) },
    Peer { note: Some(FIO), ..peer("fio-fixed", fio::start_fixed) },
];

fn boxed(row: impl Row + 'static) -> Result<Box<dyn Row>, Error> {
    Ok(Box::new(row))
}
