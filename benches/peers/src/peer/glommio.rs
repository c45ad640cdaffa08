//! glommio: one thread, one task per read in flight.
//!
//! Its files hand out buffers of their own, a new one per read, so there is none to reuse. With
//! `O_DIRECT` these come from memory that glommio has registered with its rings. Spinning before it
//! sleeps gained nothing, not even at depth 1.

use std::rc::Rc;
use std::time::Duration;

use aura_bench::row::{Row, Settings, Turn};
use aura_bench::subject::Subject;
use aura_bench::{BLOCK_BYTES, Error};
use glommio::io::{BufferedFile, DmaFile};
use glommio::{LocalExecutor, LocalExecutorBuilder, Placement};

use crate::subject_path;
use crate::worker::{Crew, Worker, only};

/// Its own default.
const RING_DEPTH: usize = 128;

enum File {
    Buffered(BufferedFile),
    Direct(DmaFile),
}

struct Glommio {
    crew: Crew<()>,
    file: Option<Rc<File>>,
    executor: LocalExecutor,
}

pub(crate) fn start(subject: &Subject, settings: Settings) -> Result<Box<dyn Row>, Error> {
    let executor = LocalExecutorBuilder::new(Placement::Unbound)
        .ring_depth(RING_DEPTH.max(settings.depth as usize))
        .make()
        .map_err(|error| format!("{error} (glommio needs 512 KiB of locked memory: ulimit -l)"))?;
    let path = subject_path(subject);
    let file = executor.run(async {
        Ok::<_, glommio::GlommioError<()>>(match subject.is_direct {
            true => File::Direct(DmaFile::open(path).await?),
            false => File::Buffered(BufferedFile::open(path).await?),
        })
    });
    let file = file.map_err(|error| error.to_string())?;
    let crew = Crew::new(subject, settings, || Ok(()))?;
    Ok(Box::new(Glommio { crew, file: Some(Rc::new(file)), executor }))
}

async fn work(file: Rc<File>, mut worker: Worker) -> (Worker, ()) {
    while let Some(offset) = worker.next() {
        let result = match &*file {
            File::Buffered(file) => file.read_at(offset, BLOCK_BYTES).await,
            File::Direct(file) => file.read_at_aligned(offset, BLOCK_BYTES).await,
        };
        match result {
            Ok(buffer) => worker.completed(offset, Ok(buffer.len()), &buffer),
            Err(error) => worker.completed(offset, Err(error.into()), &[]),
        }
    }
    (worker, ())
}

impl Row for Glommio {
    fn turn(&mut self, time: Duration) -> Result<Turn, Error> {
        let Self { crew, file, executor } = self;
        let file = file.as_ref().ok_or("the file is closed")?;
        executor.run(async {
            let begin = |(worker, ())| glommio::spawn_local(work(Rc::clone(file), worker));
            let mut members = crew.begin(time);
            if let Some((worker, ())) = only(&mut members) {
                return crew.end(vec![work(Rc::clone(file), worker).await]);
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

impl Drop for Glommio {
    fn drop(&mut self) {
        // Its files close through the executor, and complain if there is none.
        let Some(file) = self.file.take().and_then(Rc::into_inner) else { return };
        let closed = self.executor.run(async {
            match file {
                File::Buffered(file) => file.close().await,
                File::Direct(file) => file.close().await,
            }
        });
        if let Err(error) = closed {
            eprintln!("note: glommio cannot close the file: {error}");
        }
    }
}
