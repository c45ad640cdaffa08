//! Recipe: read many files into memory and hand them on in the order in which they were listed, as
//! a loader of training data or of source files does.
//!
//! ```sh
//! cargo run --release -p aura --example recipe_read_many              # files of its own
//! cargo run --release -p aura --example recipe_read_many -- FILE...
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use aura::{Engine, Tasks};
use support::Outcome;

mod support;

const USAGE: &str = "\
usage: recipe_read_many [FILE...] [--driver DRIVER]

Reads the files, many at a time, and sums up their bytes in the order in which they are given.
Without FILE it reads 200 files of its own and checks them.";

/// Bounds what is in memory: this many files, read or being read, are ahead of the consumer.
const FILES_AHEAD: usize = 64;

fn main() -> ExitCode {
    support::main_with_driver(USAGE, |driver, arguments| {
        let folder = tempfile::tempdir()?;
        let mut files: Vec<PathBuf> = arguments.iter().map(PathBuf::from).collect();
        let is_sample = files.is_empty();
        if is_sample {
            for index in 0..200 {
                let path = folder.path().join(format!("file{index}"));
                support::make_sample(&path, sample_bytes(index))?;
                files.push(path);
            }
        }
        let engine = Arc::new(Engine::new()?);
        let (count, started) = (files.len(), Instant::now());
        let bytes = driver.run(&engine, read_many(Arc::clone(&engine), files, is_sample))?;
        support::print_rate(&format!("{count} files,"), bytes, started.elapsed());
        Ok(())
    })
}

fn sample_bytes(index: usize) -> usize {
    index * 1777
}

async fn read_many(engine: Arc<Engine>, files: Vec<PathBuf>, is_sample: bool) -> Outcome<u64> {
    let mut waiting = files.into_iter().enumerate();
    let mut loading = Tasks::new();
    let mut loaded = BTreeMap::new(); // What came before its turn.
    let (mut next_index, mut bytes) = (0, 0);
    loop {
        while loading.len() + loaded.len() < FILES_AHEAD
            && let Some((index, path)) = waiting.next()
        {
            loading.push(load(&engine, index, path));
        }
        let Some(file) = loading.next().await else { return Ok(bytes) };
        loaded.insert(file.index, file);
        while let Some(file) = loaded.remove(&next_index) {
            bytes += consume(file, is_sample)?;
            next_index += 1;
        }
    }
}

struct Loaded {
    index: usize,
    path: PathBuf,
    contents: aura::Result<Vec<u8>>,
}

async fn load(engine: &Engine, index: usize, path: PathBuf) -> Loaded {
    let contents = aura::fs::read(engine, &path).await;
    Loaded { index, path, contents }
}

/// What the program is for. Here it counts, and checks what it made.
fn consume(file: Loaded, is_sample: bool) -> Outcome<u64> {
    let Loaded { index, path, contents } = file;
    let contents = contents.map_err(|error| format!("{}: {error}", path.display()))?;
    let is_as_made = contents.len() == sample_bytes(index) && support::is_intact(&contents, 0);
    if is_sample && !is_as_made {
        return Err(format!("{}: wrong data", path.display()).into());
    }
    Ok(contents.len() as u64)
}
