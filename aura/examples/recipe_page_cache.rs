//! Recipe: the miss path of a page cache. Pages come past the kernel's cache (`O_DIRECT`) into
//! buffers of the engine's pool; tasks that miss the same page at the same time share one read.
//!
//! ```sh
//! cargo run --release -p aura --example recipe_page_cache             # a file of its own
//! cargo run --release -p aura --example recipe_page_cache -- FILE
//! ```

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Instant;

use aura::{Buffer, Engine, File, OpenOptions, Tasks};
use support::{Outcome, check};

mod support;

const USAGE: &str = "\
usage: recipe_page_cache [FILE] [--driver DRIVER]

Makes 20000 look-ups all over FILE, most of them in a small part of it, by 64 tasks with a cache of 4 MiB.
Without FILE it uses 16 MiB of its own and checks what it gets.";

/// A multiple of what any device wants its direct reads aligned to.
const PAGE_BYTES: usize = 16 << 10;
const CAPACITY_PAGES: usize = 256;
const TASKS: u64 = 64;
const LOOK_UPS: u32 = 20_000;

fn main() -> ExitCode {
    support::main_with_driver(USAGE, |driver, arguments| {
        let folder = tempfile::tempdir()?;
        let (path, is_sample) = match arguments {
            [] => (folder.path().join("sample"), true),
            [path] => (PathBuf::from(path), false),
            _ => return Err("it takes one file; try --help".into()),
        };
        if is_sample {
            support::make_sample(&path, (16 << 20) + 777)?; // The last page is shorter.
        }
        let engine = Arc::new(Engine::new()?);
        let started = Instant::now();
        let counts = driver.run(&engine, look_up_all(Arc::clone(&engine), path, is_sample))?;
        let Counts { hits, misses, shared } = counts;
        let elapsed = started.elapsed();
        println!("{hits} hits, {misses} misses, {shared} waits for another's miss, {elapsed:.1?}");
        check("every look-up is one of the three", hits + misses + shared == LOOK_UPS)
    })
}

async fn look_up_all(engine: Arc<Engine>, path: PathBuf, is_sample: bool) -> Outcome<Counts> {
    let opened = open_direct(&engine, &path).await;
    let file = opened.map_err(|error| format!("{}: {error}", path.display()))?;
    let len = file.metadata().await?.len();
    if len == 0 {
        return Err(format!("{}: an empty file has no pages", path.display()).into());
    }
    let cache = Cache::new(&engine, file);
    let left = AtomicU32::new(LOOK_UPS);
    let mut tasks: Tasks<_> =
        (1..=TASKS).map(|seed| look_up_some(&cache, len, seed, &left, is_sample)).collect();
    while let Some(done) = tasks.next().await {
        done?;
    }
    drop(tasks);
    Ok(cache.into_counts())
}

/// Opens a file for direct reads; through the kernel's cache where the file system has no others.
async fn open_direct(engine: &Engine, path: &Path) -> aura::Result<File> {
    // A file that stays open and is used a lot is worth a place in the kernel's table.
    let options = OpenOptions::new().read(true).register(true);
    match engine.open(path, options.direct(true)).await {
        Err(error) if error.errno() == libc::EINVAL => {
            println!("{}: no direct reads here", path.display());
            engine.open(path, options).await
        }
        opened => opened,
    }
}

async fn look_up_some(
    cache: &Cache<'_>,
    len: u64,
    seed: u64,
    left: &AtomicU32,
    is_sample: bool,
) -> Outcome {
    let mut random = seed;
    while left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
        .is_ok()
    {
        // Knuth's generator (MMIX); the upper bits are the good ones.
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let anywhere = (random >> 33) % len;
        let offset = if random >> 62 == 0 { anywhere } else { anywhere / 8 };
        let mut bytes = [0; 100];
        let got = cache.read_at(&mut bytes, offset).await?;
        if is_sample && (got == 0 || !support::is_intact(&bytes[..got], offset)) {
            return Err(format!("wrong data at {offset}").into());
        }
    }
    Ok(())
}

/// Pages of one file. A real one would have a lock for each of many shards.
struct Cache<'e> {
    engine: &'e Engine,
    file: File,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pages: HashMap<u64, Page>,
    /// Pages in memory, in the order in which they will be looked at when room is needed.
    clock: VecDeque<u64>,
    counts: Counts,
}

enum Page {
    /// Somebody reads it, these wait.
    Loading(Vec<Waker>),
    Loaded {
        buffer: Buffer,
        bytes: usize,
        was_used: bool,
    },
}

#[derive(Default)]
struct Counts {
    hits: u32,
    misses: u32,
    shared: u32,
}

/// What a look-up finds to do.
enum Step {
    Done(usize),
    Load,
}

impl<'e> Cache<'e> {
    fn new(engine: &'e Engine, file: File) -> Self {
        Self { engine, file, state: Mutex::default() }
    }

    fn into_counts(self) -> Counts {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).counts
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies bytes at `offset` out of their page, up to its end; returns how many.
    async fn read_at(&self, target: &mut [u8], offset: u64) -> aura::Result<usize> {
        let (number, place) = (offset / PAGE_BYTES as u64, (offset % PAGE_BYTES as u64) as usize);
        let (mut has_waited, mut has_loaded) = (false, false);
        loop {
            let step = poll_fn(|context| {
                let State { pages, counts, .. } = &mut *self.state();
                match pages.get_mut(&number) {
                    Some(Page::Loaded { buffer, bytes, was_used }) => {
                        *was_used = true;
                        let data = &buffer.as_slice()[..*bytes];
                        let data = data.get(place..).unwrap_or_default();
                        let len = data.len().min(target.len());
                        target[..len].copy_from_slice(&data[..len]);
                        match (has_loaded, has_waited) {
                            (true, _) => counts.misses += 1,
                            (_, true) => counts.shared += 1,
                            _ => counts.hits += 1,
                        }
                        Poll::Ready(Step::Done(len))
                    }
                    Some(Page::Loading(waiting)) => {
                        has_waited = true;
                        waiting.push(context.waker().clone());
                        Poll::Pending
                    }
                    None => {
                        pages.insert(number, Page::Loading(Vec::new()));
                        Poll::Ready(Step::Load)
                    }
                }
            })
            .await;
            match step {
                Step::Done(bytes) => return Ok(bytes),
                Step::Load => self.load(number).await?,
            }
            has_loaded = true;
        }
    }

    /// The miss path.
    async fn load(&self, number: u64) -> aura::Result<()> {
        // Whether the read fails or this future is dropped: the page is not left as loading.
        let unfinished = Unfinished { cache: self, number };
        let buffer = self.engine.allocate_buffer(PAGE_BYTES)?; // Aligned as direct reads want it.
        let (bytes, buffer) = self.file.read_at(buffer, number * PAGE_BYTES as u64).await?;
        let mut state = self.state();
        state.make_room();
        let loaded = Page::Loaded { buffer, bytes, was_used: false };
        let before = state.pages.insert(number, loaded);
        state.clock.push_back(number);
        drop(state);
        std::mem::forget(unfinished);
        wake_all(before);
        Ok(())
    }
}

impl State {
    /// Evicts pages that were not used since they were last looked at (the CLOCK algorithm).
    fn make_room(&mut self) {
        while self.clock.len() >= CAPACITY_PAGES {
            let Some(oldest) = self.clock.pop_front() else { return };
            match self.pages.get_mut(&oldest) {
                Some(Page::Loaded { was_used, .. }) if *was_used => {
                    *was_used = false;
                    self.clock.push_back(oldest);
                }
                _ => drop(self.pages.remove(&oldest)), // The buffer goes back to the pool.
            }
        }
    }
}

/// A read that ends without a page, unless it is forgotten: those who wait try for themselves.
struct Unfinished<'c, 'e> {
    cache: &'c Cache<'e>,
    number: u64,
}

impl Drop for Unfinished<'_, '_> {
    fn drop(&mut self) {
        wake_all(self.cache.state().pages.remove(&self.number));
    }
}

fn wake_all(before: Option<Page>) {
    if let Some(Page::Loading(waiting)) = before {
        waiting.into_iter().for_each(Waker::wake);
    }
}
