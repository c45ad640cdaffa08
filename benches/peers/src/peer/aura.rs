//! Aura's futures: one thread, one future per read in flight; driven by its own `block_on`, or inside a
//! tokio runtime. Its callbacks are in [`aura_bench::row::callback`].

use std::time::Duration;

use aura::{Buffer, Engine, File, Tasks, TokioDriver};
use aura_bench::row::callback::Mode;
use aura_bench::row::{Row, Settings, Turn};
use aura_bench::subject::Subject;
use aura_bench::{BLOCK_BYTES, Error};
use tokio::runtime::Runtime;

use crate::worker::{Crew, Worker, only};

/// Fields are dropped in their order: the engine last.
struct Futures {
    crew: Crew<Buffer>,
    file: File,
    engine: Engine,
}

/// An engine for one thread, without locks.
pub(crate) fn start_single(subject: &Subject, settings: Settings) -> Result<Box<dyn Row>, Error> {
    Ok(Box::new(Futures::new(Mode::Single, subject, settings)?))
}

/// An engine as it comes.
pub(crate) fn start_default(subject: &Subject, settings: Settings) -> Result<Box<dyn Row>, Error> {
    Ok(Box::new(Futures::new(Mode::Default, subject, settings)?))
}

/// An engine for one thread, with a registered file.
pub(crate) fn start_fixed(subject: &Subject, settings: Settings) -> Result<Box<dyn Row>, Error> {
    let futures = Futures::new(Mode::Single, subject, settings)?;
    futures.file.register()?;
    Ok(Box::new(futures))
}

impl Futures {
    fn new(mode: Mode, subject: &Subject, settings: Settings) -> Result<Self, Error> {
        let engine = Engine::with_options(&mode.options())?;
        let file = File::from_borrowed(&engine, &subject.file)?;
        let buffer = || Ok(engine.allocate_buffer(BLOCK_BYTES)?);
        Ok(Self { crew: Crew::new(subject, settings, buffer)?, file, engine })
    }
}

async fn work(
    file: &File,
    mut worker: Worker,
    mut buffer: Buffer,
) -> Result<(Worker, Buffer), Error> {
    while let Some(offset) = worker.next() {
        let (bytes, returned) = file.read_at(buffer, offset).await.map_err(aura::Error::from)?;
        buffer = returned;
        worker.completed(offset, Ok(bytes), buffer.as_slice());
    }
    Ok((worker, buffer))
}

impl Row for Futures {
    fn turn(&mut self, time: Duration) -> Result<Turn, Error> {
        let Self { crew, file, engine } = self;
        aura::block_on(engine, async {
            let begin = |(worker, buffer)| work(file, worker, buffer);
            let mut members = crew.begin(time);
            if let Some((worker, buffer)) = only(&mut members) {
                return crew.end(vec![work(file, worker, buffer).await?]);
            }
            let mut tasks: Tasks<_> = members.into_iter().map(begin).collect();
            let mut members = Vec::with_capacity(tasks.len());
            while let Some(member) = tasks.next().await {
                members.push(member?);
            }
            crew.end(members)
        })
    }

    fn finish(&mut self, subject: &Subject) -> Result<(), Error> {
        self.crew.finish(subject)
    }
}

/// Fields are dropped in their order: the driver's task before its runtime, the engine last.
struct InTokio {
    crew: Crew<Buffer>,
    file: File,
    _driver: TokioDriver,
    runtime: Runtime,
    _engine: Engine,
}

/// Inside of a tokio runtime with one thread.
pub(crate) fn start_tokio(subject: &Subject, settings: Settings) -> Result<Box<dyn Row>, Error> {
    let Futures { crew, file, engine } = Futures::new(Mode::Default, subject, settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let driver = runtime.block_on(async { engine.drive_with_tokio() })?;
    Ok(Box::new(InTokio { crew, file, _driver: driver, runtime, _engine: engine }))
}

impl Row for InTokio {
    fn turn(&mut self, time: Duration) -> Result<Turn, Error> {
        let Self { crew, file, runtime, .. } = self;
        runtime.block_on(async {
            let begin = |(worker, buffer)| {
                let file = file.clone();
                tokio::spawn(async move { work(&file, worker, buffer).await })
            };
            let mut members = crew.begin(time);
            if let Some((worker, buffer)) = only(&mut members) {
                return crew.end(vec![work(file, worker, buffer).await?]);
            }
            let tasks: Vec<_> = members.into_iter().map(begin).collect();
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
