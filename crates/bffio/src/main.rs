//! The program `bffio`: command line in, reports out.

use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;

use bffio::job::{Format, Plan, Settings};
use bffio::live::Live;
use bffio::parse::{Request, command_line};
use bffio::progress::Progress;
use bffio::run::{self, Outcome};
use bffio::{help, plot, report};

/// fio's exit code of a run that the user ended.
const INTERRUPTED: u8 = 128;

fn main() -> ExitCode {
    match perform() {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS, // `bffio --help | head`
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn perform() -> Result<ExitCode, Box<dyn Error>> {
    match command_line(std::env::args().skip(1))? {
        Request::Print(what) => help::print(&what, &mut io::stdout().lock())?,
        Request::Checked(_) => {}
        Request::Run(plan) => return perform_plan(&plan),
    }
    Ok(ExitCode::SUCCESS)
}

fn perform_plan(plan: &Plan) -> Result<ExitCode, Box<dyn Error>> {
    let settings = &plan.settings;
    let mut out = output(settings)?; // before hours of I/O, not after
    if settings.formats.contains(&Format::Normal) {
        plan.notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))?;
    }
    let mut lost = None;
    let mut report = |partial: &Outcome| {
        if let Err(error) = report::write(partial, &mut *out) {
            lost = Some(error);
        }
    };
    let outcome = if settings.live {
        let mut live = Live::start()?;
        // Reports would go through the screen; they are written when it is gone.
        let outcome = run::run(plan, &mut live, &mut |_| ());
        live.finish()?;
        outcome?
    } else {
        let mut progress = Progress::new(settings);
        let outcome = run::run(plan, &mut progress, &mut report);
        progress.finish();
        outcome?
    };
    report(&outcome);
    for worker in &outcome.workers {
        if let Some(failure) = &worker.failure {
            complain(&format!("{}: {}", outcome.plan.jobs[worker.job].name, failure.what));
        }
    }
    if let Some(path) = &settings.plot {
        plot::draw(path, &outcome.trace)?;
    }
    lost.map_or(Ok(()), Err)?;
    Ok(match outcome {
        Outcome { interrupted: true, .. } => ExitCode::from(INTERRUPTED),
        Outcome { failed: true, .. } => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

fn output(settings: &Settings) -> Result<Box<dyn Write>, String> {
    match &settings.output {
        None => Ok(Box::new(io::stdout())),
        Some(path) => match File::create(path) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => Err(format!("--output: cannot create {}: {error}", path.display())),
        },
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn complain(message: &str) {
    // Nobody may be listening; the exit code says it too.
    _ = writeln!(io::stderr(), "bffio: {message}");
}
