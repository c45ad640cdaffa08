//! The same job as `raw`, through files, owned buffers and futures, as a user would write it: as many
//! loops as operations in flight, each reading, checking and reading again, on one thread.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use aura::{Buffer, Engine, File, Tasks};
use aura_bench::content::{RandomBlocks, Verifier};
use aura_bench::row::callback::Mode;
use aura_bench::row::{Row, Settings, Stopwatch, Turn};
use aura_bench::subject::Subject;
use aura_bench::{BLOCK_BYTES, Error};

pub(crate) struct Futures {
    engine: Engine,
    file: File,
    /// One per operation in flight; taken while a turn lasts.
    buffers: Vec<Buffer>,
    state: RefCell<State>,
    /// Reads go on while this holds.
    goes_on: Cell<bool>,
}

struct State {
    random: RandomBlocks,
    verifier: Verifier,
    operations: u64,
    watch: Stopwatch,
    looks: u32,
}

impl Futures {
    /// With a registered file, on an engine for one thread.
    pub(crate) fn fixed(subject: &Subject, settings: Settings) -> Result<Self, Error> {
        let row = Self::new(Mode::Single, subject, settings)?;
        row.file.register()?;
        Ok(row)
    }

    pub(crate) fn new(mode: Mode, subject: &Subject, settings: Settings) -> Result<Self, Error> {
        let engine = Engine::with_options(&mode.options())?;
        let file = File::from_borrowed(&engine, &subject.file)?;
        let buffers = (0..settings.depth).map(|_| engine.allocate_buffer(BLOCK_BYTES));
        let buffers = buffers.collect::<Result<_, _>>()?;
        let state = State {
            random: RandomBlocks::new(subject.bytes, 1),
            verifier: subject.verifier(),
            operations: 0,
            watch: Stopwatch::start(Duration::ZERO),
            looks: 0,
        };
        let (state, goes_on) = (RefCell::new(state), Cell::new(false));
        Ok(Self { engine, file, buffers, state, goes_on })
    }

    /// Reads into one buffer again and again until the turn is over, and gives the buffer back.
    async fn work(&self, mut buffer: Buffer) -> Result<Buffer, Error> {
        while self.goes_on.get() {
            let offset = self.state.borrow_mut().random.draw();
            let (bytes, filled) = self.file.read_at(buffer, offset).await.map_err(|error| {
                self.goes_on.set(false);
                aura::Error::from(error)
            })?;
            let mut state = self.state.borrow_mut();
            let checked = match filled.as_slice().first_chunk() {
                Some(block) if bytes == BLOCK_BYTES => state.verifier.check(offset, block),
                _ => Err(format!("the read at {offset} brought {bytes} bytes").into()),
            };
            if let Err(error) = checked.and_then(|()| state.count().map(|over| self.look(over))) {
                self.goes_on.set(false);
                return Err(error);
            }
            buffer = filled;
        }
        Ok(buffer)
    }

    #[inline]
    fn look(&self, over: bool) {
        if over {
            self.goes_on.set(false);
        }
    }
}

impl State {
    /// Counts an operation; whether the turn is over.
    #[inline]
    fn count(&mut self) -> Result<bool, Error> {
        /// The watch expects to be looked at once per batch.
        const OPERATIONS_PER_LOOK: u32 = 16;
        self.operations += 1;
        self.looks += 1;
        if self.looks.is_multiple_of(OPERATIONS_PER_LOOK) {
            return Ok(self.watch.is_over()?);
        }
        Ok(false)
    }
}

impl Row for Futures {
    fn turn(&mut self, time: Duration) -> Result<Turn, Error> {
        let buffers = std::mem::take(&mut self.buffers);
        let this = &*self;
        this.goes_on.set(true);
        {
            let mut state = this.state.borrow_mut();
            (state.operations, state.watch) = (0, Stopwatch::start(time));
        }
        let mut back = Vec::with_capacity(buffers.len());
        aura::block_on(&this.engine, async {
            if buffers.len() == 1 {
                for buffer in buffers {
                    back.push(this.work(buffer).await?);
                }
                return Ok(());
            }
            let mut loops: Tasks<_> = buffers.into_iter().map(|buffer| this.work(buffer)).collect();
            while let Some(buffer) = loops.next().await {
                back.push(buffer?);
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
