//! Threads that block in `pread`, one per read in flight.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::Duration;

use aura_bench::Error;
use aura_bench::row::{Row, Settings, Turn};
use aura_bench::subject::Subject;

use crate::buffer::Buffer;
use crate::worker::{Crew, Shift, Worker};

struct Threads {
    crew: Crew<Buffer>,
    file: File,
}

pub(crate) fn start(subject: &Subject, settings: Settings) -> Result<Box<dyn Row>, Error> {
    let crew = Crew::new(subject, settings, || Ok(Buffer::new()))?;
    Ok(Box::new(Threads { crew, file: subject.file.try_clone()? }))
}

impl Row for Threads {
    fn turn(&mut self, time: Duration) -> Result<Turn, Error> {
        let Self { crew, file } = self;
        let members = crew.take();
        // The turn begins when all threads have started.
        let (started, shift) = (Barrier::new(members.len() + 1), OnceLock::new());
        let members = thread::scope(|scope| {
            let begin = |(mut worker, mut buffer): (Worker, Buffer)| {
                let (started, shift, file) = (&started, &shift, &*file);
                scope.spawn(move || {
                    started.wait();
                    worker.begin(Arc::clone(shift.wait()));
                    while let Some(offset) = worker.next() {
                        let result = file.read_at(&mut buffer[..], offset);
                        worker.completed(offset, result, &buffer[..]);
                    }
                    (worker, buffer)
                })
            };
            let threads: Vec<_> = members.into_iter().map(begin).collect();
            started.wait();
            shift.get_or_init(|| Shift::begin(time));
            threads.into_iter().map(|thread| thread.join()).collect::<Result<_, _>>()
        });
        crew.end(members.map_err(|_| "a reading thread panicked")?)
    }

    fn finish(&mut self, subject: &Subject) -> Result<(), Error> {
        self.crew.finish(subject)
    }
}
