//! The options of an engine, and how it is driven, both at random.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};

use aura::{Engine, Options, RingSelect};
use aura_stress::random::Random;

use crate::stints::{Failure, ignore_time_out};

/// Options from small rings, at whose limit work is all the time, to large ones.
pub(crate) fn options(random: &mut Random, base: Options) -> Options {
    let depth = random.of(&[4, 16, 64, 64, 256, 256, 1024, 1024]);
    let select = [RingSelect::Adaptive, RingSelect::CpuLocal, RingSelect::RoundRobin];
    let options = base
        .queue_depth(depth)
        .ring_count(random.of(&[1, 1, 2, 3]))
        .initial_in_flight(1 + random.below(depth as u64) as i32)
        .ring_select(random.of(&select))
        .disable_adaptive(random.one_in(2));
    // One ring only: each has a kernel thread that takes a processor, and the machine may have few.
    match random.below(16) {
        0 if depth >= 256 => options.ring_count(1).enable_sqpoll(true).sqpoll_idle_ms(1),
        _ => options,
    }
}

/// Who processes completions, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drive {
    /// A thread in `wait`.
    Wait,
    /// A thread that watches the poll descriptor and calls `poll`.
    Watch,
    /// A thread in `run`.
    Run,
    /// The engine's own poller.
    Poller,
}

impl Drive {
    pub(crate) fn draw(random: &mut Random) -> Self {
        random.of(&[Self::Wait, Self::Wait, Self::Watch, Self::Run, Self::Poller])
    }

    /// Processes completions until it is over. For all but the engine's poller on a thread of its own.
    pub(crate) fn process(self, engine: &Engine, over: &AtomicBool) -> Result<(), Failure> {
        const WAIT_MS: i32 = 20;
        let is_over = || over.load(Ordering::Acquire);
        match self {
            Self::Wait => {
                while !is_over() {
                    engine.wait(WAIT_MS).map_or_else(ignore_time_out, |_| Ok(()))?;
                }
            }
            Self::Watch => {
                let fd = engine.poll_fd()?;
                while !is_over() {
                    if is_readable(fd, WAIT_MS) {
                        engine.poll()?;
                    }
                }
            }
            Self::Run => {
                // A `stop` that met nobody, as it does after shifts that are driven otherwise, ends it at once.
                while !is_over() {
                    engine.run();
                }
            }
            Self::Poller => {
                let poller = engine.start_poller()?;
                while !is_over() {
                    std::thread::park_timeout(std::time::Duration::from_millis(WAIT_MS as u64));
                }
                drop(poller);
            }
        }
        Ok(())
    }
}

fn is_readable(fd: RawFd, timeout_ms: i32) -> bool {
    let mut entry = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid entry.
    unsafe { libc::poll(&raw mut entry, 1, timeout_ms) == 1 }
}
