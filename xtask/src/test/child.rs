//! Running one step with a time limit for it and for everything it starts.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// Whether the user wants out. Set by the signal handler, read between two looks at the child;
/// nothing else depends on it, so relaxed suffices.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// How long a child may take to end by itself once asked to.
const GRACE: Duration = Duration::from_secs(5);
/// How often to look, at most and at least: steps take seconds, single tests milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOOK_FIRST: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(super) struct Run {
    pub(super) ending: Ending,
    pub(super) seconds: f64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    Exited(ExitStatus),
    TimedOut,
    Interrupted,
}

pub(super) fn install_interrupt_handler() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed))
}

/// Runs a command to its end, its output going to `log`.
///
/// A file, not a pipe: a process that outlives the step cannot hold up the reader. The child leads a
/// process group of its own, so that the time limit reaches what it has started.
pub(super) fn run(command: &mut Command, time_limit: Duration, log: &Path) -> io::Result<Run> {
    let output = File::create(log)?;
    let begun = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()?;
    let mut look_next = LOOK_FIRST;
    let ending = loop {
        if let Some(status) = child.try_wait()? {
            break Ending::Exited(status);
        }
        if INTERRUPTED.load(Ordering::Relaxed) {
            end(&mut child)?;
            break Ending::Interrupted;
        }
        if begun.elapsed() > time_limit {
            end(&mut child)?;
            break Ending::TimedOut;
        }
        thread::sleep(look_next);
        look_next = LOOK_EVERY.min(look_next * 2);
    };
    Ok(Run { ending, seconds: begun.elapsed().as_secs_f64() })
}

/// Asks the child's group to end, and makes it.
fn end(child: &mut Child) -> io::Result<()> {
    let group = Pid::from_child(child);
    // The group may be gone already; then there is nothing to end.
    let _ = kill_process_group(group, Signal::TERM);
    let asked = Instant::now();
    while child.try_wait()?.is_none() && asked.elapsed() < GRACE {
        thread::sleep(LOOK_EVERY);
    }
    let _ = kill_process_group(group, Signal::KILL);
    child.wait().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> (Run, String) {
        let name = format!("xtask-child-{}-{}.log", std::process::id(), script.len());
        let log = std::env::temp_dir().join(name);
        let run = run(Command::new("sh").args(["-c", script]), limit, &log).expect("sh exists");
        let output = std::fs::read_to_string(&log).expect("written");
        std::fs::remove_file(&log).expect("there");
        (run, output)
    }

    #[test]
    fn exit_code_and_both_streams_arrive() {
        let (run, output) = shell("echo out; echo err >&2; exit 3", Duration::from_secs(60));
        assert!(matches!(run.ending, Ending::Exited(status) if status.code() == Some(3)));
        assert_eq!(output, "out\nerr\n");
    }

    #[test]
    fn the_time_limit_reaches_grandchildren() {
        // The inner shell waits for its own child, whose number it tells us.
        let (run, output) = shell("sleep 1000 & echo $!; wait", Duration::from_millis(300));
        assert!(matches!(run.ending, Ending::TimedOut));
        let stat = format!("/proc/{}/stat", output.trim());
        let gone = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        let asked = Instant::now();
        while !gone() && asked.elapsed() < Duration::from_secs(10) {
            thread::sleep(LOOK_EVERY);
        }
        assert!(gone(), "sleep is still running");
    }
}
