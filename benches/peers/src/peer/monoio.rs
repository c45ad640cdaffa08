//! monoio: one thread, one task per read in flight.

use std::rc::Rc;
use std::time::Duration;

use aura_bench::Error;
use aura_bench::row::{Row, Settings, Turn};
use aura_bench::subject::Subject;
use monoio::fs::File;
use monoio::{IoUringDriver, Runtime, RuntimeBuilder};

use crate::buffer::Buffer;
use crate::worker::{Crew, Worker, only};

struct Monoio {
    crew: Crew<Buffer>,
    runtime: Runtime<IoUringDriver>,
    file: std::fs::File,
}

pub(crate) fn start(subject: &Subject, settings: Settings) -> Result<Box<dyn Row>, Error> {
    let entries = settings.depth.max(1024); // Its default.
    let builder = RuntimeBuilder::<IoUringDriver>::new().with_entries(entries);
    let crew = Crew::new(subject, settings, || Ok(Buffer::new()))?;
    Ok(Box::new(Monoio { crew, runtime: builder.build()?, file: subject.file.try_clone()? }))
}

async fn work(file: Rc<File>, mut worker: Worker, mut buffer: Buffer) -> (Worker, Buffer) {
    while let Some(offset) = worker.next() {
        let (result, returned) = file.read_at(buffer, offset).await;
        buffer = returned;
        worker.completed(offset, result, &buffer[..]);
    }
    (worker, buffer)
}

impl Row for Monoio {
    fn turn(&mut self, time: Duration) -> Result<Turn, Error> {
        let Self { crew, runtime, file } = self;
        let file = file.try_clone()?;
        runtime.block_on(async {
            // Inside of the runtime, because the file closes through it.
            let file = Rc::new(File::from_std(file)?);
            let begin = |(worker, buffer)| monoio::spawn(work(Rc::clone(&file), worker, buffer));
            let mut members = crew.begin(time);
            if let Some((worker, buffer)) = only(&mut members) {
                return crew.end(vec![work(file, worker, buffer).await]);
            }
            let tasks: Vec<_> = members.into_iter().map(begin).collect();
            let mut members = Vec::with_capacity(tasks.len());
            for task in tasks {
                members.push(task.await);
            }
            crew.end(members)
        })
    }

    fn finish(&mut self, subject: &Subject) -> Result<(), Error> {
        self.crew.finish(subject)
    }
}
