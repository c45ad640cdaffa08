//! The same job in batches: `submit_batch` hands over several reads with one call, and they are awaited
//! together. A batch whose reads are over is followed by the next; two are in flight at a time, so that
//! one can be checked while the other is being read.

use std::cell::RefCell;
use std::time::Duration;

use aura::{Buffer, Engine, File, Tasks};
use aura_bench::content::{RandomBlocks, Verifier};
use aura_bench::row::callback::Mode;
use aura_bench::row::{Row, Settings, Stopwatch, Turn};
use aura_bench::subject::Subject;
use aura_bench::{BLOCK_BYTES, Error};

/// Batches in flight.
const BATCHES: usize = 2;

pub(crate) struct Batches {
    engine: Engine,
    file: File,
    /// Those of a batch each; empty while a turn lasts.
    buffers: Vec<Vec<Buffer>>,
    state: RefCell<State>,
}

struct State {
    random: RandomBlocks,
    verifier: Verifier,
    operations: u64,
    watch: Stopwatch,
    goes_on: bool,
}

impl Batches {
    pub(crate) fn new(subject: &Subject, settings: Settings) -> Result<Self, Error> {
        let engine = Engine::with_options(&Mode::Single.options())?;
        let file = File::from_borrowed(&engine, &subject.file)?;
        let depth = settings.depth as usize;
        let batches = BATCHES.min(depth);
        let batch = |number| {
            let buffers = (number..depth).step_by(batches);
            buffers.map(|_| engine.allocate_buffer(BLOCK_BYTES)).collect()
        };
        let buffers = (0..batches).map(batch).collect::<Result<_, _>>()?;
        let state = RefCell::new(State {
            random: RandomBlocks::new(subject.bytes, 1),
            verifier: subject.verifier(),
            operations: 0,
            watch: Stopwatch::start(Duration::ZERO),
            goes_on: false,
        });
        Ok(Self { engine, file, buffers, state })
    }

    /// Reads a batch again and again until the turn is over, and gives the buffers back.
    async fn work(&self, mut buffers: Vec<Buffer>) -> Result<Vec<Buffer>, Error> {
        let mut offsets = vec![0; buffers.len()];
        while self.state.borrow().goes_on {
            offsets.fill_with(|| self.state.borrow_mut().random.draw());
            let reads = buffers.drain(..).zip(&offsets);
            let batch = reads.map(|(buffer, offset)| self.file.read_at(buffer, *offset));
            let results = self.engine.submit_batch(batch).await;
            let mut state = self.state.borrow_mut();
            for (result, offset) in results.into_iter().zip(&offsets) {
                let (bytes, filled) = result.map_err(aura::Error::from)?;
                state.check(&filled, bytes, *offset).inspect_err(|_| state.goes_on = false)?;
                buffers.push(filled);
            }
            state.operations += buffers.len() as u64;
            if state.watch.is_over()? {
                state.goes_on = false;
            }
        }
        Ok(buffers)
    }
}

impl State {
    #[inline]
    fn check(&mut self, filled: &Buffer, bytes: usize, offset: u64) -> Result<(), Error> {
        match filled.as_slice().first_chunk() {
            Some(block) if bytes == BLOCK_BYTES => self.verifier.check(offset, block),
            _ => Err(format!("the read at {offset} brought {bytes} bytes").into()),
        }
    }
}

impl Row for Batches {
    fn turn(&mut self, time: Duration) -> Result<Turn, Error> {
        let buffers = std::mem::take(&mut self.buffers);
        let this = &*self;
        {
            let mut state = this.state.borrow_mut();
            (state.operations, state.goes_on) = (0, true);
            state.watch = Stopwatch::start(time);
        }
        let mut back = Vec::with_capacity(buffers.len());
        aura::block_on(&this.engine, async {
            let mut loops: Tasks<_> = buffers.into_iter().map(|batch| this.work(batch)).collect();
            while let Some(batch) = loops.next().await {
                back.push(batch?);
            }
            Ok::<_, Error>(())
        })?;
        let turn = {
            let state = this.state.borrow();
            state.watch.turn(state.operations, None)
        };
        self.buffers = back;
        Ok(turn)
    }

    fn finish(&mut self, subject: &Subject) -> Result<(), Error> {
        subject.finish(&mut self.state.get_mut().verifier)
    }
}
