//! tokio's own ways to read a file: threads, by a detour.
//!
//! `tokio-blocking` reads with `read_at` in `spawn_blocking`: one task switch there and back per read,
//! and no seek. `tokio-file` is what the documentation of `tokio::fs` shows: `seek` and `read_exact`,
//! both of which go to a thread. A `File` has one cursor, so every task opens its own.

use std::fs::File;
use std::io::SeekFrom;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use aura_bench::row::{Row, Settings, Turn};
use aura_bench::subject::Subject;
use aura_bench::{BLOCK_BYTES, Error};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::runtime::Runtime;

use crate::buffer::Buffer;
use crate::subject_path;
use crate::worker::{Crew, Worker};

/// Threads per CPU beyond which reads that the page cache answers only get slower.
const THREADS_PER_CPU: usize = 2;

/// One thread for the tasks suffices, since they do nothing but wait. Threads that read: one per read in
/// flight for a disk; fewer for the page cache, where more of them get in each other's way (at depth 128
/// on 2 CPUs, 4 threads read twice as fast as 128).
fn runtime(subject: &Subject, settings: Settings) -> Result<Runtime, Error> {
    let cpus = std::thread::available_parallelism()?.get();
    let useful = if subject.is_direct { usize::MAX } else { cpus * THREADS_PER_CPU };
    let threads = useful.min(settings.depth as usize);
    Ok(tokio::runtime::Builder::new_current_thread().max_blocking_threads(threads).build()?)
}

struct Blocking {
    crew: Crew<Buffer>,
    file: Arc<File>,
    runtime: Runtime,
}

pub(crate) fn start_blocking(subject: &Subject, settings: Settings) -> Result<Box<dyn Row>, Error> {
    let crew = Crew::new(subject, settings, || Ok(Buffer::new()))?;
    let file = Arc::new(subject.file.try_clone()?);
    Ok(Box::new(Blocking { crew, file, runtime: runtime(subject, settings)? }))
}

async fn block(
    file: Arc<File>,
    mut worker: Worker,
    mut buffer: Buffer,
) -> Result<(Worker, Buffer), Error> {
    while let Some(offset) = worker.next() {
        let file = Arc::clone(&file);
        let read = move || (file.read_at(&mut buffer[..], offset), buffer);
        let (result, returned) = tokio::task::spawn_blocking(read).await?;
        buffer = returned;
        worker.completed(offset, result, &buffer[..]);
    }
    Ok((worker, buffer))
}

impl Row for Blocking {
    fn turn(&mut self, time: Duration) -> Result<Turn, Error> {
        let Self { crew, file, runtime } = self;
        runtime.block_on(async {
            let begin = |(worker, buffer)| tokio::spawn(block(Arc::clone(file), worker, buffer));
            let tasks: Vec<_> = crew.begin(time).into_iter().map(begin).collect();
            let mut members = Vec::with_capacity(tasks.len());
            for task in tasks {
                members.push(task.await??);
            }
            crew.end(members)
        })
    }

    fn finish(&mut self, subject: &Subject) -> Result<(), Error> {
        self.crew.finish(subject)
    }
}

/// What a reader of `tokio-file` has.
struct Desk {
    file: tokio::fs::File,
    buffer: Buffer,
}

struct Files {
    crew: Crew<Desk>,
    runtime: Runtime,
}

pub(crate) fn start_files(subject: &Subject, settings: Settings) -> Result<Box<dyn Row>, Error> {
    if subject.is_direct {
        // It reads into memory of its own first, which is not aligned.
        return Err("tokio::fs::File cannot read with O_DIRECT; see tokio-blocking".into());
    }
    let path = subject_path(subject);
    let desk = || {
        let mut file = tokio::fs::File::from_std(File::open(&path)?);
        file.set_max_buf_size(BLOCK_BYTES);
        Ok(Desk { file, buffer: Buffer::new() })
    };
    let crew = Crew::new(subject, settings, desk)?;
    Ok(Box::new(Files { crew, runtime: runtime(subject, settings)? }))
}

async fn seek_and_read(mut worker: Worker, mut desk: Desk) -> (Worker, Desk) {
    while let Some(offset) = worker.next() {
        let Desk { file, buffer } = &mut desk;
        let result = match file.seek(SeekFrom::Start(offset)).await {
            Ok(_) => file.read_exact(&mut buffer[..]).await,
            Err(error) => Err(error),
        };
        worker.completed(offset, result, &buffer[..]);
    }
    (worker, desk)
}

impl Row for Files {
    fn turn(&mut self, time: Duration) -> Result<Turn, Error> {
        let Self { crew, runtime } = self;
        runtime.block_on(async {
            let begin = |(worker, desk)| tokio::spawn(seek_and_read(worker, desk));
            let tasks: Vec<_> = crew.begin(time).into_iter().map(begin).collect();
            let mut members = Vec::with_capacity(tasks.len());
            for task in tasks {
                members.push(task.await?);
            }
            crew.end(members)
        })
    }

    fn finish(&mut self, subject: &Subject) -> Result<(), Error> {
        self.crew.finish(subject)
    }
}
