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
        Request::Run(_) => ExitCode::SUCCESS,
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    // Nobody may be listening; the exit code says it too.
    _ = writeln!(io::stderr(), "bffio: {error}");
    ExitCode::FAILURE
}
