//! Operations of all kinds at random, and random ends for their futures.

use std::future::Future;
use std::io::PipeWriter;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Waker};

use aura::{Engine, File, OpenOptions};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::yard::{BUFFER_BYTES, POISON, Yard};
use crate::common::{CountingWaker, Random, file_with, pattern, pipe, scratch};

const CELLS: usize = 200;
const LEN: usize = CELLS * BUFFER_BYTES;
/// Futures that a task holds at a time; with those of other tasks more than the limit.
const HELD: usize = 90;
/// Of which so many never end by themselves. Fewer than permits, or the others would wait for ever.
const HELD_IN_PIPES: usize = 1;

/// What the operations work on.
pub(super) struct World {
    engine: Arc<Engine>,
    yard: Arc<Yard>,
    /// Never changes.
    source: File,
    contents: Vec<u8>,
    /// Cells that are written as a whole.
    target: File,
    target_std: std::fs::File,
    pipe: File,
    _writer: PipeWriter,
    named: tempfile::TempPath,
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

impl World {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        let contents: Vec<u8> = pattern(1, LEN).iter().map(|byte| byte & 0x7f).collect();
        let target_std = file_with(&[0; LEN]);
        let named = tempfile::NamedTempFile::new_in(scratch()).unwrap().into_temp_path();
        std::fs::write(&named, &contents).unwrap();
        let (pipe, writer) = pipe(&engine);
        Self {
            yard: Arc::default(),
            source: File::from_std(&engine, file_with(&contents)),
            contents,
            target: File::from_borrowed(&engine, &target_std).unwrap(),
            target_std,
            pipe,
            _writer: writer,
            named,
            engine,
        }
    }

    pub(super) fn buffers_out(&self) -> usize {
        self.yard.out()
    }

    /// Every cell is what one write made it, and none has what was in a buffer given up.
    pub(super) fn check_files(&self) {
        self.yard.check();
        let target = crate::common::contents(&self.target_std);
        for (number, cell) in target.chunks(BUFFER_BYTES).enumerate() {
            let first = cell[0];
            assert!(first != POISON, "cell {number} was written from memory given up");
            assert!(cell.iter().all(|byte| *byte == first), "cell {number} is torn");
        }
    }

    /// As many reads at once, all of which end with the right bytes.
    pub(super) async fn many(self: &Arc<Self>, count: usize) -> bool {
        let reads: FuturesUnordered<_> =
            (0..count).map(|cell| self.clone().read(cell % CELLS)).collect();
        reads.count().await == count
    }

    async fn read(self: Arc<Self>, cell: usize) {
        let offset = cell * BUFFER_BYTES;
        let (bytes, buffer) =
            self.source.read_at(self.yard.buffer(), offset as u64).await.expect("it works");
        assert_eq!(bytes, BUFFER_BYTES);
        assert!(buffer.memory[..] == self.contents[offset..][..BUFFER_BYTES]);
    }

    async fn read_to_pool(self: Arc<Self>, cell: usize) {
        let offset = cell * BUFFER_BYTES;
        let buffer = self.engine.allocate_buffer(BUFFER_BYTES).unwrap();
        let (bytes, buffer) = self.source.read_at(buffer, offset as u64).await.expect("it works");
        assert!(buffer.as_slice()[..bytes] == self.contents[offset..][..bytes]);
    }

    async fn read_vectored(self: Arc<Self>, cell: usize) {
        let cell = cell % (CELLS - 3);
        let offset = cell * BUFFER_BYTES;
        let buffers = [(); 3].map(|()| self.yard.buffer());
        let (bytes, buffers) =
            self.source.readv_at(buffers, offset as u64).await.expect("it works");
        assert_eq!(bytes, 3 * BUFFER_BYTES);
        let expected = self.contents[offset..].chunks(BUFFER_BYTES);
        assert!(buffers.iter().zip(expected).all(|(buffer, part)| buffer.memory[..] == *part));
    }

    async fn write(self: Arc<Self>, cell: usize, byte: u8) {
        let mut buffer = self.yard.buffer();
        buffer.memory.fill(byte);
        let (bytes, _) =
            self.target.write_at(buffer, (cell * BUFFER_BYTES) as u64).await.expect("it works");
        assert_eq!(bytes, BUFFER_BYTES);
    }

    async fn write_vectored(self: Arc<Self>, cell: usize, byte: u8) {
        let buffers: Vec<_> = (0..2)
            .map(|_| {
                let mut buffer = self.yard.buffer();
                buffer.memory.fill(byte);
                buffer
            })
            .collect();
        let offset = (cell % (CELLS - 2) * BUFFER_BYTES) as u64;
        let (bytes, _) = self.target.writev_at(buffers, offset).await.expect("it works");
        assert_eq!(bytes, 2 * BUFFER_BYTES);
    }

    async fn read_pipe(self: Arc<Self>) {
        let result = self.pipe.read_at(self.yard.buffer(), 0).await;
        panic!("nobody wrote to the pipe: {:?}", result.map(|(bytes, _)| bytes));
    }

    async fn open(self: Arc<Self>, register: bool, read: bool) {
        let options = OpenOptions::new().read(true).register(register);
        let file = self.engine.open(&self.named, options).await.expect("it is there");
        if read {
            let (_, buffer) = file.read_at(self.yard.buffer(), 0).await.expect("it works");
            assert!(buffer.memory[..] == self.contents[..BUFFER_BYTES]);
        }
    }

    async fn about(self: Arc<Self>, by_name: bool) {
        let metadata = match by_name {
            true => self.engine.metadata(PathBuf::from(&*self.named)).await,
            false => self.source.metadata().await,
        };
        assert_eq!(metadata.expect("it is there").len(), LEN as u64);
    }

    async fn sync(self: Arc<Self>) {
        self.target.sync_data().await.expect("it works");
    }

    async fn batch(self: Arc<Self>, cell: usize) {
        let reads = (0..5).map(|_| {
            let offset = (cell * BUFFER_BYTES) as u64;
            self.source.read_at(self.yard.buffer(), offset)
        });
        for read in self.engine.submit_batch(reads).await {
            let (_, buffer) = read.expect("it works");
            assert!(buffer.memory[..] == self.contents[cell * BUFFER_BYTES..][..BUFFER_BYTES]);
        }
    }

    async fn try_read(self: Arc<Self>, cell: usize) {
        let offset = cell * BUFFER_BYTES;
        match self.source.try_read_at(self.yard.buffer(), offset as u64).await {
            Ok((_, buffer)) => {
                assert!(buffer.memory[..] == self.contents[offset..][..BUFFER_BYTES]);
            }
            Err(error) => {
                assert_eq!(error.errno(), libc::EAGAIN, "{error}");
                let buffer = error.into_buffer().expect("it comes back");
                assert!(buffer.memory.iter().all(|byte| *byte == POISON));
            }
        }
    }

    fn operation(self: &Arc<Self>, random: &mut Random) -> Task {
        let (this, cell) = (self.clone(), random.below(CELLS));
        let byte = 1 + random.below(0x7f) as u8;
        match random.below(100) {
            0..30 => Box::pin(this.read(cell)),
            30..45 => Box::pin(this.write(cell, byte)),
            45..55 => Box::pin(this.read_to_pool(cell)),
            55..65 => Box::pin(this.read_vectored(cell)),
            65..70 => Box::pin(this.write_vectored(cell, byte)),
            70..80 => Box::pin(this.open(byte & 1 == 0, byte & 2 == 0)),
            80..87 => Box::pin(this.about(byte & 1 == 0)),
            87..92 => Box::pin(this.batch(cell)),
            92..99 => Box::pin(this.try_read(cell)),
            _ => Box::pin(this.sync()),
        }
    }

    /// Starts `count` operations, and lets their futures end in every way.
    pub(super) async fn work(self: Arc<Self>, seed: u64, count: usize) {
        let mut random = Random::new(seed);
        let (elsewhere, dropped) = mpsc::sync_channel::<Task>(16);
        let dropper = std::thread::spawn(move || dropped.into_iter().for_each(drop));
        let mut held: Vec<Task> = Vec::new();
        let mut in_pipes: Vec<Task> = Vec::new();
        let other = Waker::from(Arc::new(CountingWaker::default()));
        for _ in 0..count {
            if random.below(10) == 0 {
                let mut read: Task = Box::pin(self.clone().read_pipe());
                assert!(poll_with(&mut read, &other).is_pending());
                in_pipes.push(read);
                if in_pipes.len() > HELD_IN_PIPES {
                    let victim = in_pipes.swap_remove(random.below(in_pipes.len()));
                    end(victim, &elsewhere, &mut random);
                }
                continue;
            }
            let mut operation = self.operation(&mut random);
            match random.below(8) {
                0 => continue, // Never polled.
                1 => {
                    operation.await;
                    continue;
                }
                2 => {
                    // Polled by this task, and held for another moment.
                    let ready = std::future::poll_fn(|context| {
                        std::task::Poll::Ready(operation.as_mut().poll(context).is_ready())
                    });
                    if ready.await {
                        continue;
                    }
                }
                _ => {
                    if poll_with(&mut operation, Waker::noop()).is_ready() {
                        continue;
                    }
                }
            }
            held.push(operation);
            if random.below(4) == 0 {
                let chosen = random.below(held.len());
                if poll_with(&mut held[chosen], &other).is_ready() {
                    drop(held.swap_remove(chosen));
                }
            }
            while held.len() > HELD {
                let mut victim = held.swap_remove(random.below(held.len()));
                match random.below(4) {
                    0 => victim.await,
                    1 => {
                        // On behalf of another task first, and of this one then.
                        if poll_with(&mut victim, &other).is_pending() {
                            victim.await;
                        }
                    }
                    _ => end(victim, &elsewhere, &mut random),
                }
            }
        }
        drop((held, in_pipes, elsewhere));
        dropper.join().unwrap();
    }
}

fn poll_with(task: &mut Task, waker: &Waker) -> std::task::Poll<()> {
    task.as_mut().poll(&mut Context::from_waker(waker))
}

/// Drops a future here, or on another thread.
fn end(task: Task, elsewhere: &mpsc::SyncSender<Task>, random: &mut Random) {
    match random.below(2) {
        0 => drop(task),
        _ => elsewhere.send(task).unwrap(),
    }
}
