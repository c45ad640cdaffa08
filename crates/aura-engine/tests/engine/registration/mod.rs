//! Registered files and buffers against a model: random steps over the real kernel, with operations
//! queued and in flight while the tables change.

mod game;

use std::fmt;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestError, TestRunner};

use crate::odd::Mistake;
use game::{BUFFER_BYTES, BUFFERS, FILES, Game};

/// Indices that are tried: within tables and beyond.
const INDICES: u32 = 5;

#[derive(Clone, Debug)]
enum Step {
    RegisterFiles(Vec<Option<usize>>),
    UpdateFile {
        index: u32,
        file: Option<usize>,
    },
    UnregisterFiles,
    RegisterFile {
        file: usize,
    },
    FreeFile {
        pick: Index,
    },
    Read {
        index: u32,
    },
    /// All reads are heard of, but for one that hangs.
    Settle,
    RegisterBuffers {
        lens: Vec<usize>,
    },
    ReadFixed(Fixed),
    /// A read into a registered buffer does not end until `Release`.
    Hang {
        index: u32,
    },
    Release,
    UnregisterBuffers,
}

/// A read of a file into a registered buffer.
#[derive(Clone, Copy, Debug)]
struct Fixed {
    index: u32,
    offset: usize,
    len: usize,
    file: usize,
}

fn step() -> impl Strategy<Value = Step> {
    let file = || 0..FILES;
    let perhaps = || option::weighted(0.8, file());
    let buffer = || 0..BUFFERS as u32;
    let bytes = || 1..=BUFFER_BYTES;
    prop_oneof![
        3 => vec(perhaps(), 1..4).prop_map(Step::RegisterFiles),
        3 => (0..INDICES, perhaps()).prop_map(|(index, file)| Step::UpdateFile { index, file }),
        2 => Just(Step::UnregisterFiles),
        3 => file().prop_map(|file| Step::RegisterFile { file }),
        3 => any::<Index>().prop_map(|pick| Step::FreeFile { pick }),
        8 => (0..INDICES).prop_map(|index| Step::Read { index }),
        2 => Just(Step::Settle),
        3 => vec(bytes(), 1..=BUFFERS).prop_map(|lens| Step::RegisterBuffers { lens }),
        6 => (buffer(), 0..BUFFER_BYTES, bytes(), file()).prop_map(|(index, offset, len, file)| {
            Step::ReadFixed(Fixed { index, offset, len, file })
        }),
        1 => buffer().prop_map(|index| Step::Hang { index }),
        1 => Just(Step::Release),
        2 => Just(Step::UnregisterBuffers),
    ]
}

/// Why a game was lost, if it was.
fn play(cases: u32, mistake: Option<Mistake>) -> Option<impl fmt::Display> {
    // `PROPTEST_CASES` asks for more or fewer.
    let asked_for = |_| Config::default().cases;
    let cases = std::env::var("PROPTEST_CASES").map_or(cases, asked_for);
    // What a mistake leads to need not be made smaller.
    let max_shrink_iters = if mistake.is_some() { 0 } else { 500 };
    let config = Config { cases, failure_persistence: None, max_shrink_iters, ..Config::default() };
    let played = TestRunner::new(config).run(&vec(step(), 1..40), |steps| {
        let mut game = Game::new(mistake);
        steps.into_iter().try_for_each(|step| game.step(step))?;
        game.finish()
    });
    match played {
        Err(TestError::Abort(reason)) => panic!("{reason}"),
        played => played.err(),
    }
}

#[test]
fn tables_agree_with_the_model() {
    if let Some(error) = play(100, None) {
        panic!("{error}");
    }
}

#[test]
fn every_mistake_with_a_table_is_noticed() {
    for mistake in Mistake::ALL {
        assert!(play(100, Some(mistake)).is_some(), "{mistake:?} went unnoticed");
    }
}
