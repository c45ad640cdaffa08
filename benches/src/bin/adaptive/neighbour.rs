//! A second process that reads the same file at a depth of its own, comes and goes.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aura_bench::Error;
use aura_bench::subject::{Direct, Subject};

use crate::Context;
use crate::load::{Limit, Load, Work};
use crate::recording::{Recording, seconds};
use crate::row::{Row, Seen};
use crate::sweep::{Marks, Sweep};

/// Reads that the neighbour keeps in flight.
const DEPTH: usize = 64;
/// Depths of the oracle alone, and beside the neighbour, where more in flight takes more of the disk.
const DEPTHS_ALONE: [usize; 7] = [8, 16, 32, 48, 64, 96, 128];
const DEPTHS_TOGETHER: [usize; 6] = [8, 32, 64, 128, 256, 512];
/// Seconds alone, with the neighbour, and alone again.
const ALONE_S: f64 = 2.0;
const TOGETHER_S: f64 = 3.0;
/// What of a stretch does not count, in seconds: the neighbour starts, the engine finds its limit.
const SETTLING_S: f64 = 1.0;

/// The process. It ends with this value.
struct Neighbour(Child);

impl Neighbour {
    /// Starts it on the same file, which has no name: the kernel has a link to it.
    fn start(subject: &Subject) -> Result<Self, Error> {
        let link = format!("/proc/{}/fd/{}", std::process::id(), subject.file.as_raw_fd());
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--neighbour-on").arg(link).stdin(Stdio::null()).stdout(Stdio::null());
        Ok(Self(command.spawn().map_err(|error| format!("starting a second process: {error}"))?))
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The life of the second process: reads until it is killed, or for a minute if nobody does.
pub(crate) fn live(link: &Path) -> Result<(), Error> {
    let subject = Subject::take(&PathBuf::from(link), Direct::Auto)?;
    let load = Load::new(Limit::Fixed(DEPTH), &subject)?;
    for _ in 0..60 {
        load.run(Work::RandomReads, Duration::from_secs(1))?;
    }
    load.drain()
}

pub(crate) fn run(
    subject: &Subject,
    context: &mut Context,
) -> Result<[(&'static str, Marks); 2], Error> {
    let mut oracle = |depths: &[usize]| {
        let mut sweep = Sweep::new(depths, Work::RandomReads, subject)?;
        (0..3).try_for_each(|_| sweep.round(Duration::from_millis(300)))?;
        context.checked += sweep.finish(subject)?;
        Ok::<_, Error>(sweep.marks())
    };
    let alone = oracle(&DEPTHS_ALONE)?;
    let together = {
        let _neighbour = Neighbour::start(subject)?;
        std::thread::sleep(Duration::from_millis(300));
        oracle(&DEPTHS_TOGETHER)?
    };
    for limit in [Limit::Free, Limit::Target(Duration::from_millis(1))] {
        let load = Load::new(limit, subject)?;
        let mut recording: Recording =
            load.run(Work::RandomReads, Duration::from_secs_f64(ALONE_S))?;
        let neighbour = Neighbour::start(subject)?;
        recording.extend(load.run(Work::RandomReads, Duration::from_secs_f64(TOGETHER_S))?);
        drop(neighbour);
        recording.extend(load.run(Work::RandomReads, Duration::from_secs_f64(ALONE_S))?);
        load.drain()?;
        context.checked += load.finish(subject)?;
        let (comes, goes) = (ALONE_S, ALONE_S + TOGETHER_S);
        let stretches = [
            ("alone", 0.0, comes, &alone),
            ("with neighbour", comes, goes, &together),
            ("alone again", goes, goes + ALONE_S, &alone),
        ];
        for (name, from, to, marks) in stretches {
            let judged = seconds(from + SETTLING_S, to);
            let seen = Seen { recording: &recording, stretch: seconds(from, to), judged };
            let best = marks.best(limit.target()).map(Into::into);
            context.rows.push(Row::new("neighbour", limit, name, &[(seen, best)]));
        }
        let name = format!("neighbour-{}", limit.name().replace(' ', "-"));
        context.draw(&name, &recording, limit, &[comes, goes])?;
        context.decisions.push((name, load.decisions()));
    }
    Ok([("alone", alone), ("with neighbour", together)])
}
