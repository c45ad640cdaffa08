//! Engines that come and go leave no memory behind.

use std::fs;

use aura::{Engine, Options};

/// Engines of each round. One that left a page behind would show as 2 MiB.
const ENGINES: usize = 512;
/// What the allocator may do meanwhile.
const SLACK_KIB: u64 = 768;

fn resident_kib() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").expect("procfs");
    let pages = pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("a number of pages") * 4
}

fn round() -> u64 {
    let options = Options::new().queue_depth(8).ring_count(1);
    for _ in 0..ENGINES {
        let engine = Engine::with_options(&options).expect("an engine");
        engine.nop(|_| ()).expect("there is room");
    }
    resident_kib()
}

#[test]
fn engines_that_are_gone_take_no_memory() {
    round(); // Whatever is allocated once is allocated now.
    let (before, after) = (round(), round());
    assert!(after <= before + SLACK_KIB, "{ENGINES} engines left {} KiB", after - before);
}
