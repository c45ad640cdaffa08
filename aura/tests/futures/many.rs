//! Thousands of futures on small rings, in every executor and in every kind of set.

use std::future::Future;
use std::sync::Arc;

use aura::{Engine, File, Options, RingSelect, Tasks};
use futures_util::StreamExt;
use futures_util::future::{Either, join_all, select};
use futures_util::stream::FuturesUnordered;

use crate::common::{
    LONG, eventually, fixed_engine, open_with, pattern, pipe, small_engine, within,
};

const CELL: usize = 64;
const CELLS: usize = 500;

/// A file, and what is in it.
#[derive(Clone)]
struct Cells {
    file: File,
    bytes: Arc<Vec<u8>>,
}

impl Cells {
    fn new(engine: &Engine) -> Self {
        let bytes = pattern(2, CELL * CELLS);
        Self { file: open_with(engine, &bytes), bytes: Arc::new(bytes) }
    }

    async fn read(self, cell: usize) -> usize {
        let offset = cell % CELLS * CELL;
        let buffer = Vec::with_capacity(CELL);
        let (bytes, buffer) = self.file.read_at(buffer, offset as u64).await.expect("it works");
        assert!(buffer[..] == self.bytes[offset..][..CELL]);
        bytes
    }

    fn reads(&self, count: usize) -> impl Iterator<Item = impl Future<Output = usize> + Send> {
        (0..count).map(|cell| self.clone().read(cell))
    }
}

/// Runs what `make` makes in every executor, each with an engine of its own.
fn in_every_executor<F: Future<Output = usize> + Send + 'static>(
    engine: impl Fn() -> Engine + Send + 'static,
    expected: usize,
    make: impl Fn(Cells) -> F + Send + 'static,
) {
    within(LONG * 4, "futures in every executor", move || {
        let fresh = || {
            let engine = Arc::new(engine());
            let cells = Cells::new(&engine);
            (engine, make(cells))
        };
        let (engine, future) = fresh();
        assert_eq!(aura::block_on(&engine, future), expected, "block_on");

        let (engine, future) = fresh();
        let poller = engine.start_poller().unwrap();
        assert_eq!(futures_executor::block_on(future), expected, "a poller");
        drop(poller);

        let (engine, future) = fresh();
        let mut pool = futures_executor::LocalPool::new();
        let poller = engine.start_poller().unwrap();
        assert_eq!(pool.run_until(future), expected, "a local pool");
        drop(poller);

        for mut builder in [
            tokio::runtime::Builder::new_current_thread(),
            tokio::runtime::Builder::new_multi_thread(),
        ] {
            let (engine, future) = fresh();
            let runtime = builder.worker_threads(3).enable_all().build().unwrap();
            runtime.block_on(async {
                let driver = engine.drive_with_tokio().unwrap();
                assert_eq!(tokio::spawn(future).await.unwrap(), expected, "tokio");
                drop(driver);
            });
        }
    });
}

fn adaptive_engine() -> Engine {
    Engine::with_options(&Options::new().queue_depth(64).ring_count(2)).unwrap()
}

fn round_robin_engine() -> Engine {
    let options = Options::new().queue_depth(16).ring_count(3).disable_adaptive(true);
    Engine::with_options(&options.ring_select(RingSelect::RoundRobin)).unwrap()
}

#[test]
fn five_thousand_joined_reads_end() {
    in_every_executor(small_engine, 5000 * CELL, |cells| async move {
        join_all(cells.reads(5000)).await.iter().sum()
    });
}

#[test]
fn five_thousand_joined_reads_end_with_adaptive_limits() {
    in_every_executor(adaptive_engine, 5000 * CELL, |cells| async move {
        join_all(cells.reads(5000)).await.iter().sum()
    });
}

#[test]
fn more_reads_than_slots_end() {
    in_every_executor(
        || fixed_engine(8),
        20_000 * CELL,
        |cells| async move {
            let reads: FuturesUnordered<_> = cells.reads(20_000).collect();
            reads.fold(0, async |sum, bytes| sum + bytes).await
        },
    );
}

#[test]
fn thousands_of_tasks_end_on_several_small_rings() {
    in_every_executor(round_robin_engine, 20_000 * CELL, |cells| async move {
        let mut tasks: Tasks<_> = cells.reads(20_000).collect();
        let mut sum = 0;
        while let Some(bytes) = tasks.next().await {
            sum += bytes;
        }
        sum
    });
}

/// The deadlock of other libraries: the set holds finished operations while its task waits for one
/// more.
#[test]
fn a_set_whose_outputs_are_not_taken_keeps_nobody_waiting() {
    in_every_executor(
        || fixed_engine(16),
        501 * CELL,
        |cells| async move {
            let mut held: FuturesUnordered<_> = cells.reads(500).collect();
            // Polled once, so that all are submitted or wait for their turn.
            let first = held.next().await.expect("there are some");
            let another = cells.clone().read(3).await;
            let rest: usize = held.collect::<Vec<_>>().await.iter().sum();
            first + another + rest
        },
    );
}

#[test]
fn reads_that_lose_a_race_are_given_up() {
    in_every_executor(small_engine, 3000 * CELL, |cells| async move {
        let mut sum = 0;
        for round in 0..3000 {
            let (one, two) = (Box::pin(cells.clone().read(round)), Box::pin(cells.clone().read(7)));
            let (Either::Left((bytes, loser)) | Either::Right((bytes, loser))) =
                select(one, two).await;
            sum += bytes;
            if round % 3 == 0 {
                loser.await;
            }
        }
        sum
    });
}

#[test]
fn batches_larger_than_the_limit_end() {
    in_every_executor(
        || fixed_engine(16),
        10 * 1000 * CELL,
        |cells| async move {
            let engine_of_nobody = small_engine(); // Submitting through it is allowed.
            let mut sum = 0;
            for _ in 0..10 {
                let reads = (0..1000).map(|cell| {
                    let offset = (cell % CELLS * CELL) as u64;
                    cells.file.read_at(Vec::with_capacity(CELL), offset)
                });
                let results = engine_of_nobody.submit_batch(reads.collect::<Vec<_>>()).await;
                sum += results.into_iter().map(|result| result.unwrap().0).sum::<usize>();
            }
            sum
        },
    );
}

#[test]
fn a_batch_gives_every_operation_its_own_output_in_order() {
    within(LONG, "a mixed batch", || {
        let (one, two) = (small_engine(), small_engine());
        let _poller = two.start_poller().unwrap();
        let (here, there) = (Cells::new(&one), Cells::new(&two));
        // Some are refused at once, some belong to the other engine; none is like its neighbours.
        let reads = (0..40_usize).map(|number| {
            let buffer = vec![0; number + 1];
            match number % 4 {
                0 => here.file.read_at(buffer, u64::MAX),
                1 => there.file.read_at(buffer, 0),
                _ => here.file.read_at(buffer, 0),
            }
        });
        let outputs = aura::block_on(&one, one.submit_batch(reads.collect::<Vec<_>>()));
        assert_eq!(outputs.len(), 40);
        for (number, output) in outputs.into_iter().enumerate() {
            match output {
                Ok((bytes, buffer)) => {
                    assert_ne!(number % 4, 0);
                    assert_eq!((bytes, buffer.len()), (number + 1, number + 1));
                }
                Err(error) => {
                    let buffer = error.into_buffer().map(|buffer| buffer.len());
                    assert_eq!((number % 4, buffer), (0, Some(number + 1)));
                }
            }
        }
    });
}

#[test]
fn one_task_may_use_two_engines() {
    within(LONG, "two engines", || {
        let (one, two) = (small_engine(), small_engine());
        let poller = two.start_poller().unwrap();
        let (here, there) = (Cells::new(&one), Cells::new(&two));
        let total: usize = aura::block_on(&one, async {
            let reads = here.reads(1000).zip(there.reads(1000));
            let both = join_all(reads.map(async |(one, two)| one.await + two.await)).await;
            both.iter().sum()
        });
        assert_eq!(total, 2000 * CELL);
        // And one block_on inside another.
        let nested = aura::block_on(&one, async {
            let outer = here.clone().read(1).await;
            outer + aura::block_on(&two, there.clone().read(2))
        });
        assert_eq!(nested, 2 * CELL);
        drop(poller);
    });
}

/// Between any two polls it may be on another thread.
#[test]
fn pending_reads_move_between_the_threads_of_tokio() {
    within(LONG, "tasks that yield", || {
        let engine = small_engine();
        let cells = Cells::new(&engine);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
        runtime.unwrap().block_on(async {
            let driver = engine.drive_with_tokio().unwrap();
            let tasks = (0..400).map(|task| {
                let cells = cells.clone();
                tokio::spawn(async move {
                    for round in 0..20 {
                        let mut read = Box::pin(cells.clone().read(task * 3 + round));
                        for _ in 0..round % 4 {
                            if crate::common::poll_once(read.as_mut()).is_ready() {
                                read = Box::pin(cells.clone().read(task));
                            }
                            tokio::task::yield_now().await;
                        }
                        drop(read);
                        assert_eq!(cells.clone().read(task + round).await, CELL);
                    }
                })
            });
            for task in tasks.collect::<Vec<_>>() {
                task.await.unwrap();
            }
            drop(driver);
        });
        eventually("nothing is in flight", || {
            let _ = engine.poll();
            engine.stats().unwrap().current_in_flight() == 0
        });
    });
}

/// First come, first served: with one permit the kernel has no choice either.
#[test]
fn operations_at_the_limit_get_their_turn_in_order() {
    within(LONG, "reads in order", || {
        let options = Options::new().queue_depth(8).ring_count(1);
        let options = options.initial_in_flight(1).disable_adaptive(true);
        let engine = Engine::with_options(&options).unwrap();
        let (reader, mut writer) = pipe(&engine);
        let mut reads: Vec<_> = (0..40).map(|_| Box::pin(reader.read_at(vec![0; 1], 0))).collect();
        for read in &mut reads {
            assert!(crate::common::poll_once(read.as_mut()).is_pending());
        }
        // Who does not want to wait does not overtake those who do.
        let hasty = aura::block_on(&engine, reader.try_read_at(vec![0; 8], 0)).unwrap_err();
        assert_eq!(hasty.errno(), libc::EAGAIN);
        assert_eq!(std::io::Error::from(hasty).kind(), std::io::ErrorKind::WouldBlock);
        // Some lose interest; the order of the others stays.
        for given_up in [30, 17, 5] {
            drop(reads.remove(given_up));
        }
        let bytes: Vec<u8> = (0..37).collect();
        std::io::Write::write_all(&mut writer, &bytes).unwrap();
        for (place, read) in reads.into_iter().enumerate().rev() {
            let byte = aura::block_on(&engine, read).unwrap().1[0];
            assert_eq!(usize::from(byte), place);
        }
    });
}

/// The kernel is done with them; that their futures have not been polled makes no difference.
#[test]
fn permits_come_back_with_the_completion() {
    within(LONG, "permits", || {
        let engine = fixed_engine(8);
        let file = open_with(&engine, b"contents");
        let mut done: Vec<_> = (0..8).map(|_| Box::pin(file.read_at(vec![0; 8], 0))).collect();
        for read in &mut done {
            assert!(crate::common::poll_once(read.as_mut()).is_pending());
        }
        while engine.stats().unwrap().current_in_flight() > 0 {
            let _ = engine.wait(100);
        }
        for _ in 0..100 {
            aura::block_on(&engine, file.try_read_at(vec![0; 8], 0)).expect("there is room");
        }
        for read in done {
            assert_eq!(aura::block_on(&engine, read).unwrap().1, b"contents");
        }
    });
}
