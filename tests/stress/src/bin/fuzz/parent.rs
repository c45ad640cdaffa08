//! Children that run cases, how they end, and the summary.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use aura_stress::interrupt;
use aura_stress::verdict::Verdict;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::oracle::EXIT_BROKEN;
use crate::{Arguments, child, minimise};

/// Cases of a child: a crash costs no more than that.
const CASES_OF_A_CHILD: u64 = 500;
/// Without another word for so many looks, a child hangs. Looks, and not time: all may have been stopped.
const SILENCE_MAX: u32 = 200;
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Without any limit given.
const SECONDS: Duration = Duration::from_secs(10);
/// Of what a child says at its end.
const LINES_KEPT: usize = 30;

type Failure = Box<dyn std::error::Error>;

/// A case that failed.
#[derive(Debug, Serialize)]
struct Finding {
    seed: u64,
    ending: String,
    /// The fewest steps that were found to fail, of so many.
    steps: Vec<u32>,
    of_steps: u32,
    replay: String,
}

#[derive(Debug, Serialize)]
struct Summary {
    verdict: &'static str,
    seed: u64,
    cases: u64,
    calls: u64,
    seconds: f64,
    finding: Option<Finding>,
}

/// How a child ended, and how far it came.
#[derive(Debug)]
struct Ran {
    cases: u64,
    calls: u64,
    /// The case it was at, and what happened, unless all is well.
    broke: Option<(u64, String)>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    interrupt::install()?;
    let begun = Instant::now();
    let seconds = match (arguments.seconds, arguments.cases) {
        (None, None) => Some(SECONDS),
        (seconds, _) => seconds,
    };
    let bar = bar(arguments.cases);
    let mut summary = Summary {
        verdict: Verdict::Held.word(),
        seed: arguments.seed,
        cases: 0,
        calls: 0,
        seconds: 0.0,
        finding: None,
    };
    let verdict = loop {
        let left = arguments.cases.map_or(CASES_OF_A_CHILD, |cases| cases - summary.cases);
        if interrupt::requested() {
            break Verdict::Interrupted;
        }
        if left == 0 || seconds.is_some_and(|seconds| begun.elapsed() >= seconds) {
            break Verdict::Held;
        }
        let seed = arguments.seed.wrapping_add(summary.cases);
        let deadline = seconds.map(|seconds| begun + seconds);
        let ran = run_child(arguments, seed, left.min(CASES_OF_A_CHILD), deadline, &bar)?;
        summary.cases += ran.cases;
        summary.calls += ran.calls;
        bar.set_message(format!("{} calls", summary.calls));
        // Ctrl-C reaches the child as well.
        if let Some((seed, ending)) = ran.broke.filter(|_| !interrupt::requested()) {
            bar.suspend(|| eprintln!("case {seed} fails: {ending}\nmaking it smaller …"));
            summary.finding = Some(examine(arguments, seed, ending)?);
            break Verdict::Failed;
        }
    };
    bar.finish_and_clear();
    summary.seconds = begun.elapsed().as_secs_f64();
    summary.verdict = verdict.word();
    print(&summary);
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&summary)? + "\n";
        std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(verdict)
}

fn bar(cases: Option<u64>) -> ProgressBar {
    let (bar, template) = match cases {
        Some(cases) => (
            ProgressBar::new(cases),
            "{bar:30} {human_pos} of {human_len} cases  {eta} left  {msg}",
        ),
        None => (ProgressBar::new_spinner(), "{spinner} {elapsed}  {human_pos} cases  {msg}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

fn this_program(arguments: &Arguments) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    if let Some(plant) = arguments.plant {
        let name = clap::ValueEnum::to_possible_value(&plant);
        command.arg("--plant").args(name.map(|name| name.get_name().to_owned()));
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

fn run_child(
    arguments: &Arguments,
    seed: u64,
    cases: u64,
    deadline: Option<Instant>,
    bar: &ProgressBar,
) -> Result<Ran, Failure> {
    let mut command = this_program(arguments)?;
    let seed_text = seed.to_string();
    let mut child = command.args(["--child", &cases.to_string(), "--seed", &seed_text]).spawn()?;
    let lines = lines_of(&mut child);
    let stderr = read_in_the_background(child.stderr.take());
    let (mut ran, mut at) = (Ran { cases: 0, calls: 0, broke: None }, seed);
    let mut silence = 0;
    let ending = loop {
        match lines.recv_timeout(LOOK_EVERY) {
            Ok(line) => {
                silence = 0;
                if let Some(seed) = line.strip_prefix("case ") {
                    at = seed.parse()?;
                } else if let Some(calls) = line.strip_prefix("calls ") {
                    ran.calls += calls.parse::<u64>()?;
                    ran.cases += 1;
                    bar.inc(1);
                }
                let time_is_up = deadline.is_some_and(|deadline| Instant::now() >= deadline);
                if (time_is_up || interrupt::requested()) && line.starts_with("calls ") {
                    child.kill()?;
                    child.wait()?;
                    return Ok(ran);
                }
            }
            Err(RecvTimeoutError::Disconnected) => break describe(child.wait()?),
            Err(RecvTimeoutError::Timeout) => {
                silence += 1;
                if silence > SILENCE_MAX {
                    child.kill()?;
                    child.wait()?;
                    break Some("it hangs".into());
                }
            }
        }
    };
    let said = stderr.recv().unwrap_or_default();
    ran.broke = ending.map(|ending| (at, with_words(&ending, &said)));
    Ok(ran)
}

/// What is wrong with how a process ended.
fn describe(status: ExitStatus) -> Option<String> {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(EXIT_BROKEN), _) => Some("a promise is broken".into()),
        (_, Some(signal)) => Some(format!("it is killed by signal {signal}")),
        _ => Some(status.to_string()),
    }
}

fn with_words(ending: &str, said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    let last = lines[lines.len().saturating_sub(LINES_KEPT)..].join("\n");
    if last.is_empty() { ending.into() } else { format!("{ending}:\n{last}") }
}

/// The lines of a child, each as it comes.
fn lines_of(child: &mut Child) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    if let Some(out) = child.stdout.take() {
        std::thread::spawn(move || {
            BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
    }
    lines
}

fn read_in_the_background(from: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, text) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What cannot be read is not shown.
        let _ = from.map(|mut from| from.read_to_end(&mut bytes));
        sender.send(String::from_utf8_lossy(&bytes).into_owned())
    });
    text
}

/// Makes a failing case smaller, and says how to run it again.
fn examine(arguments: &Arguments, seed: u64, ending: String) -> Result<Finding, Failure> {
    let of_steps = child::count(seed);
    let fails = |steps: &[u32]| fails_with(arguments, seed, steps).unwrap_or(false);
    let steps: Vec<u32> = (0..of_steps).collect();
    // A hang takes its time whenever it comes, and one that needs another case before it does not come.
    let can_be_made_smaller = !ending.starts_with("it hangs") && fails(&steps);
    let steps = if can_be_made_smaller { minimise::minimise(steps, fails) } else { steps };
    let listed = steps.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let mut replay = format!("cargo xtask fuzz --replay {seed}");
    if !steps.is_empty() && steps.len() < of_steps as usize {
        replay += &format!(" --steps {listed}");
    }
    Ok(Finding { seed, ending, steps, of_steps, replay })
}

fn fails_with(arguments: &Arguments, seed: u64, steps: &[u32]) -> Result<bool, Failure> {
    let listed = steps.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    // No step at all is written as one that no case has.
    let listed = if steps.is_empty() { u32::MAX.to_string() } else { listed };
    let mut command = this_program(arguments)?;
    command.args(["--replay", &seed.to_string(), "--steps", &listed]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    for _ in 0..SILENCE_MAX {
        if let Some(status) = child.try_wait()? {
            return Ok(describe(status).is_some());
        }
        std::thread::sleep(LOOK_EVERY / 10);
    }
    child.kill()?;
    child.wait()?;
    Ok(true)
}

fn print(summary: &Summary) {
    let Summary { cases, calls, seconds, seed, .. } = summary;
    println!("{cases} cases, {calls} calls in {seconds:.1} s, from seed {seed}");
    if let Some(finding) = &summary.finding {
        println!("FOUND: case {}: {}", finding.seed, finding.ending);
        println!("{} of its {} steps are enough", finding.steps.len(), finding.of_steps);
        println!("replay with: {}", finding.replay);
    }
    println!("fuzz: {}", summary.verdict);
}
