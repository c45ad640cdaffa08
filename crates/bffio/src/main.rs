//! The program `bffio`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use bffio::help;
use bffio::parse::{Request, command_line};

fn main() -> ExitCode {
    let request = match command_line(std::env::args().skip(1)) {
        Ok(request) => request,
        Err(error) => return fail(&error),
    };
    match request {
        Request::Print(what) => match help::print(&what, &mut io::stdout().lock()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
        Request::Checked(_) => ExitCode::SUCCESS,
        Request::Run(plan) => {
            let mut out: Box<dyn io::Write> = match &plan.settings.output {
                Some(path) => Box::new(std::fs::File::create(path).unwrap()),
                None => Box::new(io::stdout()),
            };
            match bffio::run::run(&plan, &mut (), &mut |_| ()) {
                Ok(outcome) => {
                    bffio::report::write(&outcome, &mut out).unwrap();
                    for f in outcome.workers.iter().filter_map(|w| w.failure.as_ref()) {
                        eprintln!("fio: {}", f.what);
                    }
                    if outcome.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
                }
                Err(error) => fail(&error),
            }
        }
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    // Nobody may be listening; the exit code says it too.
    _ = writeln!(io::stderr(), "bffio: {error}");
    ExitCode::FAILURE
}
