//! compio: one thread, one task per read in flight.
//!
//! `COOP_TASKRUN`, `SINGLE_ISSUER` and both with `DEFER_TASKRUN` stayed within the noise (Linux 6.18, page
//! cache), so the rings are its defaults.

use std::os::fd::{FromRawFd, IntoRawFd};
use std::rc::Rc;
use std::time::Duration;

use aura_bench::Error;
use aura_bench::row::{Row, Settings, Turn};
use aura_bench::subject::Subject;
use compio::BufResult;
use compio::driver::ProactorBuilder;
use compio::fs::File;
use compio::io::AsyncReadAt;
use compio::runtime::Runtime;

use crate::buffer::Buffer;
use crate::worker::{Crew, Worker, only};

struct Compio {
    crew: Crew<Buffer>,
    file: Rc<File>,
    runtime: Runtime,
}

pub(crate) fn start(subject: &Subject, settings: Settings) -> Result<Box<dyn Row>, Error> {
    let mut proactor = ProactorBuilder::new();
    proactor.capacity(settings.depth.max(1024)); // Its default.
    let runtime = Runtime::builder().with_proactor(proactor).build()?;
    let file = subject.file.try_clone()?;
    // SAFETY: the descriptor is open, and nobody else's.
    let file = Rc::new(unsafe { File::from_raw_fd(file.into_raw_fd()) });
    let crew = Crew::new(subject, settings, || Ok(Buffer::new()))?;
    Ok(Box::new(Compio { crew, file, runtime }))
}

async fn work(file: Rc<File>, mut worker: Worker, mut buffer: Buffer) -> (Worker, Buffer) {
    while let Some(offset) = worker.next() {
        let BufResult(result, returned) = file.read_at(buffer, offset).await;
        buffer = returned;
        worker.completed(offset, result, &buffer[..]);
    }
    (worker, buffer)
}

impl Row for Compio {
    fn turn(&mut self, time: Duration) -> Result<Turn, Error> {
        let Self { crew, file, runtime } = self;
        runtime.block_on(async {
            let begin =
                |(worker, buffer)| compio::runtime::spawn(work(Rc::clone(file), worker, buffer));
            let mut members = crew.begin(time);
            if let Some((worker, buffer)) = only(&mut members) {
                return crew.end(vec![work(Rc::clone(file), worker, buffer).await]);
            }
            let tasks: Vec<_> = members.into_iter().map(begin).collect();
            let mut members = Vec::with_capacity(tasks.len());
            for task in tasks {
                members.push(task.await.map_err(|_| "a task of compio was lost")?);
            }
            crew.end(members)
        })
    }

    fn finish(&mut self, subject: &Subject) -> Result<(), Error> {
        self.crew.finish(subject)
    }
}
