//! Recipe: a log whose appends return when their record is durable, and share the cost of that:
//! while one batch is being written and synced, the records that come in become the next batch
//! (group commit).
//!
//! ```sh
//! cargo run --release -p aura --example recipe_log_writer             # 64 writers, 2000 records
//! cargo run --release -p aura --example recipe_log_writer -- 256 20000
//! ```

use std::future::poll_fn;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Instant;

use aura::{Engine, File, OpenOptions, Tasks};
use futures_util::future;
use support::{Outcome, check};

mod support;

const USAGE: &str = "\
usage: recipe_log_writer [WRITERS [RECORDS]] [--driver DRIVER]

Appends RECORDS (default: 2000) records to a log by WRITERS (default: 64) tasks, each of which waits until
its record is durable, and reads the log back.";

fn main() -> ExitCode {
    support::main_with_driver(USAGE, |driver, arguments| {
        let (writers, records) = match arguments {
            [] => (64, 2000),
            [writers] => (support::number(writers)?, 2000),
            [writers, records] => (support::number(writers)?, support::number(records)?),
            _ => return Err("it takes two numbers; try --help".into()),
        };
        if writers == 0 {
            return Err("somebody has to write: one writer at least".into());
        }
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("log");
        let engine = Arc::new(Engine::new()?);
        let started = Instant::now();
        let appending = append_all(Arc::clone(&engine), path.clone(), writers, records);
        let commits = driver.run(&engine, appending)?;
        let elapsed = started.elapsed();
        println!("{records} records made durable by {commits} commits in {elapsed:.1?}");

        check("there is no more than a commit for each record", commits <= u64::from(records))?;
        let mut found = read_records(&std::fs::read(path)?)?;
        found.sort_unstable();
        let mut expected: Vec<String> = (0..records).map(record).collect();
        expected.sort_unstable();
        check("the log has every record once", found == expected)
    })
}

fn record(number: u32) -> String {
    format!("record {number}")
}

/// Runs the writers, and the log beside them; returns how many commits it took.
async fn append_all(
    engine: Arc<Engine>,
    path: PathBuf,
    writers: u32,
    records: u32,
) -> Outcome<u64> {
    let options = OpenOptions::new().write(true).create_new(true);
    let log = Log::new(engine.open(path, options).await?);
    let next = AtomicU32::new(0);
    let writing = async {
        let mut tasks: Tasks<_> =
            (0..writers).map(|_| write_records(&log, &next, records)).collect();
        while let Some(written) = tasks.next().await {
            written?;
        }
        log.close();
        Ok(())
    };
    // In a server these would be tasks of the runtime, with `Arc<Log>`.
    let (commits, written) = future::join(log.commit_until_closed(), writing).await;
    written.and(commits)
}

async fn write_records(log: &Log, next: &AtomicU32, records: u32) -> Outcome {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= records {
            return Ok(());
        }
        log.append(record(number).as_bytes()).await?;
    }
}

/// An append-only file of records.
///
/// Appenders only put bytes into a buffer and wait; one task writes and syncs. So it does no harm
/// if an appender's future is dropped: its record is in the log all the same, or not yet handed
/// over.
struct Log {
    file: File,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What the next commit writes.
    pending: Vec<u8>,
    /// Bytes handed over by appenders since ever, and bytes that are durable.
    appended: u64,
    durable: u64,
    is_closed: bool,
    /// Why there will be no more commits. After an error of a sync nobody knows what is on the
    /// device; going on would be to guess.
    failure: Option<String>,
    appenders: Vec<Waker>,
    committer: Option<Waker>,
}

impl Log {
    fn new(file: File) -> Self {
        Self { file, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a record, and returns when it is durable.
    async fn append(&self, record: &[u8]) -> Result<(), String> {
        let end = {
            let mut state = self.state();
            state.pending.extend((record.len() as u32).to_le_bytes());
            state.pending.extend(record);
            state.appended += 4 + record.len() as u64;
            if let Some(committer) = state.committer.take() {
                committer.wake();
            }
            state.appended
        };
        poll_fn(|context| {
            let mut state = self.state();
            if state.durable >= end {
                return Poll::Ready(Ok(()));
            }
            if let Some(failure) = &state.failure {
                return Poll::Ready(Err(failure.clone()));
            }
            state.appenders.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Lets [`commit_until_closed`](Self::commit_until_closed) end when all is written.
    fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        if let Some(committer) = state.committer.take() {
            committer.wake();
        }
    }

    /// Writes what appenders hand over; returns how many commits it took.
    async fn commit_until_closed(&self) -> Outcome<u64> {
        let (mut offset, mut commits) = (0, 0);
        while let Some(batch) = self.next_batch().await {
            let bytes = batch.len() as u64;
            let committed = self.commit(batch, offset).await;
            let mut state = self.state();
            match &committed {
                Ok(()) => state.durable += bytes,
                Err(error) => state.failure = Some(error.to_string()),
            }
            state.appenders.drain(..).for_each(Waker::wake);
            drop(state);
            committed?;
            offset += bytes;
            commits += 1;
        }
        Ok(commits)
    }

    /// All that is pending; `None` when the log is closed.
    async fn next_batch(&self) -> Option<Vec<u8>> {
        poll_fn(|context| {
            let mut state = self.state();
            if !state.pending.is_empty() {
                return Poll::Ready(Some(std::mem::take(&mut state.pending)));
            }
            if state.is_closed {
                return Poll::Ready(None);
            }
            state.committer = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    async fn commit(&self, batch: Vec<u8>, offset: u64) -> aura::Result<()> {
        self.file.write_all_at(batch, offset).await?;
        // Only writes that have completed are covered.
        self.file.sync_data().await
    }
}

fn read_records(mut log: &[u8]) -> Outcome<Vec<String>> {
    let mut records = Vec::new();
    while let Some((len, rest)) = log.split_first_chunk() {
        let len = u32::from_le_bytes(*len) as usize;
        let (record, rest) = rest.split_at_checked(len).ok_or("the log ends inside a record")?;
        records.push(String::from_utf8(record.to_vec())?);
        log = rest;
    }
    check("the log ends with a record", log.is_empty())?;
    Ok(records)
}
