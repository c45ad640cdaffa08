//! Running the steps: the main lane, one beside it where there is a second processor, and the end.

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::child::{self, Ending};
use super::faults::Results;
use super::plan::{self, Lane, Step};
use super::report::{Report, StepReport};
use super::tally;

/// The steps, and what they have come to.
pub(super) struct Lanes<'a> {
    logs: &'a Path,
    state: Mutex<State>,
}

struct State {
    left: Vec<Step>,
    begun: usize,
    running: Vec<String>,
    report: Report,
    results: Results,
}

/// A step that has its turn.
struct Turn {
    step: Step,
    number: usize,
}

/// Whether the user wants no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Interrupted,
}

impl<'a> Lanes<'a> {
    pub(super) fn new(steps: Vec<Step>, logs: &'a Path) -> Self {
        let report = Report::begin();
        let results = Results::default();
        let state = State { left: steps, begun: 0, running: Vec::new(), report, results };
        Self { logs, state: Mutex::new(state) }
    }

    pub(super) fn run(&self) -> io::Result<Outcome> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let beside = || self.drain(Lane::Beside);
        let outcomes = if processors > 1 {
            std::thread::scope(|scope| {
                let beside = scope.spawn(beside);
                let main = self.drain(Lane::Main);
                [main, beside.join().expect("it does not panic")]
            })
        } else {
            [self.drain(Lane::Main), beside()]
        };
        for outcome in outcomes {
            if outcome? == Outcome::Interrupted {
                return Ok(Outcome::Interrupted);
            }
        }
        self.drain(Lane::End)
    }

    pub(super) fn finish(self) -> (Report, Results) {
        let State { report, results, .. } =
            self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        (report, results)
    }

    /// Runs all steps of a lane.
    fn drain(&self, lane: Lane) -> io::Result<Outcome> {
        while let Some(turn) = self.next(lane) {
            if self.perform(&turn)? == Outcome::Interrupted {
                return Ok(Outcome::Interrupted);
            }
        }
        Ok(Outcome::Done)
    }

    fn next(&self, lane: Lane) -> Option<Turn> {
        self.with(|state| {
            let index = state.left.iter().position(|step| step.lane == lane)?;
            let step = state.left.remove(index);
            state.begun += 1;
            state.running.push(step.name.clone());
            state.report.tell_running(&state.running);
            Some(Turn { step, number: state.begun })
        })
    }

    fn perform(&self, turn: &Turn) -> io::Result<Outcome> {
        let Turn { step, number } = turn;
        if let Some(reason) = (step.unavailable)() {
            self.end(turn, StepReport::skipped(step, reason), Vec::new());
            return Ok(Outcome::Done);
        }
        let log = self.logs.join(format!("{number:02}-{}.log", file_name(&step.name)));
        let run = child::run(&mut step.command(), step.time_limit, &log)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", step.name)))?;
        let output = std::fs::read(&log)?;
        let output = String::from_utf8_lossy(&output);
        let problem = match run.ending {
            Ending::Exited(status) if status.success() => None,
            Ending::Exited(status) => Some(status.to_string()),
            Ending::TimedOut => Some(format!("killed after {} s", step.time_limit.as_secs())),
            Ending::Interrupted => return Ok(Outcome::Interrupted),
        };
        let examples = if step.builds_examples && problem.is_none() {
            plan::examples(&log, self.logs)?
        } else {
            Vec::new()
        };
        self.with(|state| state.results.read(&output));
        let tally = tally::read(&output);
        self.end(turn, StepReport::ran(step, &log, run.seconds, problem, &tally), examples);
        Ok(Outcome::Done)
    }

    /// Notes and tells what a step came to, and what is to follow it.
    fn end(&self, turn: &Turn, came_to: StepReport, following: Vec<Step>) {
        self.with(|state| {
            state.left.splice(0..0, following);
            state.running.retain(|name| *name != turn.step.name);
            let total = state.begun + state.left.len();
            state.report.add(turn.number, total, came_to);
            state.report.tell_running(&state.running);
        });
    }

    fn with<T>(&self, access: impl FnOnce(&mut State) -> T) -> T {
        // A panic in another lane ends the run anyway.
        access(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The step's name as part of a file name.
fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(name: &str, lane: Lane, script: &str) -> Step {
        Step { lane, program: "sh".into(), ..Step::cargo(name, ["-c", script]) }
    }

    #[test]
    fn lanes_run_beside_each_other_and_the_end_comes_last() {
        let logs = std::env::temp_dir().join(format!("xtask-lanes-{}", std::process::id()));
        std::fs::create_dir_all(&logs).expect("writable");
        let at = |name: &str| logs.join(name).display().to_string();
        let wait_for = |file: String| format!("until test -e {file}; do sleep 0.01; done");
        let (one, other, both) = (at("one"), at("other"), at("both"));
        let mut steps = vec![
            shell("end", Lane::End, &format!("test -e {both}")),
            shell("one", Lane::Main, &format!("touch {one}")),
            shell("one more", Lane::Main, &wait_for(other.clone())),
            shell("other", Lane::Beside, &format!("touch {other}")),
            shell("fails", Lane::Beside, &format!("test -e {one}; touch {both}; exit 3")),
        ];
        steps.iter_mut().for_each(|step| step.time_limit = std::time::Duration::from_secs(60));
        let lanes = Lanes::new(steps, &logs);
        assert_eq!(lanes.run().expect("sh exists"), Outcome::Done);
        let (report, _) = lanes.finish();
        std::fs::remove_dir_all(&logs).expect("there");
        assert!(!report.finish(), "one step fails");
        assert_eq!(report.failed(), ["fails"]);
    }
}
