//! tokio-uring: one thread, one task per read in flight; and the same with registered buffers.
//!
//! A single read in flight gets a task too: outside of one it is a tenth slower. `COOP_TASKRUN`,
//! `SINGLE_ISSUER` and both with `DEFER_TASKRUN` stayed within the noise (Linux 6.18, page cache), so the
//! rings are its defaults.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use aura_bench::Error;
use aura_bench::row::{Row, Settings, Turn};
use aura_bench::subject::Subject;
use tokio_uring::Runtime;
use tokio_uring::buf::fixed::{FixedBuf, FixedBufRegistry};
use tokio_uring::fs::File;

use crate::buffer::Buffer;
use crate::worker::{Crew, Worker};

/// A buffer and how a file reads into it.
trait Target: Sized + 'static {
    async fn read(self, file: &File, offset: u64) -> (io::Result<usize>, Self);

    fn bytes(&self) -> &[u8];
}

impl Target for Buffer {
    async fn read(self, file: &File, offset: u64) -> (io::Result<usize>, Self) {
        file.read_at(self, offset).await
    }

    fn bytes(&self) -> &[u8] {
        &self[..]
    }
}

impl Target for FixedBuf {
    async fn read(self, file: &File, offset: u64) -> (io::Result<usize>, Self) {
        file.read_fixed_at(self, offset).await
    }

    fn bytes(&self) -> &[u8] {
        self
    }
}

struct TokioUring<B> {
    crew: Crew<B>,
    file: std::fs::File,
    runtime: Runtime,
}

pub(crate) fn start(subject: &Subject, settings: Settings) -> Result<Box<dyn Row>, Error> {
    let crew = Crew::new(subject, settings, || Ok(Buffer::new()))?;
    let runtime = runtime(settings)?;
    Ok(Box::new(TokioUring { crew, file: subject.file.try_clone()?, runtime }))
}

pub(crate) fn start_fixed(subject: &Subject, settings: Settings) -> Result<Box<dyn Row>, Error> {
    let runtime = runtime(settings)?;
    let registry = FixedBufRegistry::new((0..settings.depth).map(|_| Buffer::new()));
    runtime
        .block_on(async { registry.register() })
        .map_err(|error| format!("registering buffers: {error} (see ulimit -l)"))?;
    let mut buffers = (0..settings.depth as usize).map_while(|index| registry.check_out(index));
    let buffer = || buffers.next().ok_or_else(|| "too many buffers for a registry".into());
    let crew = Crew::new(subject, settings, buffer)?;
    Ok(Box::new(TokioUring { crew, file: subject.file.try_clone()?, runtime }))
}

fn runtime(settings: Settings) -> Result<Runtime, Error> {
    let entries = settings.depth.max(256); // Its default.
    Ok(Runtime::new(tokio_uring::builder().entries(entries))?)
}

async fn work<B: Target>(file: Rc<File>, mut worker: Worker, mut buffer: B) -> (Worker, B) {
    while let Some(offset) = worker.next() {
        let (result, returned) = buffer.read(&file, offset).await;
        buffer = returned;
        worker.completed(offset, result, buffer.bytes());
    }
    (worker, buffer)
}

impl<B: Target> Row for TokioUring<B> {
    fn turn(&mut self, time: Duration) -> Result<Turn, Error> {
        let Self { crew, file, runtime } = self;
        let file = file.try_clone()?;
        runtime.block_on(async {
            // Inside of the runtime, because the file closes through it.
            let file = Rc::new(File::from_std(file));
            let begin =
                |(worker, buffer)| tokio_uring::spawn(work(Rc::clone(&file), worker, buffer));
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
